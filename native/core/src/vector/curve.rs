//! Points of edwards25519 in the lanes of field elements.
//!
//! Source: Hisil, Wong, Carter, Dawson, "Twisted Edwards Curves Revisited" (2008), a = -1.

use std::hint::black_box;

use veilmatch_lanes::{Field, Word};

use super::constants::{D, TWO_D};
use super::digits::{Digits, WINDOWS};
use super::power::{CpuOf, MaskOf};

/// (X : Y : Z : T) with x = X/Z, y = Y/Z, xy = T/Z.
#[derive(Clone, Copy)]
pub(super) struct Point<F> {
    pub(super) x: F,
    pub(super) y: F,
    pub(super) z: F,
    pub(super) t: F,
}

/// What a sum leaves: X = EF, Y = GH, Z = FG, T = EH. All are factors, and where E is made
/// with a sum on its right, F is tight and H a sum.
#[derive(Clone, Copy)]
struct Completed<F> {
    e: F,
    f: F,
    g: F,
    h: F,
}

/// A point prepared to be added.
#[derive(Clone, Copy)]
pub(super) struct Cached<F> {
    y_plus_x: F,
    y_minus_x: F,
    z2: F,
    t2d: F,
}

impl<F: Field> Point<F> {
    #[inline(always)]
    pub(super) fn identity(cpu: CpuOf<F>) -> Self {
        let (zero, one) = (F::zero(cpu), F::one(cpu));
        Self { x: zero, y: one, z: one, t: zero }
    }

    /// Becomes the point without T, which a doubling does not read. Coordinate by coordinate:
    /// a whole point would be made elsewhere and copied.
    #[inline(always)]
    fn set_projective(&mut self, Completed { e, f, g, h }: Completed<F>) {
        self.x = e.mul(f);
        self.y = g.mul(h);
        self.z = f.mul(g);
    }

    #[inline(always)]
    fn set(&mut self, sum: Completed<F>) {
        self.set_projective(sum);
        self.t = sum.e.mul(sum.h);
    }

    #[inline(always)]
    fn double_completed(&self) -> Completed<F> {
        let (xx, yy) = (self.x.square_loose(), self.y.square_loose());
        let zz = self.z.square_loose();
        let sum = F::factor(F::loose_add(self.x.loosen(), self.y.loosen())).square_loose();
        let h = F::loose_add(xx, yy);
        let zz2_xx = F::loose_add(F::loose_add(zz, zz), xx);
        // The sign of F and H together is free: (2 ZZ - G) and (XX + YY).
        Completed {
            e: F::factor(F::loose_sub_sum(sum, h)),
            f: F::tighten(F::loose_sub(zz2_xx, yy)),
            g: F::factor(F::loose_sub(yy, xx)),
            h: F::factor(h),
        }
    }

    #[inline(always)]
    fn add_completed(&self, other: &Cached<F>) -> Completed<F> {
        let (x, y) = (self.x.loosen(), self.y.loosen());
        let a = F::factor(F::loose_sub(y, x)).mul_loose(other.y_minus_x);
        let b = F::factor(F::loose_add(y, x)).mul_loose(other.y_plus_x);
        let c = self.t.mul_loose(other.t2d);
        let d = self.z.mul_loose(other.z2);
        Completed {
            e: F::factor(F::loose_sub(b, a)),
            f: F::factor(F::loose_sub(d, c)),
            g: F::factor(F::loose_add(d, c)),
            h: F::factor(F::loose_add(b, a)),
        }
    }

    /// Doubles what another doubling follows: T is not made. Out of line.
    fn double_before_doubling(&mut self) {
        F::Word::outline(
            self.x.cpu(),
            #[inline(always)]
            || self.set_projective(self.double_completed()),
        );
    }

    /// Doubles. Out of line.
    fn double(&mut self) {
        F::Word::outline(
            self.x.cpu(),
            #[inline(always)]
            || self.set(self.double_completed()),
        );
    }

    /// Adds. Out of line.
    pub(super) fn add(&mut self, other: &Cached<F>) {
        F::Word::outline(
            self.x.cpu(),
            #[inline(always)]
            || self.set(self.add_completed(other)),
        );
    }

    /// Adds what a doubling follows: T is not made. Out of line.
    fn add_before_doubling(&mut self, other: &Cached<F>) {
        F::Word::outline(
            self.x.cpu(),
            #[inline(always)]
            || self.set_projective(self.add_completed(other)),
        );
    }

    pub(super) fn cached(&self) -> Cached<F> {
        F::Word::outline(
            self.x.cpu(),
            #[inline(always)]
            || Cached {
                y_plus_x: self.y.add(self.x),
                y_minus_x: self.y.sub(self.x),
                z2: self.z.add(self.z),
                t2d: self.t.mul(F::constant(self.x.cpu(), &TWO_D)),
            },
        )
    }
}

/// One coordinate of every entry of a table.
macro_rules! each_entry {
    ($table:ident, $part:ident) => {
        [
            &$table[0].$part,
            &$table[1].$part,
            &$table[2].$part,
            &$table[3].$part,
            &$table[4].$part,
            &$table[5].$part,
            &$table[6].$part,
            &$table[7].$part,
        ]
    };
}

/// P, 2P, ..., 8P. Wiped when dropped.
pub(super) struct Multiples<F: Field>([Cached<F>; 8]);

impl<F: Field> Drop for Multiples<F> {
    fn drop(&mut self) {
        let zero = F::zero(self.0[0].z2.cpu());
        self.0 = [Cached { y_plus_x: zero, y_minus_x: zero, z2: zero, t2d: zero }; 8];
        // The compiler must believe that someone reads the zeros.
        black_box(&self);
    }
}

impl<F: Field> Multiples<F> {
    pub(super) fn of(point: &Point<F>) -> Self {
        let first = point.cached();
        let mut table = [first; 8];
        let mut multiple = *point;
        multiple.double();
        table[1] = multiple.cached();
        for entry in &mut table[2..] {
            multiple.add(&first);
            *entry = multiple.cached();
        }
        Self(table)
    }

    /// The multiple by a digit from -8 to 8 in each lane; reads the whole table every time.
    fn select(&self, digits: &Digits<F::Word>, window: usize, out: &mut Cached<F>) {
        let cpu = self.0[0].z2.cpu();
        F::Word::outline(
            cpu,
            #[inline(always)]
            || {
                let (absolute, negative) = digits.window(window);
                let (zero, one) = (F::zero(cpu), F::one(cpu));
                let two = one.add(one);
                let mut masks = [negative; 8];
                for (mask, value) in masks.iter_mut().zip(1..) {
                    *mask = absolute.equal(F::Word::splat(cpu, value));
                }
                let t = &self.0;
                let found = Cached {
                    y_plus_x: F::lookup(&masks, each_entry!(t, y_plus_x), one),
                    y_minus_x: F::lookup(&masks, each_entry!(t, y_minus_x), one),
                    z2: F::lookup(&masks, each_entry!(t, z2), two),
                    t2d: F::lookup(&masks, each_entry!(t, t2d), zero),
                };
                *out = found.negate_if(negative);
            },
        );
    }
}

impl<F: Field> Cached<F> {
    #[inline(always)]
    fn negate_if(self, mask: MaskOf<F>) -> Self {
        Self {
            y_plus_x: F::select(mask, self.y_minus_x, self.y_plus_x),
            y_minus_x: F::select(mask, self.y_plus_x, self.y_minus_x),
            z2: self.z2,
            t2d: self.t2d.negate_if(mask),
        }
    }
}

/// The sum of each table's point times its digits: one chain of doublings for all.
pub(super) fn multiply<F: Field, const N: usize>(
    terms: [(&Multiples<F>, &Digits<F::Word>); N],
) -> Point<F> {
    let cpu = terms[0].0.0[0].z2.cpu();
    let mut sum = Point::identity(cpu);
    let mut term = terms[0].0.0[0];
    for window in (0..WINDOWS).rev() {
        if window + 1 != WINDOWS {
            for _ in 0..3 {
                sum.double_before_doubling();
            }
            sum.double();
        }
        for (k, (table, digits)) in terms.iter().enumerate() {
            table.select(digits, window, &mut term);
            // The last sum keeps T, and so does one that another follows.
            if k + 1 == N && window != 0 {
                sum.add_before_doubling(&term);
            } else {
                sum.add(&term);
            }
        }
    }
    sum
}

/// d T^2, for encodings.
#[inline(always)]
pub(super) fn d_times<F: Field>(x: F) -> F {
    x.mul(F::constant(x.cpu(), &D))
}
