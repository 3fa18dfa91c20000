//! Ten limbs of 26 and 25 bits in turn, for words with a 32-bit multiplier.
//!
//! Bounds. Tight limbs are below 2^26 + 2^14 (even) and 2^25 + 2^14 (odd). A product sums ten
//! terms below 2^27.01 * 2^30.26, so it stays below 2^61. Products are carried at once; a loose
//! value here is a sum of tight ones, below 2^30, and is carried once more, in parallel.
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

/// Limb k of 4p: above three tight limbs.
const fn bias(k: usize) -> u64 {
    4 * (MASKS[k % 2] - if k == 0 { 18 } else { 0 })
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
fn carry_one<W: Word>(h: &mut [W; 10], k: usize) {
    h[k + 1] = h[k + 1].add(high(h[k], k));
    h[k] = low(h[k], k);
}

/// Carries the 64-bit sums of a product: two chains side by side, then the ends.
#[inline(always)]
fn carry<W: Word32>(mut h: [W; 10]) -> [W; 10] {
    for k in [0, 4, 1, 5, 2, 6, 3, 7, 4, 8] {
        carry_one(&mut h, k);
    }
    // The carry out of limb 9 may be wider than 32 bits: 19 c = 16 c + 2 c + c.
    let c = high(h[9], 9);
    h[9] = low(h[9], 9);
    h[0] = h[0].add(c.shl::<4>().add(c.shl::<1>().add(c)));
    carry_one(&mut h, 0);
    h
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
        let (a, b) = (self.0, other.0);
        let nineteen = W::splat(self.cpu(), 19);
        let b19: [W; 10] = limbs!(k => b[k].mul(nineteen));
        let mut h = [W::splat(self.cpu(), 0); 10];
        for i in 0..10 {
            // Two odd limbs: 25.5 + 25.5 = 51, one bit above their place.
            let twice = a[i].add(a[i]);
            for j in 0..10 {
                let left = if i % 2 == 1 && j % 2 == 1 { twice } else { a[i] };
                let right = if i + j < 10 { b[j] } else { b19[j] };
                let k = (i + j) % 10;
                h[k] = h[k].add(left.mul(right));
            }
        }
        Loose25(carry(h))
    }

    #[inline(always)]
    fn square_loose(self) -> Loose25<W> {
        let a = self.0;
        let nineteen = W::splat(self.cpu(), 19);
        let a19: [W; 10] = limbs!(k => a[k].mul(nineteen));
        let twice: [W; 10] = limbs!(k => a[k].add(a[k]));
        let mut h = [W::splat(self.cpu(), 0); 10];
        for i in 0..10 {
            let four = twice[i].add(twice[i]);
            for j in i..10 {
                let odd = i % 2 == 1 && j % 2 == 1;
                let left = match (i == j, odd) {
                    (true, false) => a[i],
                    (false, true) => four,
                    _ => twice[i],
                };
                let right = if i + j < 10 { a[j] } else { a19[j] };
                let k = (i + j) % 10;
                h[k] = h[k].add(left.mul(right));
            }
        }
        Loose25(carry(h))
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
}
