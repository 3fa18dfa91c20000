//! The same words in plain Rust. It is slow, runs anywhere, and panics where a bound that the
//! vector words rely on is broken: operands wider than the multiplier, sums that wrap.
#![forbid(unsafe_code)]

use std::array::from_fn;

use crate::word::{Word, Word32, Word52};

/// Two lanes of a multiplier of 52 or of 32 bits.
#[derive(Clone, Copy, Debug)]
pub struct Model([u64; 2]);

impl Word for Model {
    type Cpu = ();
    type Mask = [bool; 2];
    const LANES: usize = 2;

    fn outline<T>((): (), f: impl FnOnce() -> T) -> T {
        f()
    }

    fn cpu(self) {}

    fn splat((): (), value: u64) -> Self {
        Self([value; 2])
    }

    fn load((): (), lanes: &[u64]) -> Self {
        Self(*lanes.first_chunk().expect("two lanes"))
    }

    fn store(self, lanes: &mut [u64]) {
        lanes[..2].copy_from_slice(&self.0);
    }

    fn add(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i].checked_add(other.0[i]).expect("a sum wraps")))
    }

    fn sub(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i].checked_sub(other.0[i]).expect("a difference wraps")))
    }

    fn and(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] & other.0[i]))
    }

    fn or(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i] | other.0[i]))
    }

    fn shr<const N: u32>(self) -> Self {
        Self(self.0.map(|lane| lane >> N))
    }

    fn shl<const N: u32>(self) -> Self {
        Self(self.0.map(|lane| {
            assert!(lane.leading_zeros() >= N, "a shift loses bits");
            lane << N
        }))
    }

    fn equal(self, other: Self) -> [bool; 2] {
        from_fn(|i| self.0[i] == other.0[i])
    }

    fn select(mask: [bool; 2], yes: Self, no: Self) -> Self {
        Self(from_fn(|i| if mask[i] { yes.0[i] } else { no.0[i] }))
    }

    fn mask_and(a: [bool; 2], b: [bool; 2]) -> [bool; 2] {
        from_fn(|i| a[i] && b[i])
    }

    fn mask_or(a: [bool; 2], b: [bool; 2]) -> [bool; 2] {
        from_fn(|i| a[i] || b[i])
    }

    fn mask_not(a: [bool; 2]) -> [bool; 2] {
        a.map(|lane| !lane)
    }

    fn mask_bits(a: [bool; 2]) -> u32 {
        u32::from(a[0]) | u32::from(a[1]) << 1
    }
}

/// The product of two operands of at most `bits` bits.
fn product(a: u64, b: u64, bits: u32) -> u128 {
    assert!(a >> bits == 0 && b >> bits == 0, "an operand is wider than the multiplier");
    u128::from(a) * u128::from(b)
}

impl Word52 for Model {
    fn madd_low(self, a: Self, b: Self) -> Self {
        let low = |i| product(a.0[i], b.0[i], 52) as u64 & ((1 << 52) - 1);
        self.add(Self(from_fn(low)))
    }

    fn madd_high(self, a: Self, b: Self) -> Self {
        let high = |i| (product(a.0[i], b.0[i], 52) >> 52) as u64;
        self.add(Self(from_fn(high)))
    }

    fn mul_wide(self, other: Self) -> Self {
        Self(from_fn(|i| self.0[i].checked_mul(other.0[i]).expect("a product wraps")))
    }
}

impl Word32 for Model {
    fn mul(self, other: Self) -> Self {
        Self(from_fn(|i| product(self.0[i], other.0[i], 32) as u64))
    }
}
