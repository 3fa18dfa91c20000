//! Slots of a voucher: made by the client, tried by the server (spec 10, "slot key").

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    NotCanonical, Row32,
    element::{Messages, first_invalid, halves},
    engine::Path,
    scalar,
    seal::{OVERHEAD_LEN, SALT_LEN, SlotKeys, open_into, seal_into},
    serial::Fixed,
    threads::{CHUNK, for_all_chunks, for_chunks},
};

/// Q and the sealed payload key.
pub const SLOT_LEN: usize = 32 + 32 + OVERHEAD_LEN;
/// One slot.
pub type Slot = [u8; SLOT_LEN];

/// What goes into a batch of slots, row by row, in the symbols of the specification.
#[derive(Clone, Copy)]
pub struct SlotInputs<'a> {
    /// H.
    pub left: &'a [Row32],
    /// P.
    pub right: &'a [Row32],
    /// L, the same for all; public.
    pub public: &'a Row32,
    /// beta.
    pub beta: &'a [Row32],
    /// gamma.
    pub gamma: &'a [Row32],
    /// What each slot hides.
    pub payload_keys: &'a [Row32],
    /// Public data that each slot is bound to.
    pub aads: Messages<'a>,
    /// Fresh salts.
    pub salts: &'a [[u8; SALT_LEN]],
}

/// Makes slots: Q = beta*H + gamma*G, S = beta*P + gamma*L, Q | seal(KDF(S, Q), payload key).
///
/// # Errors
/// The operand is 0 for H, 1 for P, 2 for L.
pub fn seal_slots(
    path: Path,
    inputs: SlotInputs<'_>,
    threads: usize,
) -> Result<Vec<Slot>, NotCanonical> {
    let engine = path.engine_or_serial();
    let generator = Fixed::generator();
    // A public that does not decode is an error only where no earlier operand is one.
    let public = Fixed::new(path, inputs.public, inputs.left.len());
    let stand_in = public.as_ref().unwrap_or(&generator);
    let slot_keys = SlotKeys::new();
    let mut out = vec![[0; SLOT_LEN]; inputs.left.len()];
    for_chunks(threads, CHUNK, &mut out, |first, slots| {
        let count = slots.len();
        let rows = first..first + count;
        let (beta, gamma) =
            (halves(&inputs.beta[rows.clone()]), halves(&inputs.gamma[rows.clone()]));
        let (mut q, mut s) = ([[0; 32]; CHUNK], Zeroizing::new([[0; 32]; CHUNK]));
        let (mut valid, mut valid_right) = ([false; CHUNK], [false; CHUNK]);
        let left = &inputs.left[rows.clone()];
        engine.combine(&beta, &gamma, left, &generator, &mut q[..count], &mut valid[..count]);
        let right = &inputs.right[rows];
        let s_rows = &mut s[..count];
        engine.combine(&beta, &gamma, right, stand_in, s_rows, &mut valid_right[..count]);
        first_invalid(0, first, &valid[..count])?;
        first_invalid(1, first, &valid_right[..count])?;
        if public.is_none() {
            return Err(NotCanonical { operand: 2, row: 0 });
        }
        for (i, slot) in slots.iter_mut().enumerate() {
            let row = first + i;
            let key = slot_keys.derive(&s[i], &q[i]);
            let (head, sealed) = slot.split_at_mut(32);
            head.copy_from_slice(&q[i]);
            let aad = inputs.aads.row(row);
            seal_into(sealed, &key, &inputs.payload_keys[row], aad, &inputs.salts[row]);
        }
        Ok(())
    })?;
    Ok(out)
}

/// The payload key of a slot, zero where it did not open.
#[derive(Clone, Copy, Default)]
pub struct Opened {
    /// 32 bytes.
    pub key: Row32,
    /// 1 where the slot opened, else 0.
    pub good: u8,
}

impl Zeroize for Opened {
    fn zeroize(&mut self) {
        self.key.zeroize();
        self.good.zeroize();
    }
}

/// Tries slots: S = scalar*Q, then opens under KDF(S, Q).
///
/// Constant time in the scalar and in which slots open: every slot costs the same up to the
/// returned flags. Q is public, and so is whether it is canonical.
pub fn open_slots(
    path: Path,
    scalar: &Row32,
    slots: &[Slot],
    aads: Messages<'_>,
    threads: usize,
) -> Vec<Opened> {
    let engine = path.engine_or_serial();
    let half = scalar::half(&scalar::of_multiplication(scalar));
    let slot_keys = SlotKeys::new();
    let mut out = vec![Opened::default(); slots.len()];
    for_all_chunks(threads, CHUNK, &mut out, |first, out| {
        let count = out.len();
        let (mut q, mut s) = ([[0; 32]; CHUNK], Zeroizing::new([[0; 32]; CHUNK]));
        let mut valid = [false; CHUNK];
        for (q, slot) in q.iter_mut().zip(&slots[first..first + count]) {
            q.copy_from_slice(&slot[..32]);
        }
        let halves = std::slice::from_ref(&*half);
        engine.multiply(halves, &q[..count], &mut s[..count], &mut valid[..count]);
        for (i, opened) in out.iter_mut().enumerate() {
            if !valid[i] {
                continue;
            }
            let key = slot_keys.derive(&s[i], &q[i]);
            let sealed = &slots[first + i][32..];
            let good = open_into(&mut opened.key, &key, sealed, aads.row(first + i));
            // A product that is the identity opens nothing: the scalar or Q is zero.
            let good = good & !s[i].ct_eq(&[0; 32]);
            for byte in &mut opened.key {
                *byte &= good.unwrap_u8().wrapping_neg();
            }
            opened.good = good.unwrap_u8();
        }
    });
    out
}
