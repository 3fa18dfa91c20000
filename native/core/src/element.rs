//! Elements of ristretto255 (RFC 9496), 32 bytes each.

use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::Zeroizing;

use crate::{
    NotCanonical, Row32, Row64,
    engine::Path,
    expand::Expander,
    scalar,
    serial::decode,
    threads::{CHUNK, for_all_chunks, for_chunks},
};

/// The first row of a chunk that did not decode, as an error.
pub(crate) fn first_invalid(
    operand: u8,
    first_row: usize,
    valid: &[bool],
) -> Result<(), NotCanonical> {
    match valid.iter().position(|&flag| !flag) {
        Some(index) => Err(NotCanonical { operand, row: first_row + index }),
        None => Ok(()),
    }
}

/// Says of each row whether it is canonical and not the identity. Rows are public.
pub fn is_valid(path: Path, points: &[Row32], threads: usize) -> Vec<bool> {
    let engine = path.engine_or_serial();
    let mut flags = vec![false; points.len()];
    for_all_chunks(threads, CHUNK, &mut flags, |first, flags| {
        let rows = &points[first..first + flags.len()];
        engine.decodes(rows, flags);
        for (flag, row) in flags.iter_mut().zip(rows) {
            *flag &= row != &[0; 32];
        }
    });
    flags
}

/// Maps 64 uniform bytes to an element, row by row.
pub fn from_uniform(path: Path, uniform: &[Row64]) -> Vec<Row32> {
    let mut out = vec![[0; 32]; uniform.len()];
    let engine = path.engine_or_serial();
    for (wide, out) in uniform.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
        engine.map(wide, out);
    }
    out
}

fn pairwise(
    left: &[Row32],
    right: &[Row32],
    operation: impl Fn(RistrettoPoint, RistrettoPoint) -> RistrettoPoint,
) -> Result<Vec<Row32>, NotCanonical> {
    left.iter()
        .zip(right)
        .enumerate()
        .map(|(row, (a, b))| match (decode(a), decode(b)) {
            (Some(a), Some(b)) => Ok(operation(a, b).compress().to_bytes()),
            _ => Err(NotCanonical { operand: 0, row }),
        })
        .collect()
}

/// Adds row by row.
///
/// # Errors
/// At the first row that is not canonical on either side.
pub fn add(left: &[Row32], right: &[Row32]) -> Result<Vec<Row32>, NotCanonical> {
    pairwise(left, right, |a, b| a + b)
}

/// Subtracts row by row.
///
/// # Errors
/// At the first row that is not canonical on either side.
pub fn sub(left: &[Row32], right: &[Row32]) -> Result<Vec<Row32>, NotCanonical> {
    pairwise(left, right, |a, b| a - b)
}

/// Multiplies every point by one scalar, or item by item when there are as many as points.
///
/// # Errors
/// At the first point that is not canonical.
pub fn mul(
    path: Path,
    scalars: &[Row32],
    points: &[Row32],
    threads: usize,
) -> Result<Vec<Row32>, NotCanonical> {
    let engine = path.engine_or_serial();
    let mut out = vec![[0; 32]; points.len()];
    for_chunks(threads, CHUNK, &mut out, |first, out| {
        let rows = first..first + out.len();
        let mine = if scalars.len() == 1 { scalars } else { &scalars[rows.clone()] };
        let halves = halves(mine);
        let mut valid = [false; CHUNK];
        let valid = &mut valid[..out.len()];
        engine.multiply(&halves, &points[rows], out, valid);
        first_invalid(0, first, valid)
    })?;
    Ok(out)
}

pub(crate) fn halves(scalars: &[Row32]) -> Zeroizing<Vec<Scalar>> {
    Zeroizing::new(
        scalars.iter().map(|row| *scalar::half(&scalar::of_multiplication(row))).collect(),
    )
}

/// Multiplies the generator by each scalar.
pub fn mul_base(scalars: &[Row32]) -> Vec<Row32> {
    scalars
        .iter()
        .map(|row| RistrettoPoint::mul_base(&scalar::of_multiplication(row)).compress().to_bytes())
        .collect()
}

/// Equal-length messages, one after the other.
#[derive(Clone, Copy)]
pub struct Messages<'a> {
    /// All bytes.
    pub bytes: &'a [u8],
    /// Bytes of each message.
    pub width: usize,
    /// How many messages.
    pub count: usize,
}

impl Messages<'_> {
    /// One of them.
    #[must_use]
    pub fn row(&self, index: usize) -> &[u8] {
        &self.bytes[index * self.width..(index + 1) * self.width]
    }

    fn expand(&self, expander: &Expander, first: usize, count: usize) -> Zeroizing<Vec<Row64>> {
        Zeroizing::new((first..first + count).map(|i| expander.expand(self.row(i))).collect())
    }
}

/// hash_to_ristretto255 of RFC 9380 appendix B.
pub fn hash_to_group(
    path: Path,
    messages: Messages<'_>,
    expander: &Expander,
    threads: usize,
) -> Vec<Row32> {
    let engine = path.engine_or_serial();
    let mut out = vec![[0; 32]; messages.count];
    for_all_chunks(threads, CHUNK, &mut out, |first, out| {
        engine.map(&messages.expand(expander, first, out.len()), out);
    });
    out
}

/// `scalar * hash_to_group(message)` for each message.
pub fn blind_rows(
    path: Path,
    messages: Messages<'_>,
    expander: &Expander,
    scalar: &Row32,
    threads: usize,
) -> Vec<Row32> {
    let engine = path.engine_or_serial();
    let half = scalar::half(&scalar::of_multiplication(scalar));
    let mut out = vec![[0; 32]; messages.count];
    for_all_chunks(threads, CHUNK, &mut out, |first, out| {
        engine.blind(&half, &messages.expand(expander, first, out.len()), out);
    });
    out
}
