//! The map from uniform bytes to the group (RFC 9496 section 4.3.4).

use veilmatch_lanes::{Field, Word};

use super::constants::{D, D_MINUS_ONE_SQ, ONE_MINUS_D_SQ, SQRT_AD_MINUS_ONE, SQRT_M1};
use super::curve::Point;
use super::power::{MaskOf, sqrt_ratio};

/// MAP of RFC 9496 for two numbers in each lane.
fn elligator<F: Field>(t: &[F; 2]) -> [Point<F>; 2] {
    let cpu = t[0].cpu();
    let (one, d) = (F::one(cpu), F::constant(cpu, &D));
    let (r, u, v) = F::Word::outline(
        cpu,
        #[inline(always)]
        || {
            let i = F::constant(cpu, &SQRT_M1);
            let factor = F::constant(cpu, &ONE_MINUS_D_SQ);
            let (mut r, mut u, mut v) = (*t, *t, *t);
            for k in 0..2 {
                r[k] = i.mul(t[k].square());
                u[k] = r[k].add(one).mul(factor);
                v[k] = one.add(r[k].mul(d)).neg().mul(r[k].add(d));
            }
            (r, u, v)
        },
    );
    let (was_square, roots) = sqrt_ratio(&u, &v);
    [0, 1].map(|k| finish(was_square[k], roots[k], t[k], r[k], v[k]))
}

/// MAP after its square root, for one number in each lane.
fn finish<F: Field>(was_square: MaskOf<F>, root: F, t: F, r: F, v: F) -> Point<F> {
    let cpu = t.cpu();
    F::Word::outline(
        cpu,
        #[inline(always)]
        || {
            let one = F::one(cpu);
            let other = root.mul(t).abs().neg();
            let s = F::select(was_square, root, other);
            let c = F::select(was_square, one.neg(), r);
            let n = c.mul(r.sub(one)).mul(F::constant(cpu, &D_MINUS_ONE_SQ)).sub(v);
            let ss = s.square();
            let w0 = s.add(s).mul(v);
            let w1 = n.mul(F::constant(cpu, &SQRT_AD_MINUS_ONE));
            let w2 = one.sub(ss);
            let w3 = one.add(ss);
            Point { x: w0.mul(w3), y: w2.mul(w1), z: w1.mul(w3), t: w0.mul(w2) }
        },
    )
}

/// The element of one row of 64 bytes in each lane, given as its two halves.
pub(super) fn from_uniform<F: Field>(halves: &[F; 2]) -> Point<F> {
    let [mut sum, second] = elligator(halves);
    sum.add(&second.cached());
    sum
}
