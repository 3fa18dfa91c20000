//! Arithmetic modulo p = 2^255 - 19 on several independent numbers side by side.
//!
//! A [`Word`] is a vector register of 64-bit lanes; a [`Field`] element is a few words whose
//! lanes are unrelated numbers. Nothing here branches on, or indexes by, what is in a lane.
//!
//! All `unsafe` of the native core is in the two modules that wrap one machine instruction per
//! function: [`ifma`] and [`avx2`]. It is sound because a value of those word types exists only
//! where their `detect` has found the instructions: every constructor asks for the token that
//! `detect` gives, and every other function for a value. [`model`] is the same door in plain
//! Rust; it stops at any overflow that the bounds rule out.
#![deny(unsafe_code)]

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub mod avx2;
pub mod field;
pub mod field25;
pub mod field51;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub mod ifma;
pub mod model;
pub mod word;

pub use field::Field;
pub use word::{Word, Word32, Word52};
