//! Ten limbs of 26 and 25 bits in turn, for words with a 32-bit multiplier.
//!
//! Bounds, for even limbs; odd ones are half of it, and 2^16. Tight limbs are below 2^26 + 2^16, a sum
//! of two below 2^27.01, a difference of two below 2^27.6 (2p is added), one whose right side is
//! a sum below 2^28.33 (4p is added). With factors of 2^28.33 and 2^27.6, nineteen times the
//! right one is below 2^32, each of the ten terms of a product below 2^60.2, and their sum below
//! 2^63.6. A square of 2^27.01 stays below 2^62. Both are carried at once.
#![forbid(unsafe_code)]

use crate::field::{Field, bits_of, put_bits, row_of, words_of};
use crate::word::{Word, Word32};

const MASKS: [u64; 2] = [(1 << 26) - 1, (1 << 25) - 1];
/// First bit of each limb.
const AT: [usize; 10] = [0, 26, 51, 77, 102, 128, 153, 179, 204, 230];

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
            {
                let $k = 5;
                $limb
            },
            {
                let $k = 6;
                $limb
            },
            {
                let $k = 7;
                $limb
            },
            {
                let $k = 8;
                $limb
            },
            {
                let $k = 9;
                $limb
            },
        ]
    };
}

/// One number modulo p in each lane.
#[derive(Clone, Copy)]
pub struct Field25<W>([W; 10]);

/// A sum of tight numbers.
#[derive(Clone, Copy)]
pub struct Loose25<W>([W; 10]);

const fn bits(k: usize) -> u32 {
    if k % 2 == 0 { 26 } else { 25 }
}

/// Limb k of 2p: above a tight limb; twice that is above the sum of two.
const fn bias(k: usize) -> u64 {
    2 * (MASKS[k % 2] - if k == 0 { 18 } else { 0 })
}

#[inline(always)]
fn high<W: Word>(limb: W, k: usize) -> W {
    if k % 2 == 0 { limb.shr::<26>() } else { limb.shr::<25>() }
}

#[inline(always)]
fn low<W: Word>(limb: W, k: usize) -> W {
    limb.and(W::splat(limb.cpu(), MASKS[k % 2]))
}

#[inline(always)]
fn carry_one<W: Word, const K: usize>(h: &mut [W; 10]) {
    h[K + 1] = h[K + 1].add(high(h[K], K));
    h[K] = low(h[K], K);
}

/// Adds limb I of the left factor times every limb of the right one.
#[inline(always)]
fn add_row<W: Word32, const I: usize>(h: [W; 10], a: W, b: &[W; 10], b19: &[W; 10]) -> [W; 10] {
    // Two odd limbs: 25.5 + 25.5 = 51, one bit above their place.
    let twice = a.add(a);
    limbs!(k => {
        let j = (k + 10 - I) % 10;
        let left = if I % 2 == 1 && j % 2 == 1 { twice } else { a };
        let right = if I > k { b19[j] } else { b[j] };
        h[k].add(left.mul(right))
    })
}

/// The sum of products.
macro_rules! dot {
    (($a:expr, $b:expr) $(, ($c:expr, $d:expr))*) => {
        $a.mul($b)$(.add($c.mul($d)))*
    };
}

/// Carries the 64-bit sums of a product: two chains side by side, then the ends.
#[inline(always)]
fn carry<W: Word32>(mut h: [W; 10]) -> [W; 10] {
    carry_one::<W, 0>(&mut h);
    carry_one::<W, 4>(&mut h);
    carry_one::<W, 1>(&mut h);
    carry_one::<W, 5>(&mut h);
    carry_one::<W, 2>(&mut h);
    carry_one::<W, 6>(&mut h);
    carry_one::<W, 3>(&mut h);
    carry_one::<W, 7>(&mut h);
    carry_one::<W, 4>(&mut h);
    carry_one::<W, 8>(&mut h);
    // The carry out of limb 9 may be wider than 32 bits: 19 c = 16 c + 2 c + c.
    let c = high(h[9], 9);
    h[9] = low(h[9], 9);
    h[0] = h[0].add(c.shl::<4>().add(c.shl::<1>().add(c)));
    carry_one::<W, 0>(&mut h);
    h
}

/// The product, carried. A call of its own: ten limbs need more code than a caller can hold twice.
#[inline(always)]
fn multiply<W: Word32>(a: &[W; 10], b: &[W; 10]) -> [W; 10] {
    let nineteen = W::splat(a[0].cpu(), 19);
    let b19 = limbs!(j => b[j].mul(nineteen));
    let h = limbs!(j => a[0].mul(b[j]));
    let h = add_row::<W, 1>(h, a[1], b, &b19);
    let h = add_row::<W, 2>(h, a[2], b, &b19);
    let h = add_row::<W, 3>(h, a[3], b, &b19);
    let h = add_row::<W, 4>(h, a[4], b, &b19);
    let h = add_row::<W, 5>(h, a[5], b, &b19);
    let h = add_row::<W, 6>(h, a[6], b, &b19);
    let h = add_row::<W, 7>(h, a[7], b, &b19);
    let h = add_row::<W, 8>(h, a[8], b, &b19);
    let h = add_row::<W, 9>(h, a[9], b, &b19);
    carry(h)
}

/// The square, carried.
#[inline(always)]
fn square<W: Word32>(a: &[W; 10]) -> [W; 10] {
    let nineteen = W::splat(a[0].cpu(), 19);
    let twice = limbs!(k => a[k].add(a[k]));
    // 38 a for odd limbs, 19 a for even ones: the doubling of two odd limbs is in it.
    let a19 = limbs!(k => if k % 2 == 1 { twice[k].mul(nineteen) } else { a[k].mul(nineteen) });
    let (t, n) = (&twice, &a19);
    let h = [
        dot!((a[0], a[0]), (t[1], n[9]), (t[2], n[8]), (t[3], n[7]), (t[4], n[6]), (a[5], n[5])),
        dot!((t[0], a[1]), (a[2], n[9]), (t[3], n[8]), (a[4], n[7]), (t[5], n[6])),
        dot!((t[0], a[2]), (t[1], a[1]), (t[3], n[9]), (t[4], n[8]), (t[5], n[7]), (a[6], n[6])),
        dot!((t[0], a[3]), (t[1], a[2]), (a[4], n[9]), (t[5], n[8]), (a[6], n[7])),
        dot!((t[0], a[4]), (t[1], t[3]), (a[2], a[2]), (t[5], n[9]), (t[6], n[8]), (a[7], n[7])),
        dot!((t[0], a[5]), (t[1], a[4]), (t[2], a[3]), (a[6], n[9]), (t[7], n[8])),
        dot!((t[0], a[6]), (t[1], t[5]), (t[2], a[4]), (t[3], a[3]), (t[7], n[9]), (a[8], n[8])),
        dot!((t[0], a[7]), (t[1], a[6]), (t[2], a[5]), (t[3], a[4]), (a[8], n[9])),
        dot!((t[0], a[8]), (t[1], t[7]), (t[2], a[6]), (t[3], t[5]), (a[4], a[4]), (a[9], n[9])),
        dot!((t[0], a[9]), (t[1], a[8]), (t[2], a[7]), (t[3], a[6]), (t[4], a[5])),
    ];
    carry(h)
}

impl<W: Word32> Field for Field25<W> {
    type Word = W;
    type Loose = Loose25<W>;

    #[inline(always)]
    fn constant(cpu: W::Cpu, bytes: &[u8; 32]) -> Self {
        let words = words_of(bytes);
        Self(limbs!(k => W::splat(cpu, bits_of(&words, AT[k], bits(k)))))
    }

    #[inline(always)]
    fn load(cpu: W::Cpu, rows: &[[u8; 32]]) -> Self {
        let mut limbs = [[0u64; 16]; 10];
        for (lane, row) in rows[..W::LANES].iter().enumerate() {
            let words = words_of(row);
            for (k, limb) in limbs.iter_mut().enumerate() {
                limb[lane] = bits_of(&words, AT[k], bits(k));
            }
        }
        Self(limbs!(k => W::load(cpu, &limbs[k])))
    }

    #[inline(always)]
    fn store(self, rows: &mut [[u8; 32]]) {
        let frozen = self.freeze();
        let mut limbs = [[0u64; 16]; 10];
        for (k, limb) in limbs.iter_mut().enumerate() {
            frozen.0[k].store(limb);
        }
        for (lane, row) in rows[..W::LANES].iter_mut().enumerate() {
            let mut words = [0; 4];
            for (k, limb) in limbs.iter().enumerate() {
                put_bits(&mut words, AT[k], limb[lane]);
            }
            *row = row_of(&words);
        }
    }

    #[inline(always)]
    fn cpu(self) -> W::Cpu {
        self.0[0].cpu()
    }

    #[inline(always)]
    fn mul_loose(self, other: Self) -> Loose25<W> {
        Loose25(W::outline(
            self.cpu(),
            #[inline(always)]
            || multiply(&self.0, &other.0),
        ))
    }

    #[inline(always)]
    fn square_loose(self) -> Loose25<W> {
        Loose25(W::outline(
            self.cpu(),
            #[inline(always)]
            || square(&self.0),
        ))
    }

    #[inline(always)]
    fn loosen(self) -> Loose25<W> {
        Loose25(self.0)
    }

    #[inline(always)]
    fn tighten(loose: Loose25<W>) -> Self {
        let nineteen = W::splat(loose.0[0].cpu(), 19);
        let carry: [W; 10] = limbs!(k => high(loose.0[k], k));
        Self(limbs!(k => {
            let from = if k == 0 { carry[9].mul(nineteen) } else { carry[k - 1] };
            low(loose.0[k], k).add(from)
        }))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // A product is carried already.
        Self(self.mul_loose(other).0)
    }

    #[inline(always)]
    fn square(self) -> Self {
        Self(self.square_loose().0)
    }

    #[inline(always)]
    fn factor(loose: Loose25<W>) -> Self {
        Self(loose.0)
    }

    #[inline(always)]
    fn loose_sub_sum(left: Loose25<W>, right: Loose25<W>) -> Loose25<W> {
        let cpu = left.0[0].cpu();
        Loose25(limbs!(k => left.0[k].add(W::splat(cpu, 2 * bias(k)).sub(right.0[k]))))
    }

    #[inline(always)]
    fn loose_add(left: Loose25<W>, right: Loose25<W>) -> Loose25<W> {
        Loose25(limbs!(k => left.0[k].add(right.0[k])))
    }

    #[inline(always)]
    fn loose_sub(left: Loose25<W>, right: Loose25<W>) -> Loose25<W> {
        let cpu = left.0[0].cpu();
        Loose25(limbs!(k => left.0[k].add(W::splat(cpu, bias(k)).sub(right.0[k]))))
    }

    #[inline(always)]
    fn freeze(self) -> Self {
        let nineteen = W::splat(self.cpu(), 19);
        let mut h = self.0;
        // The number is below 2p; q is 1 where it is at least p: where adding 19 reaches 2^255.
        let mut q = high(h[0].add(nineteen), 0);
        for k in 1..10 {
            q = high(h[k].add(q), k);
        }
        h[0] = h[0].add(q.mul(nineteen));
        for k in 0..9 {
            h[k + 1] = h[k + 1].add(high(h[k], k));
            h[k] = low(h[k], k);
        }
        h[9] = low(h[9], 9);
        Self(h)
    }

    #[inline(always)]
    fn frozen_equal(self, other: Self) -> W::Mask {
        let mut mask = self.0[0].equal(other.0[0]);
        for k in 1..10 {
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
        // Limb by limb: the masks stay in registers, the limbs come from memory once.
        Self(limbs!(k => {
            let mut out = none.0[k];
            for j in 0..8 {
                out = W::select(masks[j], table[j].0[k], out);
            }
            out
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    type F = Field25<Model>;

    /// The largest tight number that the bounds allow; any sum that wraps panics.
    fn largest() -> F {
        Field25(limbs!(k => Model::splat((), MASKS[k % 2] + (1 << 16))))
    }

    #[test]
    fn the_largest_limbs_stay_in_bounds() {
        let a = largest();
        let l = a.loosen();
        let sum = F::factor(F::loose_add(l, l));
        let difference = F::factor(F::loose_sub(l, F::zero(()).loosen()));
        let wide = F::factor(F::loose_sub_sum(l, F::zero(()).loosen()));
        let two = F::one(()).add(F::one(()));
        // The same products with every limb small, by way of frozen numbers.
        let small = a.freeze();
        let bits = |mask| Model::mask_bits(mask);
        let square = small.square().freeze();
        assert_eq!(bits(a.square().freeze().frozen_equal(square)), 3);
        assert_eq!(bits(a.mul(a).freeze().frozen_equal(square)), 3);
        assert_eq!(bits(wide.mul(a).freeze().frozen_equal(square)), 3);
        let twice = small.mul(small.add(small)).freeze();
        assert_eq!(bits(wide.mul(difference).freeze().frozen_equal(square)), 3);
        assert_eq!(bits(wide.mul(sum).freeze().frozen_equal(twice)), 3);
        assert_eq!(bits(sum.square().freeze().frozen_equal(twice.mul(two).freeze())), 3);
        let three = F::loose_add(F::loose_add(l, l), l);
        let rest = F::tighten(F::loose_sub(three, l)).freeze();
        assert_eq!(bits(rest.frozen_equal(small.add(small).freeze())), 3);
    }
}
