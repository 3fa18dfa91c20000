//! Which arithmetic runs: one point at a time (dalek), or several in vector registers.
//!
//! Every engine gives the same bytes. dalek is the oracle for the others in the tests and the
//! fallback on machines without their instructions.

use curve25519_dalek::Scalar;

use crate::{
    Row32, Row64,
    serial::{Fixed, Serial},
    vector,
};

/// The engines, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Eight points in 512-bit registers (AVX-512 IFMA).
    Ifma,
    /// Four points in 256-bit registers (AVX2).
    Avx2,
    /// One point at a time, everywhere.
    Serial,
}

impl Path {
    /// All paths that this machine can run, best first; never empty.
    pub fn available() -> Vec<Self> {
        let all = [Self::Ifma, Self::Avx2, Self::Serial];
        all.into_iter().filter(|path| path.engine().is_some()).collect()
    }

    /// The word for this path.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ifma => "ifma",
            Self::Avx2 => "avx2",
            Self::Serial => "serial",
        }
    }

    pub(crate) fn engine(self) -> Option<Box<dyn Engine>> {
        match self {
            Self::Ifma => vector::ifma(),
            Self::Avx2 => vector::avx2(),
            Self::Serial => Some(Box::new(Serial)),
        }
    }

    /// The engine of this path, or the serial one where the machine cannot run it.
    pub(crate) fn engine_or_serial(self) -> Box<dyn Engine> {
        self.engine().unwrap_or_else(|| Box::new(Serial))
    }
}

/// Group arithmetic over one chunk of rows. Slices of one call have equal lengths.
///
/// Encodings are made of doubled elements, so that one inversion serves a whole chunk; that is
/// why scalars arrive halved modulo q (`scalar::half`).
///
/// Constant time in everything but `valid`: which inputs are canonical is public.
pub(crate) trait Engine: Send + Sync {
    /// Whether each point is a canonical encoding; the identity is one.
    fn decodes(&self, points: &[Row32], valid: &mut [bool]);

    /// Maps uniform bytes to the group.
    fn map(&self, uniform: &[Row64], out: &mut [Row32]);

    /// Maps uniform bytes to the group and multiplies by twice `half`.
    fn blind(&self, half: &Scalar, uniform: &[Row64], out: &mut [Row32]);

    /// Multiplies points by twice the halves: one for all, or one for each.
    ///
    /// Where a point is not canonical, `valid` is false and the output is unspecified.
    fn multiply(&self, halves: &[Scalar], points: &[Row32], out: &mut [Row32], valid: &mut [bool]);

    /// `2 (beta * point + gamma * fixed)` for each point; otherwise as `multiply`.
    ///
    /// A canonical `fixed` comes from `serial::Fixed::new`.
    fn combine(
        &self,
        beta_halves: &[Scalar],
        gamma_halves: &[Scalar],
        points: &[Row32],
        fixed: &Fixed,
        out: &mut [Row32],
        valid: &mut [bool],
    );
}
