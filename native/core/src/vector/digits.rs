//! Signed radix-16 digits of secret scalars, one scalar in each lane.

use curve25519_dalek::Scalar;
use std::hint::black_box;
use veilmatch_lanes::Word;
use zeroize::Zeroize;

/// Digits of a scalar: 253 bits, four at a time, and what carries out of the last.
pub(super) const WINDOWS: usize = 64;

/// Digits from -8 to 8: absolute values and signs, lowest first. Wiped when dropped.
pub(super) struct Digits<W: Word> {
    absolute: [W; WINDOWS],
    sign: [W; WINDOWS],
}

impl<W: Word> Digits<W> {
    /// The digits of one scalar for each lane; missing ones are zero.
    pub(super) fn new(cpu: W::Cpu, scalars: &[Scalar]) -> Self {
        let mut absolute = [[0u64; 16]; WINDOWS];
        let mut sign = [[0u64; 16]; WINDOWS];
        for (lane, scalar) in scalars.iter().take(W::LANES).enumerate() {
            let mut digits = radix_16(scalar);
            for (k, digit) in digits.iter().enumerate() {
                let negative = digit >> 7; // 0 or -1
                absolute[k][lane] = ((digit ^ negative) - negative) as u64;
                sign[k][lane] = u64::from(negative as u8 & 1);
            }
            digits.zeroize();
        }
        let load = |rows: &[[u64; 16]; WINDOWS]| std::array::from_fn(|k| W::load(cpu, &rows[k]));
        let out = Self { absolute: load(&absolute), sign: load(&sign) };
        absolute.zeroize();
        sign.zeroize();
        out
    }

    /// The same scalar in every lane.
    pub(super) fn shared(cpu: W::Cpu, scalar: &Scalar) -> Self {
        Self::new(cpu, &[*scalar; 16][..W::LANES])
    }

    /// Absolute values and a mask of the negative ones.
    #[inline(always)]
    pub(super) fn window(&self, window: usize) -> (W, W::Mask) {
        let sign = self.sign[window];
        (self.absolute[window], sign.equal(W::splat(sign.cpu(), 1)))
    }
}

impl<W: Word> Drop for Digits<W> {
    fn drop(&mut self) {
        let zero = W::splat(self.sign[0].cpu(), 0);
        self.absolute = [zero; WINDOWS];
        self.sign = [zero; WINDOWS];
        // The compiler must believe that someone reads the zeros.
        black_box(&self);
    }
}

/// Digits from -8 to 8 of a scalar below 2^255, without branches.
fn radix_16(scalar: &Scalar) -> [i8; WINDOWS] {
    let mut digits = [0i8; WINDOWS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(scalar.as_bytes()) {
        pair[0] = (byte & 15) as i8;
        pair[1] = (byte >> 4) as i8;
    }
    let mut carry = 0;
    for digit in &mut digits[..63] {
        *digit += carry;
        carry = (*digit + 8) >> 4;
        *digit -= carry << 4;
    }
    digits[63] += carry;
    digits
}
