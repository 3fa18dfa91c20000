//! Four lanes in a 256-bit register, with the 32-bit multiplier (AVX2).

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_and_si256, _mm256_andnot_si256, _mm256_blendv_epi8,
    _mm256_castsi256_pd, _mm256_cmpeq_epi64, _mm256_loadu_si256, _mm256_movemask_pd,
    _mm256_mul_epu32, _mm256_or_si256, _mm256_set1_epi64x, _mm256_slli_epi64, _mm256_srli_epi64,
    _mm256_storeu_si256, _mm256_sub_epi64,
};

use crate::word::{Word, Word32};

/// Proof that the machine has AVX2; made by [`detect`] only.
#[derive(Clone, Copy)]
pub struct Cpu(());

/// Looks for the instructions.
#[must_use]
pub fn detect() -> Option<Cpu> {
    is_x86_feature_detected!("avx2").then_some(Cpu(()))
}

/// Four lanes.
#[derive(Clone, Copy)]
pub struct Avx2(__m256i);

/// Wraps one intrinsic.
macro_rules! one {
    ($call:expr) => {{
        // SAFETY: the caller holds a `Cpu` or an `Avx2`, which exist only after `detect` has
        // found the instructions; the intrinsic has no other precondition.
        unsafe { $call }
    }};
}

impl Word for Avx2 {
    type Cpu = Cpu;
    /// All ones or all zeros in each lane.
    type Mask = __m256i;
    const LANES: usize = 4;

    #[inline(always)]
    fn outline<T>(_: Cpu, f: impl FnOnce() -> T) -> T {
        #[target_feature(enable = "avx2")]
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
        Self(one!(_mm256_set1_epi64x(value as i64)))
    }

    #[inline(always)]
    fn load(_: Cpu, lanes: &[u64]) -> Self {
        let lanes: &[u64; 4] = lanes.first_chunk().expect("four lanes");
        // SAFETY: as in `one`; the four lanes read are those of the array, unaligned.
        Self(unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, lanes: &mut [u64]) {
        let lanes: &mut [u64; 4] = lanes.first_chunk_mut().expect("four lanes");
        // SAFETY: as in `one`; the four lanes written are those of the array, unaligned.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(one!(_mm256_add_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(one!(_mm256_sub_epi64(self.0, other.0)))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(one!(_mm256_and_si256(self.0, other.0)))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(one!(_mm256_or_si256(self.0, other.0)))
    }

    #[inline(always)]
    fn shr<const N: u32>(self) -> Self {
        // The intrinsic wants a signed constant; a match on a constant costs nothing.
        Self(match N {
            1 => one!(_mm256_srli_epi64::<1>(self.0)),
            25 => one!(_mm256_srli_epi64::<25>(self.0)),
            26 => one!(_mm256_srli_epi64::<26>(self.0)),
            _ => unreachable!("not a shift of this field"),
        })
    }

    #[inline(always)]
    fn shl<const N: u32>(self) -> Self {
        Self(match N {
            1 => one!(_mm256_slli_epi64::<1>(self.0)),
            4 => one!(_mm256_slli_epi64::<4>(self.0)),
            _ => unreachable!("not a shift of this field"),
        })
    }

    #[inline(always)]
    fn equal(self, other: Self) -> __m256i {
        one!(_mm256_cmpeq_epi64(self.0, other.0))
    }

    #[inline(always)]
    fn select(mask: __m256i, yes: Self, no: Self) -> Self {
        Self(one!(_mm256_blendv_epi8(no.0, yes.0, mask)))
    }

    #[inline(always)]
    fn mask_and(a: __m256i, b: __m256i) -> __m256i {
        one!(_mm256_and_si256(a, b))
    }

    #[inline(always)]
    fn mask_or(a: __m256i, b: __m256i) -> __m256i {
        one!(_mm256_or_si256(a, b))
    }

    #[inline(always)]
    fn mask_not(a: __m256i) -> __m256i {
        one!(_mm256_andnot_si256(a, _mm256_set1_epi64x(-1)))
    }

    #[inline(always)]
    fn mask_bits(a: __m256i) -> u32 {
        one!(_mm256_movemask_pd(_mm256_castsi256_pd(a))) as u32
    }
}

impl Word32 for Avx2 {
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(one!(_mm256_mul_epu32(self.0, other.0)))
    }
}
