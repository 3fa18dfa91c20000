//! The Merkle tree hash of RFC 9162 section 2.1.1 with SHA-256.

use sha2::{Digest, Sha256};

use crate::{Row32, threads::for_all_chunks};

/// Leaves under one subtree that a thread takes: a power of two, so that its root is a node.
const SUBTREE: usize = 1024;

fn node(left: &Row32, right: &Row32) -> Row32 {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Pairs level by level; an odd last node moves up unchanged.
fn climb(mut level: Vec<Row32>) -> Option<Row32> {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node(left, right),
                _ => pair[0],
            })
            .collect();
    }
    level.first().copied()
}

/// Computes the root over `count` leaves of `width` bytes each.
pub fn root(leaves: &[u8], width: usize, count: usize, threads: usize) -> Row32 {
    let leaf = |i: usize| -> Row32 {
        let bytes = &leaves[i * width..(i + 1) * width];
        Sha256::new_with_prefix([0]).chain_update(bytes).finalize().into()
    };
    let mut roots = vec![[0u8; 32]; count.div_ceil(SUBTREE)];
    for_all_chunks(threads, 1, &mut roots, |index, root| {
        let first = index * SUBTREE;
        let level = (first..count.min(first + SUBTREE)).map(leaf).collect();
        root[0] = climb(level).unwrap_or_default();
    });
    climb(roots).unwrap_or_else(|| Sha256::digest([]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recursive definition of the RFC.
    fn by_definition(leaves: &[[u8; 5]]) -> Row32 {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => Sha256::new_with_prefix([0]).chain_update(one).finalize().into(),
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        let leaves: Vec<[u8; 5]> =
            (0..5000u32).map(|i| [i as u8, (i >> 8) as u8, 1, 2, 3]).collect();
        for count in (0..70).chain([1023, 1024, 1025, 2048, 2049, 4095, 5000]) {
            let some = &leaves[..count];
            assert_eq!(root(some.as_flattened(), 5, count, 2), by_definition(some), "{count}");
        }
    }
}
