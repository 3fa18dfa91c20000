//! One point at a time, by curve25519-dalek.

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    ristretto::{CompressedRistretto, RistrettoBasepointTable},
    traits::Identity,
};

use crate::{Row32, Row64, engine::Engine};

/// dalek for every operation; runs everywhere.
pub(crate) struct Serial;

pub(crate) fn decode(row: &Row32) -> Option<RistrettoPoint> {
    CompressedRistretto(*row).decompress()
}

/// Decodes, noting whether it was possible; the identity stands in where it was not.
fn decode_or_identity(row: &Row32, valid: &mut bool) -> RistrettoPoint {
    let point = decode(row);
    *valid = point.is_some();
    point.unwrap_or_else(RistrettoPoint::identity)
}

/// Encodes the doubles of the points with one inversion for all.
fn encode_doubles(points: &[RistrettoPoint], out: &mut [Row32]) {
    for (row, encoded) in out.iter_mut().zip(RistrettoPoint::double_and_compress_batch(points)) {
        *row = encoded.to_bytes();
    }
}

impl Engine for Serial {
    fn decodes(&self, points: &[Row32], valid: &mut [bool]) {
        for (row, flag) in points.iter().zip(valid) {
            *flag = decode(row).is_some();
        }
    }

    fn map(&self, uniform: &[Row64], out: &mut [Row32]) {
        for (row, wide) in out.iter_mut().zip(uniform) {
            *row = RistrettoPoint::from_uniform_bytes(wide).compress().to_bytes();
        }
    }

    fn blind(&self, half: &Scalar, uniform: &[Row64], out: &mut [Row32]) {
        let points: Vec<_> =
            uniform.iter().map(|wide| half * RistrettoPoint::from_uniform_bytes(wide)).collect();
        encode_doubles(&points, out);
    }

    fn multiply(&self, halves: &[Scalar], points: &[Row32], out: &mut [Row32], valid: &mut [bool]) {
        let products: Vec<_> = points
            .iter()
            .zip(halves.iter().cycle())
            .zip(valid)
            .map(|((row, half), flag)| half * decode_or_identity(row, flag))
            .collect();
        encode_doubles(&products, out);
    }

    fn combine(
        &self,
        beta_halves: &[Scalar],
        gamma_halves: &[Scalar],
        points: &[Row32],
        fixed: &Row32,
        out: &mut [Row32],
        valid: &mut [bool],
    ) {
        /// From here on a table of multiples of the fixed point pays for itself.
        const TABLE_FROM: usize = 32;
        let fixed = decode(fixed).unwrap_or_else(RistrettoPoint::identity);
        let table = (points.len() >= TABLE_FROM).then(|| RistrettoBasepointTable::create(&fixed));
        let sums: Vec<_> = points
            .iter()
            .zip(valid)
            .zip(beta_halves.iter().zip(gamma_halves))
            .map(|((row, flag), (beta, gamma))| {
                let second = table.as_ref().map_or_else(|| gamma * fixed, |table| gamma * table);
                beta * decode_or_identity(row, flag) + second
            })
            .collect();
        encode_doubles(&sums, out);
    }
}
