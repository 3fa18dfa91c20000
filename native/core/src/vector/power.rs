//! Powers, inverses and square roots modulo p.
//!
//! A chain of squarings waits for its own results; N independent chains side by side fill the
//! machine while each waits.

use veilmatch_lanes::{Field, Word};

use super::constants::SQRT_M1;

/// The mask of a field's lanes.
pub(super) type MaskOf<F> = <<F as Field>::Word as Word>::Mask;
/// The proof of instructions of a field.
pub(super) type CpuOf<F> = <<F as Field>::Word as Word>::Cpu;

#[inline(always)]
fn mul<F: Field, const N: usize>(a: &[F; N], b: &[F; N]) -> [F; N] {
    // Plain loops: `array::from_fn` and `map` would hide the work from the inliner.
    let mut out = *a;
    for k in 0..N {
        out[k] = a[k].mul(b[k]);
    }
    out
}

#[inline(always)]
fn square<F: Field, const N: usize>(a: &[F; N]) -> [F; N] {
    let mut out = *a;
    for x in &mut out {
        *x = x.square();
    }
    out
}

/// Squares n times; out of line, since the power needs it often.
#[inline(always)]
fn square_times<F: Field, const N: usize>(x: &[F; N], n: usize) -> [F; N] {
    F::Word::outline(
        x[0].cpu(),
        #[inline(always)]
        || {
            let mut x = *x;
            for _ in 0..n {
                x = square(&x);
            }
            x
        },
    )
}

#[inline(always)]
fn mul_out_of_line<F: Field, const N: usize>(a: &[F; N], b: &[F; N]) -> [F; N] {
    F::Word::outline(
        a[0].cpu(),
        #[inline(always)]
        || mul(a, b),
    )
}

/// x^(2^252 - 3) = x^((p - 5) / 8).
fn power_p58<F: Field, const N: usize>(x: &[F; N]) -> [F; N] {
    let (times, mul) = (square_times::<F, N>, mul_out_of_line::<F, N>);
    let x2 = times(x, 1);
    let x9 = mul(x, &times(&x2, 2));
    let x11 = mul(&x2, &x9);
    let x_5 = mul(&x9, &times(&x11, 1)); // 2^5 - 1
    let x_10 = mul(&times(&x_5, 5), &x_5); // 2^10 - 1, and so on
    let x_20 = mul(&times(&x_10, 10), &x_10);
    let x_40 = mul(&times(&x_20, 20), &x_20);
    let x_50 = mul(&times(&x_40, 10), &x_10);
    let x_100 = mul(&times(&x_50, 50), &x_50);
    let x_200 = mul(&times(&x_100, 100), &x_100);
    let x_250 = mul(&times(&x_200, 50), &x_50);
    mul(&times(&x_250, 2), x)
}

/// 1 / x; zero stays zero.
pub(super) fn invert<F: Field>(x: F) -> F {
    // p - 2 = 8 (2^252 - 3) + 3.
    let power = square_times(&power_p58(&[x]), 3);
    F::Word::outline(
        x.cpu(),
        #[inline(always)]
        || power[0].mul(x.square().mul(x)),
    )
}

/// SQRT_RATIO_M1 of RFC 9496 section 4.2: whether u/v is a square, and |sqrt(u/v)| or
/// |sqrt(i u/v)|.
pub(super) fn sqrt_ratio<F: Field, const N: usize>(
    u: &[F; N],
    v: &[F; N],
) -> ([MaskOf<F>; N], [F; N]) {
    let cpu = u[0].cpu();
    let (uv3, uv7) = F::Word::outline(
        cpu,
        #[inline(always)]
        || {
            let v3 = mul(&square(v), v);
            (mul(u, &v3), mul(u, &mul(&square(&v3), v)))
        },
    );
    let power = power_p58(&uv7);
    F::Word::outline(
        cpu,
        #[inline(always)]
        || {
            let i = F::constant(cpu, &SQRT_M1);
            let mut masks = [F::Word::mask_not(u[0].is_zero()); N];
            let mut roots = *u;
            for k in 0..N {
                let r = uv3[k].mul(power[k]);
                let check = v[k].mul(r.square()).freeze();
                let minus_u = u[k].neg();
                let correct = check.frozen_equal(u[k].freeze());
                let flipped = check.frozen_equal(minus_u.freeze());
                let flipped_i = check.frozen_equal(minus_u.mul(i).freeze());
                masks[k] = F::Word::mask_or(correct, flipped);
                let turn = F::Word::mask_or(flipped, flipped_i);
                roots[k] = F::select(turn, r.mul(i), r).abs();
            }
            (masks, roots)
        },
    )
}
