//! What the group arithmetic needs of numbers modulo p.
#![forbid(unsafe_code)]

use crate::word::Word;

/// Numbers modulo p, one in each lane.
///
/// A value of the type itself is *tight*, unless it is said to be a *factor*: that may be
/// multiplied or squared and nothing else. Products can be left [`Loose`](Field::Loose), with
/// the carries not yet done, to be added up first.
pub trait Field: Copy + Send + Sync {
    /// The register.
    type Word: Word;
    /// A sum that is not carried yet: of at most three products or tight numbers, or one
    /// difference.
    type Loose: Copy;

    /// A public constant, the same in every lane: 32 bytes little-endian, below p.
    fn constant(cpu: <Self::Word as Word>::Cpu, bytes: &[u8; 32]) -> Self;
    /// One number for each lane; bit 255 of a row is ignored. Panics if rows are missing.
    fn load(cpu: <Self::Word as Word>::Cpu, rows: &[[u8; 32]]) -> Self;
    /// Writes one reduced number for each lane. Panics if rows are missing.
    fn store(self, rows: &mut [[u8; 32]]);
    /// The proof of the machine's instructions.
    fn cpu(self) -> <Self::Word as Word>::Cpu;

    /// The product, not carried.
    fn mul_loose(self, other: Self) -> Self::Loose;
    /// The square, not carried.
    fn square_loose(self) -> Self::Loose;
    /// A tight number as a loose one; counts as a product.
    fn loosen(self) -> Self::Loose;
    /// Carries.
    fn tighten(loose: Self::Loose) -> Self;
    /// Makes a factor of a sum or difference of two products. So is the difference of a product
    /// and a sum, but then the other factor must be tight, or a sum of two.
    fn factor(loose: Self::Loose) -> Self;
    /// Adds.
    fn loose_add(left: Self::Loose, right: Self::Loose) -> Self::Loose;
    /// Subtracts one product, by way of a multiple of p.
    fn loose_sub(left: Self::Loose, right: Self::Loose) -> Self::Loose;
    /// Subtracts a sum of two products.
    fn loose_sub_sum(left: Self::Loose, right: Self::Loose) -> Self::Loose;

    /// Brings every number below p, each limb in its own range.
    fn freeze(self) -> Self;
    /// Which frozen numbers are equal, limb by limb.
    fn frozen_equal(self, other: Self) -> <Self::Word as Word>::Mask;
    /// Which frozen numbers are odd: "negative" in RFC 9496.
    fn frozen_odd(self) -> <Self::Word as Word>::Mask;
    /// `yes` where the mask is set, `no` elsewhere.
    fn select(mask: <Self::Word as Word>::Mask, yes: Self, no: Self) -> Self;

    /// The one of `table` whose mask is set, or `none` where no mask is. Reads all of them.
    fn lookup(masks: &[<Self::Word as Word>::Mask; 8], table: [&Self; 8], none: Self) -> Self;

    /// The product.
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self::tighten(self.mul_loose(other))
    }
    /// The square.
    #[inline(always)]
    fn square(self) -> Self {
        Self::tighten(self.square_loose())
    }
    /// The sum.
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self::tighten(Self::loose_add(self.loosen(), other.loosen()))
    }
    /// The difference.
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self::tighten(Self::loose_sub(self.loosen(), other.loosen()))
    }
    /// Zero in every lane.
    #[inline(always)]
    fn zero(cpu: <Self::Word as Word>::Cpu) -> Self {
        Self::constant(cpu, &[0; 32])
    }
    /// One in every lane.
    #[inline(always)]
    fn one(cpu: <Self::Word as Word>::Cpu) -> Self {
        const ONE: [u8; 32] = {
            let mut bytes = [0; 32];
            bytes[0] = 1;
            bytes
        };
        Self::constant(cpu, &ONE)
    }
    /// Zero minus the number.
    #[inline(always)]
    fn neg(self) -> Self {
        Self::zero(self.cpu()).sub(self)
    }
    /// Which numbers are zero.
    #[inline(always)]
    fn is_zero(self) -> <Self::Word as Word>::Mask {
        self.freeze().frozen_equal(Self::zero(self.cpu()))
    }
    /// Which numbers are negative (odd once reduced).
    #[inline(always)]
    fn is_negative(self) -> <Self::Word as Word>::Mask {
        self.freeze().frozen_odd()
    }
    /// Negates where the mask is set.
    #[inline(always)]
    fn negate_if(self, mask: <Self::Word as Word>::Mask) -> Self {
        Self::select(mask, self.neg(), self)
    }
    /// The one of x and -x that is not negative.
    #[inline(always)]
    fn abs(self) -> Self {
        self.negate_if(self.is_negative())
    }
}

/// Reads one row as four 64-bit words without bit 255.
pub(crate) fn words_of(row: &[u8; 32]) -> [u64; 4] {
    let (words, _) = row.as_chunks::<8>();
    let mut out = [0; 4];
    for (o, w) in out.iter_mut().zip(words) {
        *o = u64::from_le_bytes(*w);
    }
    out[3] &= u64::MAX >> 1;
    out
}

/// Takes `bits` bits of four words from bit `at` on.
pub(crate) fn bits_of(words: &[u64; 4], at: usize, bits: u32) -> u64 {
    let (index, shift) = (at / 64, at % 64);
    let high = if shift != 0 && index < 3 { words[index + 1] << (64 - shift) } else { 0 };
    (words[index] >> shift | high) & ((1 << bits) - 1)
}

/// Puts a limb at bit `at`; limbs do not overlap.
pub(crate) fn put_bits(words: &mut [u64; 4], at: usize, limb: u64) {
    let (index, shift) = (at / 64, at % 64);
    words[index] |= limb << shift;
    if shift != 0 && index < 3 {
        words[index + 1] |= limb >> (64 - shift);
    }
}

/// Writes four words as one row.
pub(crate) fn row_of(words: &[u64; 4]) -> [u8; 32] {
    let mut row = [0; 32];
    for (chunk, word) in row.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *chunk = word.to_le_bytes();
    }
    row
}
