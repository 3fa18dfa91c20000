//! Scalars modulo q, the order of ristretto255: 32 bytes, little-endian.
//!
//! Inputs need not be reduced. What libsodium does with such inputs is done here too, so that
//! both backends give the same bytes for any input.

use curve25519_dalek::Scalar;
use zeroize::Zeroizing;

use crate::{Row32, Row64};

/// Reduces one row modulo q.
pub(crate) fn reduce_row(row: &Row32) -> Zeroizing<Scalar> {
    Zeroizing::new(Scalar::from_bytes_mod_order(*row))
}

/// The scalar of a multiplication: the top bit is ignored, the rest reduced modulo q.
pub(crate) fn of_multiplication(row: &Row32) -> Zeroizing<Scalar> {
    let mut low = Zeroizing::new(*row);
    low[31] &= 0x7f;
    reduce_row(&low)
}

/// Half of a scalar modulo q: encodings are made of doubled elements, see `serial`.
pub(crate) fn half(scalar: &Scalar) -> Zeroizing<Scalar> {
    // (q + 1) / 2, the inverse of two.
    const INVERSE_OF_TWO: Row32 = [
        0xf7, 0xe9, 0x7a, 0x2e, 0x8d, 0x31, 0x09, 0x2c, 0x6b, 0xce, 0x7b, 0x51, 0xef, 0x7c, 0x6f,
        0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8,
    ];
    Zeroizing::new(scalar * Scalar::from_bytes_mod_order(INVERSE_OF_TWO))
}

fn add_rows(left: &Row32, right: &Row32) -> Scalar {
    // Modulo 2^256 first: for rows below q, the only ones the protocol makes, nothing wraps.
    let mut sum = Zeroizing::new([0u8; 32]);
    let mut carry = 0u16;
    for i in 0..32 {
        let t = u16::from(left[i]) + u16::from(right[i]) + carry;
        sum[i] = t as u8;
        carry = t >> 8;
    }
    *reduce_row(&sum)
}

/// Reduces 64 bytes modulo q, row by row.
pub fn reduce(wide: &[Row64]) -> Vec<Row32> {
    wide.iter().map(|w| Scalar::from_bytes_mod_order_wide(w).to_bytes()).collect()
}

/// Adds modulo q, row by row.
pub fn add(left: &[Row32], right: &[Row32]) -> Vec<Row32> {
    left.iter().zip(right).map(|(a, b)| add_rows(a, b).to_bytes()).collect()
}

/// Subtracts modulo q, row by row.
pub fn sub(left: &[Row32], right: &[Row32]) -> Vec<Row32> {
    let minus = |b: &Row32| Zeroizing::new((-*reduce_row(b)).to_bytes());
    left.iter().zip(right).map(|(a, b)| add_rows(a, &minus(b)).to_bytes()).collect()
}

/// Multiplies modulo q, row by row.
pub fn mul(left: &[Row32], right: &[Row32]) -> Vec<Row32> {
    left.iter().zip(right).map(|(a, b)| (*reduce_row(a) * *reduce_row(b)).to_bytes()).collect()
}

/// Inverts modulo q, row by row; zero stays zero.
pub fn invert(scalars: &[Row32]) -> Vec<Row32> {
    // One inversion each: the batched form would skip zeros, and so tell them apart.
    scalars.iter().map(|a| reduce_row(a).invert().to_bytes()).collect()
}

/// Evaluates one polynomial, constant term first, at many points modulo q by Horner's rule.
pub fn evaluate_polynomial(coefficients: &[Row32], points: &[Row32]) -> Vec<Row32> {
    let Some((highest, lower)) = coefficients.split_last() else {
        return vec![[0; 32]; points.len()];
    };
    let at = |point: &Row32| {
        let x = reduce_row(point);
        let mut value = Zeroizing::new(*highest);
        for coefficient in lower.iter().rev() {
            let product = Zeroizing::new((*reduce_row(&value) * *x).to_bytes());
            *value = add_rows(&product, coefficient).to_bytes();
        }
        *value
    };
    points.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_half_is_the_whole() {
        for k in [0u64, 1, 2, 3, u64::MAX] {
            let k = Scalar::from(k);
            assert_eq!(*half(&k) + *half(&k), k);
        }
    }

    #[test]
    fn horner_agrees_with_powers() {
        let row = |k: u64| Scalar::from(k).to_bytes();
        let value = evaluate_polynomial(&[row(7), row(5), row(3)], &[row(11)]);
        assert_eq!(value, [row(7 + 5 * 11 + 3 * 121)]);
    }
}
