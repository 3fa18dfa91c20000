//! The one sealing: HKDF-SHA-256, a key commitment, ChaCha20-Poly1305 (spec 10, "seal").

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use hmac::{Hmac, Mac};
use poly1305::Poly1305;
use poly1305::universal_hash::{KeyInit, UniversalHash};
use sha2::Sha256;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::Row32;

/// Salt, key commitment and tag.
pub const OVERHEAD_LEN: usize = SALT_LEN + 32 + TAG_LEN;
/// Random bytes per sealing.
pub const SALT_LEN: usize = 16;
const TAG_LEN: usize = 16;
const BODY_AT: usize = SALT_LEN + 32;

const SEAL_INFO: &[u8] = b"veilmatch-v1 seal";
/// The label of a slot key and the length of the element that follows it.
const SLOT_INFO: &[u8] = b"veilmatch-v1 slot\x00\x20";

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as Mac>::new_from_slice(key).expect("any length is a key")
}

fn finish(mac: Hmac<Sha256>) -> Zeroizing<Row32> {
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// K_e and K_c: the halves of HKDF-SHA-256(key, salt, "veilmatch-v1 seal", 64).
fn seal_keys(key: &Row32, salt: &[u8]) -> (Zeroizing<Row32>, Zeroizing<Row32>) {
    let extracted = finish(hmac(salt).chain_update(key));
    let expand = hmac(extracted.as_slice());
    let first = finish(expand.clone().chain_update(SEAL_INFO).chain_update([1]));
    let second = expand.chain_update(first.as_slice()).chain_update(SEAL_INFO).chain_update([2]);
    let second = finish(second);
    (first, second)
}

/// Derives slot keys; holds what is the same for all of them.
pub(crate) struct SlotKeys {
    without_salt: Hmac<Sha256>,
}

impl SlotKeys {
    pub(crate) fn new() -> Self {
        Self { without_salt: hmac(&[0; 32]) }
    }

    /// KDF(S, Q) of spec 10, "slot key": HKDF-SHA-256 without salt, 32 bytes.
    pub(crate) fn derive(&self, shared: &Row32, element: &Row32) -> Zeroizing<Row32> {
        let extracted = finish(self.without_salt.clone().chain_update(shared));
        let expand = hmac(extracted.as_slice()).chain_update(SLOT_INFO);
        finish(expand.chain_update(element).chain_update([1]))
    }
}

/// ChaCha20-Poly1305 (RFC 8439) with the zero nonce: one key, one message.
struct OneTime {
    cipher: ChaCha20,
    mac: Poly1305,
}

impl OneTime {
    fn new(key: &Row32) -> Self {
        let mut cipher = ChaCha20::new(key.into(), &[0; 12].into());
        let mut mac_key = Zeroizing::new([0; 32]);
        cipher.apply_keystream(mac_key.as_mut_slice());
        let mac = <Poly1305 as KeyInit>::new((&*mac_key).into());
        cipher.seek(64);
        Self { cipher, mac }
    }

    fn apply(&mut self, text: &mut [u8]) {
        self.cipher.apply_keystream(text);
    }

    fn tag(mut self, aad: &[u8], ciphertext: &[u8]) -> [u8; TAG_LEN] {
        let mut lengths = [0; 16];
        lengths[..8].copy_from_slice(&(aad.len() as u64).to_le_bytes());
        lengths[8..].copy_from_slice(&(ciphertext.len() as u64).to_le_bytes());
        self.mac.update_padded(aad);
        self.mac.update_padded(ciphertext);
        self.mac.update(&[lengths.into()]);
        self.mac.finalize().into()
    }
}

/// Seals one text into `out`, which is `OVERHEAD_LEN` longer.
pub fn seal_into(out: &mut [u8], key: &Row32, plaintext: &[u8], aad: &[u8], salt: &[u8; SALT_LEN]) {
    let (key_e, key_c) = seal_keys(key, salt);
    let (head, rest) = out.split_at_mut(BODY_AT);
    let (body, tag) = rest.split_at_mut(plaintext.len());
    head[..SALT_LEN].copy_from_slice(salt);
    head[SALT_LEN..].copy_from_slice(key_c.as_slice());
    body.copy_from_slice(plaintext);
    let mut one = OneTime::new(&key_e);
    one.apply(body);
    tag.copy_from_slice(&one.tag(aad, body));
}

/// Opens one text into `out`; on failure `out` is all zero.
///
/// Constant time in the key and in whether it opens: the text is always decrypted and then
/// kept or cleared under a mask. Returns 1 or 0.
pub fn open_into(out: &mut [u8], key: &Row32, sealed: &[u8], aad: &[u8]) -> Choice {
    let (head, rest) = sealed.split_at(BODY_AT);
    let (body, tag) = rest.split_at(out.len());
    let (key_e, key_c) = seal_keys(key, &head[..SALT_LEN]);
    let committed = key_c.as_slice().ct_eq(&head[SALT_LEN..]);
    let mut one = OneTime::new(&key_e);
    out.copy_from_slice(body);
    one.apply(out);
    let good = committed & one.tag(aad, body).ct_eq(tag);
    for byte in out {
        byte.conditional_assign(&0, !good);
    }
    good
}
