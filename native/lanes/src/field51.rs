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

/// Adds low halves and doubled high halves, and folds limbs 5..10 onto 0..5: 2^255 = 19.
#[inline(always)]
fn fold<W: Word52>(low: &[W; 10], high: &[W; 10]) -> Loose51<W> {
    Loose51(limbs!(k => {
        let near = low[k].add(high[k].add(high[k]));
        let far = low[k + 5].add(high[k + 5].add(high[k + 5]));
        // 19 x = 16 x + 2 x + x; far is below 2^56.
        near.add(far.shl::<4>().add(far.shl::<1>().add(far)))
    }))
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
        let (a, b) = (self.0, other.0);
        let zero = W::splat(self.cpu(), 0);
        // Low halves belong to limb i + j, high halves, doubled (52 = 51 + 1), to the next.
        let mut low = [zero; 10];
        let mut high = [zero; 10];
        for i in 0..5 {
            for j in 0..5 {
                low[i + j] = low[i + j].madd_low(a[i], b[j]);
                high[i + j + 1] = high[i + j + 1].madd_high(a[i], b[j]);
            }
        }
        fold(&low, &high)
    }

    #[inline(always)]
    fn square_loose(self) -> Loose51<W> {
        let a = self.0;
        let zero = W::splat(self.cpu(), 0);
        let mut low = [zero; 10];
        let mut high = [zero; 10];
        for i in 0..5 {
            for j in i + 1..5 {
                low[i + j] = low[i + j].madd_low(a[i], a[j]);
                high[i + j + 1] = high[i + j + 1].madd_high(a[i], a[j]);
            }
        }
        for k in 1..9 {
            low[k] = low[k].add(low[k]);
            high[k] = high[k].add(high[k]);
        }
        for i in 0..5 {
            low[2 * i] = low[2 * i].madd_low(a[i], a[i]);
            high[2 * i + 1] = high[2 * i + 1].madd_high(a[i], a[i]);
        }
        fold(&low, &high)
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
