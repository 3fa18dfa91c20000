//! The engines that work on several points side by side, one in each lane of a register.
//!
//! The formulas are written once, over [`Field`]; what they are compiled to depends on the
//! word underneath. Nothing here branches on, or indexes by, what is in a lane.

mod constants;
mod curve;
mod digits;
mod encoding;
mod lanes;
mod map;
mod power;

#[cfg(test)]
mod tests;

use crate::engine::Engine;

/// The engine with eight lanes, if this machine has the instructions.
#[cfg(target_arch = "x86_64")]
pub(crate) fn ifma() -> Option<Box<dyn Engine>> {
    use veilmatch_lanes::{field51::Field51, ifma};
    let cpu = ifma::detect()?;
    Some(Box::new(lanes::Lanes::<Field51<ifma::Ifma>>::new(cpu)))
}

/// The engine with four lanes, if this machine has the instructions.
#[cfg(target_arch = "x86_64")]
pub(crate) fn avx2() -> Option<Box<dyn Engine>> {
    use veilmatch_lanes::{avx2, field25::Field25};
    let cpu = avx2::detect()?;
    Some(Box::new(lanes::Lanes::<Field25<avx2::Avx2>>::new(cpu)))
}

/// Not on this architecture.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn ifma() -> Option<Box<dyn Engine>> {
    None
}

/// Not on this architecture.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn avx2() -> Option<Box<dyn Engine>> {
    None
}
