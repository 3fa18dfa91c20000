//! One point at a time, by curve25519-dalek.

use curve25519_dalek::{
    RistrettoPoint, Scalar,
    constants::{
        RISTRETTO_BASEPOINT_COMPRESSED, RISTRETTO_BASEPOINT_POINT, RISTRETTO_BASEPOINT_TABLE,
    },
    ristretto::{CompressedRistretto, RistrettoBasepointTable},
    traits::Identity,
};

use crate::{
    Row32, Row64,
    engine::{Engine, Path},
};

/// dalek for every operation; runs everywhere.
pub(crate) struct Serial;

pub(crate) fn decode(row: &Row32) -> Option<RistrettoPoint> {
    CompressedRistretto(*row).decompress()
}

/// A public point that many scalars multiply.
pub(crate) struct Fixed {
    /// Its canonical encoding.
    pub(crate) row: Row32,
    point: RistrettoPoint,
    table: Option<Box<RistrettoBasepointTable>>,
}

impl Fixed {
    /// Prepares `row` for `count` multiplications; `None` if it is not canonical.
    pub(crate) fn new(path: Path, row: &Row32, count: usize) -> Option<Self> {
        /// From here on a table of multiples pays for itself.
        const TABLE_FROM: usize = 128;
        let point = decode(row)?;
        let wanted = path == Path::Serial && count >= TABLE_FROM;
        let table = wanted.then(|| Box::new(RistrettoBasepointTable::create(&point)));
        Some(Self { row: *row, point, table })
    }

    /// The generator.
    pub(crate) fn generator() -> Self {
        let (point, table) = (RISTRETTO_BASEPOINT_POINT, RISTRETTO_BASEPOINT_TABLE.clone());
        let row = RISTRETTO_BASEPOINT_COMPRESSED.to_bytes();
        Self { row, point, table: Some(Box::new(table)) }
    }

    fn times(&self, scalar: &Scalar) -> RistrettoPoint {
        self.table.as_ref().map_or_else(|| scalar * self.point, |table| scalar * &**table)
    }
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
        fixed: &Fixed,
        out: &mut [Row32],
        valid: &mut [bool],
    ) {
        let sums: Vec<_> = points
            .iter()
            .zip(valid)
            .zip(beta_halves.iter().zip(gamma_halves))
            .map(|((row, flag), (beta, gamma))| {
                beta * decode_or_identity(row, flag) + fixed.times(gamma)
            })
            .collect();
        encode_doubles(&sums, out);
    }
}
