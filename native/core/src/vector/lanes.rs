//! The engine over a field: fills lanes with rows, the last ones with padding.

use std::hint::black_box;

use curve25519_dalek::Scalar;
use veilmatch_lanes::{Field, Word};
use zeroize::Zeroizing;

use super::curve::{Multiples, Point, multiply};
use super::digits::Digits;
use super::encoding::{decode, encode, encode_doubles};
use super::map::from_uniform;
use super::power::{CpuOf, MaskOf};
use crate::{Row32, Row64, engine::Engine, reveal, serial::Fixed};

/// An engine with as many lanes as the field's word.
pub(super) struct Lanes<F: Field> {
    cpu: CpuOf<F>,
}

/// Points of one chunk and the rows they are written to, padded to whole registers; wiped.
struct Batch<F: Field> {
    cpu: CpuOf<F>,
    points: Vec<Point<F>>,
}

impl<F: Field> Batch<F> {
    fn encode_doubles(&self, out: &mut [Row32]) {
        let mut rows = Zeroizing::new(vec![[0; 32]; self.points.len() * F::Word::LANES]);
        encode_doubles(&self.points, &mut rows);
        out.copy_from_slice(&rows[..out.len()]);
    }
}

impl<F: Field> Drop for Batch<F> {
    fn drop(&mut self) {
        self.points.fill(Point::identity(self.cpu));
        black_box(&self.points);
    }
}

/// The rows of one register; padding is zero, the identity.
fn padded<const W: usize>(rows: &[[u8; W]]) -> [[u8; W]; 16] {
    let mut out = [[0; W]; 16];
    out[..rows.len()].copy_from_slice(rows);
    out
}

/// Makes public which rows are canonical.
fn show<F: Field>(mask: MaskOf<F>, valid: &mut [bool]) {
    let bits = F::Word::mask_bits(mask);
    for (lane, flag) in valid.iter_mut().enumerate() {
        *flag = bits >> lane & 1 == 1;
    }
    reveal(valid);
}

impl<F: Field> Lanes<F> {
    pub(super) fn new(cpu: CpuOf<F>) -> Self {
        Self { cpu }
    }

    fn decode(&self, rows: &[Row32], valid: &mut [bool]) -> Point<F> {
        let [(mask, point)] = decode(self.cpu, [&padded(rows)[..F::Word::LANES]]);
        show::<F>(mask, valid);
        point
    }

    fn map_one(&self, rows: &[Row64]) -> Point<F> {
        let mut halves = Zeroizing::new([[[0; 32]; 16]; 2]);
        for (lane, row) in rows.iter().enumerate() {
            halves[0][lane].copy_from_slice(&row[..32]);
            halves[1][lane].copy_from_slice(&row[32..]);
        }
        from_uniform(&[0, 1].map(|k| F::load(self.cpu, &halves[k][..F::Word::LANES])))
    }

    fn batch(&self, points: impl Iterator<Item = Point<F>>) -> Batch<F> {
        Batch { cpu: self.cpu, points: points.collect() }
    }
}

impl<F: Field> Engine for Lanes<F> {
    fn decodes(&self, points: &[Row32], valid: &mut [bool]) {
        // Two registers at a time: a square root waits for itself, two fill the machine.
        let lanes = F::Word::LANES;
        for (rows, flags) in points.chunks(2 * lanes).zip(valid.chunks_mut(2 * lanes)) {
            if rows.len() < 2 * lanes {
                for (rows, flags) in rows.chunks(lanes).zip(flags.chunks_mut(lanes)) {
                    self.decode(rows, flags);
                }
            } else {
                let (left, right) = flags.split_at_mut(lanes);
                let [first, second] = decode::<F, 2>(self.cpu, [&rows[..lanes], &rows[lanes..]]);
                show::<F>(first.0, left);
                show::<F>(second.0, right);
            }
        }
    }

    fn map(&self, uniform: &[Row64], out: &mut [Row32]) {
        for (wide, out) in uniform.chunks(F::Word::LANES).zip(out.chunks_mut(F::Word::LANES)) {
            let mut rows = [[0; 32]; 16];
            encode(&self.map_one(wide), &mut rows[..F::Word::LANES]);
            out.copy_from_slice(&rows[..out.len()]);
        }
    }

    fn blind(&self, half: &Scalar, uniform: &[Row64], out: &mut [Row32]) {
        let digits = Digits::shared(self.cpu, half);
        let products = uniform.chunks(F::Word::LANES).map(|wide| {
            let table = Multiples::of(&self.map_one(wide));
            multiply([(&table, &digits)])
        });
        self.batch(products).encode_doubles(out);
    }

    fn multiply(&self, halves: &[Scalar], points: &[Row32], out: &mut [Row32], valid: &mut [bool]) {
        let lanes = F::Word::LANES;
        let shared = (halves.len() == 1).then(|| Digits::shared(self.cpu, &halves[0]));
        let flags = valid.chunks_mut(lanes);
        let products = points.chunks(lanes).zip(flags).enumerate().map(|(k, (rows, flags))| {
            let table = Multiples::of(&self.decode(rows, flags));
            let own;
            let digits = match &shared {
                Some(digits) => digits,
                None => {
                    own = Digits::new(self.cpu, &halves[k * lanes..][..rows.len()]);
                    &own
                }
            };
            multiply([(&table, digits)])
        });
        self.batch(products).encode_doubles(out);
    }

    fn combine(
        &self,
        beta_halves: &[Scalar],
        gamma_halves: &[Scalar],
        points: &[Row32],
        fixed: &Fixed,
        out: &mut [Row32],
        valid: &mut [bool],
    ) {
        let lanes = F::Word::LANES;
        let mut fixed_valid = [false; 16];
        let fixed = self.decode(&[fixed.row; 16][..lanes], &mut fixed_valid[..lanes]);
        let fixed_table = Multiples::of(&fixed);
        let flags = valid.chunks_mut(lanes);
        let sums = points.chunks(lanes).zip(flags).enumerate().map(|(k, (rows, flags))| {
            let part = k * lanes..k * lanes + rows.len();
            let table = Multiples::of(&self.decode(rows, flags));
            let beta = Digits::new(self.cpu, &beta_halves[part.clone()]);
            let gamma = Digits::new(self.cpu, &gamma_halves[part]);
            multiply([(&table, &beta), (&fixed_table, &gamma)])
        });
        self.batch(sums).encode_doubles(out);
    }
}
