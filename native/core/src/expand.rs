//! expand_message_xmd of RFC 9380 section 5.3.1 with SHA-512 and 64 bytes of output.

use sha2::{Digest, Sha512};

use crate::Row64;

/// What does not depend on the message: the hashed zero block and the tag with its length.
pub struct Expander {
    padded: Sha512,
    tag: Vec<u8>,
}

impl Expander {
    /// Prepares for one domain separation tag; `None` if it is longer than 255 bytes.
    pub fn new(dst: &[u8]) -> Option<Self> {
        let len = u8::try_from(dst.len()).ok()?;
        let tag = [dst, &[len]].concat();
        Some(Self { padded: Sha512::new_with_prefix([0; 128]), tag })
    }

    /// Expands one message.
    pub fn expand(&self, message: &[u8]) -> Row64 {
        let first = self
            .padded
            .clone()
            .chain_update(message)
            .chain_update([0, 64, 0])
            .chain_update(&self.tag)
            .finalize();
        Sha512::new_with_prefix(first).chain_update([1u8]).chain_update(&self.tag).finalize().into()
    }
}
