//! Five limbs of 51 bits, for words with a 52-bit multiplier.
//!
//! Bounds. Tight limbs are below 2^51 + 2^18. Then a product leaves limbs below 2^60, since
//! twenty times the sum of five low halves below 2^52 and of ten high halves below 2^50.01 is
//! less. A loose value below 2^63 is carried once, in parallel: carries are below 2^12, and
//! 19 * 2^12 < 2^18, so the result is tight.
#![forbid(unsafe_code)]

use crate::field::{Field, bits_of, put_bits, row_of, words_of};
use crate::word::Word52;

const MASK: u64 = (1 << 51) - 1;
/// p * 2^11: every limb is above 2^62 - 2^16, and so above three products.
const BIAS: [u64; 5] = [(MASK - 18) << 11, MASK << 11, MASK << 11, MASK << 11, MASK << 11];

/// One expression for each limb. (`array::from_fn` would hide it from the inliner.)
macro_rules! limbs {
    ($k:ident => $limb:expr) => {
        [
            {
                let $k = 0;
                $limb
            },
            {
                let $k = 1;
                $limb
            },
            {
                let $k = 2;
                $limb
            },
            {
                let $k = 3;
                $limb
            },
            {
                let $k = 4;
                $limb
            },
        ]
    };
}

/// One number modulo p in each lane.
#[derive(Clone, Copy)]
pub struct Field51<W>([W; 5]);

/// Limbs before the carries.
#[derive(Clone, Copy)]
pub struct Loose51<W>([W; 5]);

/// Limb K of a product before folding: doubled high halves (52 = 51 + 1) of the products that
/// end one limb below, then `more`, then the low halves of those that end here.
#[inline(always)]
fn product_limb<W: Word52, const K: usize>(a: &[W; 5], b: &[W; 5], more: Option<W>) -> W {
    let mut sum = W::splat(a[0].cpu(), 0);
    for i in 0..5 {
        if i < K && K - 1 - i < 5 {
            sum = sum.madd_high(a[i], b[K - 1 - i]);
        }
    }
    sum = sum.add(sum);
    if let Some(more) = more {
        sum = sum.add(more);
    }
    for i in 0..5 {
        if i <= K && K - i < 5 {
            sum = sum.madd_low(a[i], b[K - i]);
        }
    }
    sum
}

/// As `product_limb` for a square: products of two limbs count twice.
#[inline(always)]
fn square_limb<W: Word52, const K: usize>(a: &[W; 5], more: Option<W>) -> W {
    let mut sum = W::splat(a[0].cpu(), 0);
    for i in 0..5 {
        if i < K && K - 1 - i < 5 && i < K - 1 - i {
            sum = sum.madd_high(a[i], a[K - 1 - i]);
        }
    }
    sum = sum.add(sum);
    if K % 2 == 1 {
        sum = sum.madd_high(a[K / 2], a[K / 2]);
    }
    for i in 0..5 {
        if i <= K && K - i < 5 && i < K - i {
            sum = sum.madd_low(a[i], a[K - i]);
        }
    }
    sum = sum.add(sum);
    if let Some(more) = more {
        sum = sum.add(more);
    }
    if K % 2 == 0 {
        sum = sum.madd_low(a[K / 2], a[K / 2]);
    }
    sum
}

impl<W: Word52> Field for Field51<W> {
    type Word = W;
    type Loose = Loose51<W>;

    #[inline(always)]
    fn constant(cpu: W::Cpu, bytes: &[u8; 32]) -> Self {
        let words = words_of(bytes);
        Self(limbs!(k => W::splat(cpu, bits_of(&words, 51 * k, 51))))
    }

    #[inline(always)]
    fn load(cpu: W::Cpu, rows: &[[u8; 32]]) -> Self {
        let mut limbs = [[0u64; 16]; 5];
        for (lane, row) in rows[..W::LANES].iter().enumerate() {
            let words = words_of(row);
            for (k, limb) in limbs.iter_mut().enumerate() {
                limb[lane] = bits_of(&words, 51 * k, 51);
            }
        }
        Self(limbs!(k => W::load(cpu, &limbs[k])))
    }

    #[inline(always)]
    fn store(self, rows: &mut [[u8; 32]]) {
        let frozen = self.freeze();
        let mut limbs = [[0u64; 16]; 5];
        for (k, limb) in limbs.iter_mut().enumerate() {
            frozen.0[k].store(limb);
        }
        for (lane, row) in rows[..W::LANES].iter_mut().enumerate() {
            let mut words = [0; 4];
            for (k, limb) in limbs.iter().enumerate() {
                put_bits(&mut words, 51 * k, limb[lane]);
            }
            *row = row_of(&words);
        }
    }

    #[inline(always)]
    fn cpu(self) -> W::Cpu {
        self.0[0].cpu()
    }

    #[inline(always)]
    fn mul_loose(self, other: Self) -> Loose51<W> {
        let (a, b) = (&self.0, &other.0);
        let nineteen = W::splat(self.cpu(), 19);
        // Limb k + 5 counts 19 times at limb k: 2^255 = 19. It is below 2^56.
        Loose51([
            product_limb::<W, 0>(a, b, Some(product_limb::<W, 5>(a, b, None).mul_wide(nineteen))),
            product_limb::<W, 1>(a, b, Some(product_limb::<W, 6>(a, b, None).mul_wide(nineteen))),
            product_limb::<W, 2>(a, b, Some(product_limb::<W, 7>(a, b, None).mul_wide(nineteen))),
            product_limb::<W, 3>(a, b, Some(product_limb::<W, 8>(a, b, None).mul_wide(nineteen))),
            product_limb::<W, 4>(a, b, Some(product_limb::<W, 9>(a, b, None).mul_wide(nineteen))),
        ])
    }

    #[inline(always)]
    fn square_loose(self) -> Loose51<W> {
        let a = &self.0;
        let nineteen = W::splat(self.cpu(), 19);
        // Limb k + 5 counts 19 times at limb k: 2^255 = 19. It is below 2^56.
        Loose51([
            square_limb::<W, 0>(a, Some(square_limb::<W, 5>(a, None).mul_wide(nineteen))),
            square_limb::<W, 1>(a, Some(square_limb::<W, 6>(a, None).mul_wide(nineteen))),
            square_limb::<W, 2>(a, Some(square_limb::<W, 7>(a, None).mul_wide(nineteen))),
            square_limb::<W, 3>(a, Some(square_limb::<W, 8>(a, None).mul_wide(nineteen))),
            square_limb::<W, 4>(a, Some(square_limb::<W, 9>(a, None).mul_wide(nineteen))),
        ])
    }

    #[inline(always)]
    fn loosen(self) -> Loose51<W> {
        Loose51(self.0)
    }

    #[inline(always)]
    fn tighten(loose: Loose51<W>) -> Self {
        let cpu = loose.0[0].cpu();
        let (mask, nineteen) = (W::splat(cpu, MASK), W::splat(cpu, 19));
        let carry: [W; 5] = limbs!(k => loose.0[k].shr::<51>());
        let rest: [W; 5] = limbs!(k => loose.0[k].and(mask));
        Self([
            rest[0].madd_low(carry[4], nineteen),
            rest[1].add(carry[0]),
            rest[2].add(carry[1]),
            rest[3].add(carry[2]),
            rest[4].add(carry[3]),
        ])
    }

    #[inline(always)]
    fn factor(loose: Loose51<W>) -> Self {
        Self::tighten(loose)
    }

    #[inline(always)]
    fn loose_sub_sum(left: Loose51<W>, right: Loose51<W>) -> Loose51<W> {
        Self::loose_sub(left, right)
    }

    #[inline(always)]
    fn loose_add(left: Loose51<W>, right: Loose51<W>) -> Loose51<W> {
        Loose51(limbs!(k => left.0[k].add(right.0[k])))
    }

    #[inline(always)]
    fn loose_sub(left: Loose51<W>, right: Loose51<W>) -> Loose51<W> {
        let cpu = left.0[0].cpu();
        Loose51(limbs!(k => left.0[k].add(W::splat(cpu, BIAS[k]).sub(right.0[k]))))
    }

    #[inline(always)]
    fn freeze(self) -> Self {
        let cpu = self.cpu();
        let (mask, nineteen) = (W::splat(cpu, MASK), W::splat(cpu, 19));
        let mut h = self.0;
        // The number is below 2p; q is 1 where it is at least p: where adding 19 reaches 2^255.
        let mut q = h[0].add(nineteen).shr::<51>();
        for limb in &h[1..] {
            q = limb.add(q).shr::<51>();
        }
        h[0] = h[0].madd_low(q, nineteen);
        for k in 0..4 {
            h[k + 1] = h[k + 1].add(h[k].shr::<51>());
            h[k] = h[k].and(mask);
        }
        h[4] = h[4].and(mask);
        Self(h)
    }

    #[inline(always)]
    fn frozen_equal(self, other: Self) -> W::Mask {
        let mut mask = self.0[0].equal(other.0[0]);
        for k in 1..5 {
            mask = W::mask_and(mask, self.0[k].equal(other.0[k]));
        }
        mask
    }

    #[inline(always)]
    fn frozen_odd(self) -> W::Mask {
        let one = W::splat(self.cpu(), 1);
        self.0[0].and(one).equal(one)
    }

    #[inline(always)]
    fn select(mask: W::Mask, yes: Self, no: Self) -> Self {
        Self(limbs!(k => W::select(mask, yes.0[k], no.0[k])))
    }

    #[inline(always)]
    fn lookup(masks: &[W::Mask; 8], table: [&Self; 8], none: Self) -> Self {
        // Entry by entry: the limbs of one number stay in registers.
        let mut out = none;
        for j in 0..8 {
            out = Self::select(masks[j], *table[j], out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Model, word::Word};

    type F = Field51<Model>;

    /// The largest tight number that the bounds allow; any sum that wraps panics.
    fn largest() -> F {
        Field51(limbs!(k => {
            let _: usize = k;
            Model::splat((), (1 << 51) + (1 << 18) - 1)
        }))
    }

    #[test]
    fn the_largest_limbs_stay_in_bounds() {
        let a = largest();
        let small = a.freeze();
        let bits = |mask| Model::mask_bits(mask);
        let square = small.square().freeze();
        assert_eq!(bits(a.square().freeze().frozen_equal(square)), 3);
        assert_eq!(bits(a.mul(a).freeze().frozen_equal(square)), 3);
        // Three products less two, each as large as they get.
        let product = a.mul_loose(a);
        let two = F::loose_add(product, product);
        let three = F::loose_add(two, product);
        let rest = F::tighten(F::loose_sub_sum(three, two));
        assert_eq!(bits(rest.freeze().frozen_equal(square)), 3);
        assert_eq!(bits(rest.mul(rest).freeze().frozen_equal(small.square().square().freeze())), 3);
    }

    #[test]
    fn numbers_around_p_are_reduced() {
        let p = |low: u8| {
            let mut row = [0xff; 32];
            (row[0], row[31]) = (low, 0x7f);
            row
        };
        let mut out = [[0; 32]; 2];
        for (low, expected) in [
            (0xec, p(0xec)),
            (0xed, [0; 32]),
            (0xff, {
                let mut row = [0; 32];
                row[0] = 18;
                row
            }),
        ] {
            F::load((), &[p(low); 2]).store(&mut out);
            assert_eq!(out, [expected; 2]);
        }
    }
}
