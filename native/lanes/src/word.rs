//! The vector registers that the field arithmetic is written for.
#![forbid(unsafe_code)]

/// A vector of unsigned 64-bit lanes.
pub trait Word: Copy + Send + Sync {
    /// Proof that this machine has the instructions.
    type Cpu: Copy + Send + Sync;
    /// One truth value for each lane.
    type Mask: Copy;
    /// How many lanes.
    const LANES: usize;

    /// Runs `f` in a function compiled for these instructions, kept out of line.
    ///
    /// `f` and what it calls must be `#[inline(always)]`, or each instruction becomes a call.
    fn outline<T>(cpu: Self::Cpu, f: impl FnOnce() -> T) -> T;
    /// The proof that made this value.
    fn cpu(self) -> Self::Cpu;
    /// The same value in every lane.
    fn splat(cpu: Self::Cpu, value: u64) -> Self;
    /// One value for each lane; panics if `lanes` is shorter.
    fn load(cpu: Self::Cpu, lanes: &[u64]) -> Self;
    /// Writes each lane; panics if `lanes` is shorter.
    fn store(self, lanes: &mut [u64]);
    /// Adds lane by lane.
    fn add(self, other: Self) -> Self;
    /// Subtracts lane by lane.
    fn sub(self, other: Self) -> Self;
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Bitwise or.
    fn or(self, other: Self) -> Self;
    /// Shifts right by a constant.
    fn shr<const N: u32>(self) -> Self;
    /// Shifts left by a constant.
    fn shl<const N: u32>(self) -> Self;
    /// Which lanes are equal.
    fn equal(self, other: Self) -> Self::Mask;
    /// `yes` where the mask is set, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Both.
    fn mask_and(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Either.
    fn mask_or(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Neither set becomes set.
    fn mask_not(a: Self::Mask) -> Self::Mask;
    /// The mask as bits, lane 0 lowest. For what may become public.
    fn mask_bits(a: Self::Mask) -> u32;
}

/// Words with a 52-bit fused multiplier.
pub trait Word52: Word {
    /// `self + (a * b mod 2^52)`; only the low 52 bits of `a` and `b` count.
    fn madd_low(self, a: Self, b: Self) -> Self;
    /// `self + floor(a * b / 2^52)`; only the low 52 bits of `a` and `b` count.
    fn madd_high(self, a: Self, b: Self) -> Self;
    /// The low 64 bits of the product.
    fn mul_wide(self, other: Self) -> Self;
}

/// Words with a 32-bit multiplier.
pub trait Word32: Word {
    /// The 64-bit product of the low 32 bits of each lane.
    fn mul(self, other: Self) -> Self;
}
