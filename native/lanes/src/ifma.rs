//! Eight lanes in a 512-bit register, with the 52-bit multiplier (AVX-512 IFMA).

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask,
    _mm512_loadu_epi64, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_mov_epi64,
    _mm512_mullo_epi64, _mm512_or_si512, _mm512_set1_epi64, _mm512_slli_epi64, _mm512_srli_epi64,
    _mm512_storeu_epi64, _mm512_sub_epi64,
};

use crate::word::{Word, Word52};

/// Proof that the machine has AVX-512 F, DQ and IFMA; made by [`detect`] only.
#[derive(Clone, Copy)]
pub struct Cpu(());

/// Looks for the instructions.
#[must_use]
pub fn detect() -> Option<Cpu> {
    (is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512ifma"))
    .then_some(Cpu(()))
}

/// Eight lanes.
#[derive(Clone, Copy)]
pub struct Ifma(__m512i);

/// Wraps one intrinsic.
macro_rules! one {
    ($call:expr) => {{
        // SAFETY: the caller holds a `Cpu` or an `Ifma`, which exist only after `detect` has
        // found the instructions; the intrinsic has no other precondition.
        unsafe { $call }
    }};
}

impl Word for Ifma {
    type Cpu = Cpu;
    type Mask = __mmask8;
    const LANES: usize = 8;

    #[inline(always)]
    fn outline<T>(_: Cpu, f: impl FnOnce() -> T) -> T {
        #[target_feature(enable = "avx512f,avx512dq,avx512ifma")]
        #[inline(never)]
        fn go<T>(f: impl FnOnce() -> T) -> T {
            f()
        }
        one!(go(f))
    }

    #[inline(always)]
    fn cpu(self) -> Cpu {
        Cpu(())
    }

    #[inline(always)]
    fn splat(_: Cpu, value: u64) -> Self {
        Self(one!(_mm512_set1_epi64(value as i64)))
    }

    #[inline(always)]
    fn load(_: Cpu, lanes: &[u64]) -> Self {
        let lanes: &[u64; 8] = lanes.first_chunk().expect("eight lanes");
        // SAFETY: as in `one`; the eight lanes read are those of the array, unaligned.
        Self(unsafe { _mm512_loadu_epi64(lanes.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, lanes: &mut [u64]) {
        let lanes: &mut [u64; 8] = lanes.first_chunk_mut().expect("eight lanes");
        // SAFETY: as in `one`; the eight lanes written are those of the array, unaligned.
        unsafe { _mm512_storeu_epi64(lanes.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(one!(_mm512_add_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(one!(_mm512_sub_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(one!(_mm512_and_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(one!(_mm512_or_si512(self.0, other.0)))
    }

    #[inline(always)]
    fn shr<const N: u32>(self) -> Self {
        Self(one!(_mm512_srli_epi64::<N>(self.0)))
    }

    #[inline(always)]
    fn shl<const N: u32>(self) -> Self {
        Self(one!(_mm512_slli_epi64::<N>(self.0)))
    }

    #[inline(always)]
    fn equal(self, other: Self) -> __mmask8 {
        one!(_mm512_cmpeq_epi64_mask(self.0, other.0))
    }

    #[inline(always)]
    fn select(mask: __mmask8, yes: Self, no: Self) -> Self {
        Self(one!(_mm512_mask_mov_epi64(no.0, mask, yes.0)))
    }

    #[inline(always)]
    fn mask_and(a: __mmask8, b: __mmask8) -> __mmask8 {
        a & b
    }

    #[inline(always)]
    fn mask_or(a: __mmask8, b: __mmask8) -> __mmask8 {
        a | b
    }

    #[inline(always)]
    fn mask_not(a: __mmask8) -> __mmask8 {
        !a
    }

    #[inline(always)]
    fn mask_bits(a: __mmask8) -> u32 {
        u32::from(a)
    }
}

impl Word52 for Ifma {
    #[inline(always)]
    fn madd_low(self, a: Self, b: Self) -> Self {
        Self(one!(_mm512_madd52lo_epu64(self.0, a.0, b.0)))
    }

    #[inline(always)]
    fn madd_high(self, a: Self, b: Self) -> Self {
        Self(one!(_mm512_madd52hi_epu64(self.0, a.0, b.0)))
    }

    #[inline(always)]
    fn mul_wide(self, other: Self) -> Self {
        Self(one!(_mm512_mullo_epi64(self.0, other.0)))
    }
}
