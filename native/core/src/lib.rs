//! The kernels of Veilmatch over batches of rows, without Python.
//!
//! Every function takes slices of fixed-width rows and gives the same bytes as the portable
//! backend (libsodium). Secrets are handled in constant time; what is public is said where it
//! matters. `unsafe` lives in the crate `veilmatch-lanes` only.
#![forbid(unsafe_code)]

pub mod dhf;
pub mod element;
pub mod engine;
pub mod expand;
mod flips;
pub mod lfh;
pub mod merkle;
pub mod place;
pub mod rows;
pub mod scalar;
pub mod seal;
mod serial;
pub mod slots;
mod threads;
mod vector;

/// Says that values become public here, for the test of secret-dependent branches.
fn reveal<T>(values: &[T]) {
    #[cfg(feature = "marks")]
    veilmatch_marks::public(values);
    #[cfg(not(feature = "marks"))]
    let _ = values;
}

/// A group element or a scalar: 32 bytes.
pub type Row32 = [u8; 32];
/// Uniform bytes for the map to the group.
pub type Row64 = [u8; 64];

/// A row is not the canonical encoding of a group element.
///
/// Ordered so that the smallest is the one the portable backend would have met first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotCanonical {
    /// Which argument of the kernel, in the order in which the arguments are read.
    pub operand: u8,
    /// Index of the row.
    pub row: usize,
}
