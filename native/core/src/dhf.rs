//! Polynomials over F_p, p = 2^64 - 59, evaluated in constant time.

/// p = 2^64 - 59.
pub const PRIME: u64 = u64::MAX - 58;

/// 2^64 modulo p.
const FOLD: u64 = 59;

/// Subtracts p once where the value is at least p, without a branch.
fn reduce(value: u64) -> u64 {
    // value >= p exactly when value + 59 wraps, and then the wrapped sum is value - p.
    let (folded, wraps) = value.overflowing_add(FOLD);
    let mask = u64::from(wraps).wrapping_neg();
    (folded & mask) | (value & !mask)
}

/// Computes a * b + c modulo p for any inputs; the result is below p.
fn mul_add(a: u64, b: u64, c: u64) -> u64 {
    // a*b + c < 2^128; fold the high word twice: hi*59 + lo < 2^70, then hi' < 2^6.
    let wide = u128::from(a) * u128::from(b) + u128::from(c);
    let once = (wide >> 64) * u128::from(FOLD) + u128::from(wide as u64);
    let twice = (once >> 64) * u128::from(FOLD) + u128::from(once as u64);
    // twice < 2^64 + 59*59; where it passes 2^64 the low word is tiny, and adding 59 is exact.
    let carry = (twice >> 64) as u64;
    reduce(twice as u64 + carry * FOLD)
}

/// Evaluates `s` polynomials of `t` coefficients (constant term first) at each input.
///
/// Returns rows of `s` values. Secret: the coefficients and the inputs; counts are public.
pub fn evaluate(coefficients: &[u64], t: usize, inputs: &[u64]) -> Vec<u64> {
    if t == 0 {
        return Vec::new();
    }
    let horner = |x: u64, polynomial: &[u64]| {
        polynomial.iter().rev().fold(0, |value, &coefficient| mul_add(value, x, coefficient))
    };
    inputs
        .iter()
        .flat_map(|&x| coefficients.chunks_exact(t).map(move |polynomial| horner(x, polynomial)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_wide_remainders_at_the_edges() {
        let edges = [0, 1, 2, 58, 59, 60, 1 << 32, PRIME - 1, PRIME, PRIME + 1, u64::MAX];
        for a in edges {
            for b in edges {
                for c in edges {
                    let p = u128::from(PRIME);
                    let wide = u128::from(a) * u128::from(b) % p + u128::from(c) % p;
                    assert_eq!(u128::from(mul_add(a, b, c)), wide % p);
                }
            }
        }
    }

    #[test]
    fn rows_follow_inputs_and_columns_follow_polynomials() {
        assert_eq!(evaluate(&[1, 2, 10, 20], 2, &[3, 5]), [7, 70, 11, 110]);
    }
}
