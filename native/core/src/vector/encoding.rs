//! Decoding and encoding (RFC 9496 sections 4.3.1 and 4.3.2).

use veilmatch_lanes::{Field, Word};

use super::constants::{D, INVSQRT_A_MINUS_D, SQRT_M1};
use super::curve::{Point, d_times};
use super::power::{CpuOf, MaskOf, invert, sqrt_ratio};
use crate::Row32;

/// What a decoding needs after its square root.
struct Decoding<F: Field> {
    s: F,
    canonical: MaskOf<F>,
    u1: F,
    u2: F,
    v: F,
    v_u2_sq: F,
}

impl<F: Field> Decoding<F> {
    fn new(cpu: CpuOf<F>, rows: &[Row32]) -> Self {
        let mut top = [0u64; 16];
        for (bit, row) in top.iter_mut().zip(&rows[..F::Word::LANES]) {
            *bit = u64::from(row[31] >> 7);
        }
        F::Word::outline(
            cpu,
            #[inline(always)]
            || {
                let one = F::one(cpu);
                let s = F::load(cpu, rows);
                let frozen = s.freeze();
                let below_p = s.frozen_equal(frozen);
                let even = F::Word::mask_not(frozen.frozen_odd());
                let short = F::Word::load(cpu, &top).equal(F::Word::splat(cpu, 0));
                let canonical = F::Word::mask_and(F::Word::mask_and(below_p, even), short);
                let ss = s.square();
                let (u1, u2) = (one.sub(ss), one.add(ss));
                let u2_sq = u2.square();
                let v = F::constant(cpu, &D).mul(u1.square()).neg().sub(u2_sq);
                Self { s, canonical, u1, u2, v, v_u2_sq: v.mul(u2_sq) }
            },
        )
    }

    fn finish(&self, was_square: MaskOf<F>, root: F) -> (MaskOf<F>, Point<F>) {
        let cpu = root.cpu();
        F::Word::outline(
            cpu,
            #[inline(always)]
            || {
                let den_x = root.mul(self.u2);
                let den_y = root.mul(den_x).mul(self.v);
                let x = self.s.add(self.s).mul(den_x).abs();
                let y = self.u1.mul(den_y);
                let t = x.mul(y);
                let bad = F::Word::mask_or(t.is_negative(), y.is_zero());
                let good = F::Word::mask_and(was_square, F::Word::mask_not(bad));
                let good = F::Word::mask_and(good, self.canonical);
                let (zero, one) = (F::zero(cpu), F::one(cpu));
                let point = Point {
                    x: F::select(good, x, zero),
                    y: F::select(good, y, one),
                    z: one,
                    t: F::select(good, t, zero),
                };
                (good, point)
            },
        )
    }
}

/// Decodes one row in each lane, N registers at a time; the mask says which are canonical.
///
/// Where a row is not, the point is the identity, so that what follows is defined.
pub(super) fn decode<F: Field, const N: usize>(
    cpu: CpuOf<F>,
    rows: [&[Row32]; N],
) -> [(MaskOf<F>, Point<F>); N] {
    let begun = rows.map(|rows| Decoding::<F>::new(cpu, rows));
    let under: [F; N] = std::array::from_fn(|k| begun[k].v_u2_sq);
    let (was_square, roots) = sqrt_ratio(&[F::one(cpu); N], &under);
    std::array::from_fn(|k| begun[k].finish(was_square[k], roots[k]))
}

/// Encodes the point in each lane.
pub(super) fn encode<F: Field>(point: &Point<F>, rows: &mut [Row32]) {
    let cpu = point.x.cpu();
    let (u1, u2, v) = F::Word::outline(
        cpu,
        #[inline(always)]
        || {
            let u1 = point.z.add(point.y).mul(point.z.sub(point.y));
            let u2 = point.x.mul(point.y);
            (u1, u2, u1.mul(u2.square()))
        },
    );
    let (_, [root]) = sqrt_ratio(&[F::one(cpu)], &[v]);
    F::Word::outline(
        cpu,
        #[inline(always)]
        || {
            let i = F::constant(cpu, &SQRT_M1);
            let (den1, den2) = (root.mul(u1), root.mul(u2));
            let z_inv = den1.mul(den2).mul(point.t);
            let rotate = point.t.mul(z_inv).is_negative();
            let x = F::select(rotate, point.y.mul(i), point.x);
            let y = F::select(rotate, point.x.mul(i), point.y);
            let enchanted = den1.mul(F::constant(cpu, &INVSQRT_A_MINUS_D));
            let den_inv = F::select(rotate, enchanted, den2);
            let y = y.negate_if(x.mul(z_inv).is_negative());
            den_inv.mul(point.z.sub(y)).abs().store(rows);
        },
    );
}

/// What the encoding of a doubled point needs before and after the shared inversion.
#[derive(Clone, Copy)]
struct Doubled<F> {
    e: F,
    f: F,
    g: F,
    h: F,
    eg: F,
    fh: F,
    /// eg * fh, or one where that is zero.
    factor: F,
    /// The product of the factors before this one.
    before: F,
    /// Where eg * fh is not zero.
    regular: F,
}

impl<F: Field> Doubled<F> {
    fn new(p: &Point<F>, before: F) -> Self {
        let cpu = p.x.cpu();
        F::Word::outline(
            cpu,
            #[inline(always)]
            || {
                let (zz, dtt) = (p.z.square(), d_times(p.t.square()));
                let (xx, yy) = (p.x.square(), p.y.square());
                let e = p.x.mul(p.y.add(p.y));
                let (f, g, h) = (zz.add(dtt), yy.add(xx), zz.sub(dtt));
                let (eg, fh) = (e.mul(g), f.mul(h));
                let product = eg.mul(fh);
                let zero = product.is_zero();
                let one = F::one(cpu);
                Self {
                    e,
                    f,
                    g,
                    h,
                    eg,
                    fh,
                    factor: F::select(zero, one, product),
                    before,
                    regular: F::select(zero, F::zero(cpu), one),
                }
            },
        )
    }

    /// Writes the rows, given the inverse of eg * fh.
    fn write(&self, inverse: F, rows: &mut [Row32]) {
        let cpu = self.e.cpu();
        F::Word::outline(
            cpu,
            #[inline(always)]
            || {
                // Where eg * fh is zero the element is the identity, and zero its encoding.
                let inverse = inverse.mul(self.regular);
                let i = F::constant(cpu, &SQRT_M1);
                let (z_inv, t_inv) = (self.eg.mul(inverse), self.fh.mul(inverse));
                let turn = self.eg.mul(z_inv).is_negative();
                let e = F::select(turn, self.g, self.e);
                let g = F::select(turn, self.e.neg(), self.g);
                let h = F::select(turn, self.f.mul(i), self.h);
                let magic = F::select(turn, i, F::constant(cpu, &INVSQRT_A_MINUS_D));
                let g = g.negate_if(h.mul(e).mul(z_inv).is_negative());
                h.sub(g).mul(magic).mul(g.mul(t_inv)).abs().store(rows);
            },
        );
    }
}

/// Encodes twice each point, with one inversion for all (Hamburg's method, as in dalek).
///
/// `rows` holds one row for each lane of each point.
pub(super) fn encode_doubles<F: Field>(points: &[Point<F>], rows: &mut [Row32]) {
    let Some(first) = points.first() else { return };
    let cpu = first.x.cpu();
    let mut product = F::one(cpu);
    let mut states = Vec::with_capacity(points.len());
    for point in points {
        let state = Doubled::new(point, product);
        product = F::Word::outline(
            cpu,
            #[inline(always)]
            || product.mul(state.factor),
        );
        states.push(state);
    }
    let mut inverse = invert(product);
    for (state, rows) in states.iter().zip(rows.chunks_mut(F::Word::LANES)).rev() {
        let (mine, next) = F::Word::outline(
            cpu,
            #[inline(always)]
            || (inverse.mul(state.before), inverse.mul(state.factor)),
        );
        state.write(mine, rows);
        inverse = next;
    }
}
