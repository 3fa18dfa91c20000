//! Where hashes go in a table (spec 30 sections 2 and 3). The publisher runs it.
//!
//! The same results as the Python code of the room `table`, in a twentieth of the time. Time
//! varies with the hashes: they are the publisher's own.

use sha2::{Digest, Sha512};

use crate::{
    element::Messages,
    threads::{CHUNK, for_all_chunks},
};

/// The two rows of an item; they differ.
pub type Pair = [i64; 2];

/// What stands for "no row".
pub const DROPPED: i64 = -1;

/// The first or second sixteen bytes, big-endian, modulo `modulus`.
fn word(digest: &[u8], modulus: u64) -> u64 {
    let wide = digest.iter().fold(0u128, |value, &byte| value << 8 | u128::from(byte));
    (wide % u128::from(modulus)) as u64
}

/// Derives the two rows of each item: d = SHA-512(prefix | length (2) | item);
/// a = d[0..16] mod n', b = d[16..32] mod (n' - 1), and b + 1 where b >= a.
///
/// `rows` is at least 2 and items are shorter than 65,536 bytes.
pub fn vartime_positions(
    prefix: &[u8],
    items: Messages<'_>,
    rows: u64,
    threads: usize,
) -> Vec<Pair> {
    let prefix = Sha512::new_with_prefix(prefix).chain_update((items.width as u16).to_be_bytes());
    let mut out = vec![[0; 2]; items.count];
    for_all_chunks(threads, CHUNK, &mut out, |first, out| {
        for (i, pair) in out.iter_mut().enumerate() {
            let digest = prefix.clone().chain_update(items.row(first + i)).finalize();
            let a = word(&digest[..16], rows);
            let b = word(&digest[16..32], rows - 1);
            *pair = [a as i64, (b + u64::from(b >= a)) as i64];
        }
    });
    out
}

/// Says which items fit: union-find; a component is full with as many items as rows.
fn fitting(pairs: &[[u32; 2]], rows: usize) -> Vec<bool> {
    let mut parent: Vec<u32> = (0..rows as u32).collect();
    let mut full = vec![false; rows];
    let find = |parent: &mut Vec<u32>, mut row: u32| {
        while parent[row as usize] != row {
            let next = parent[parent[row as usize] as usize];
            parent[row as usize] = next;
            row = next;
        }
        row as usize
    };
    let fits = |&[a, b]: &[u32; 2]| {
        let (a, b) = (find(&mut parent, a), find(&mut parent, b));
        if a == b {
            return !std::mem::replace(&mut full[a], true);
        }
        if full[a] && full[b] {
            return false;
        }
        parent[a] = b as u32;
        full[b] |= full[a];
        true
    };
    pairs.iter().map(fits).collect()
}

/// Items not placed yet, seen from the rows.
struct Open<'a> {
    pairs: &'a [[u32; 2]],
    /// Open items at each row.
    degree: Vec<u32>,
    /// Their numbers under exclusive or: the item itself where there is one.
    crossing: Vec<u32>,
    placed: Vec<i64>,
}

impl Open<'_> {
    /// Puts an item into a row and gives back its other row.
    fn assign(&mut self, item: usize, row: u32) -> u32 {
        self.placed[item] = i64::from(row);
        let [a, b] = self.pairs[item];
        for end in [a, b] {
            self.degree[end as usize] -= 1;
            self.crossing[end as usize] ^= item as u32;
        }
        if row == a { b } else { a }
    }

    /// Places what has only one row left to go to, one after the other.
    fn peel(&mut self, mut row: u32) {
        while self.degree[row as usize] == 1 {
            row = self.assign(self.crossing[row as usize] as usize, row);
        }
    }
}

/// Places each item in one of its two rows, at most one a row, as many as can be placed.
///
/// `None` if there are 2^32 rows or items or more, or a pair is not two rows of the table.
pub fn vartime_place(pairs: &[Pair], rows: usize) -> Option<Vec<i64>> {
    if u32::try_from(rows).is_err() || u32::try_from(pairs.len()).is_err() {
        return None;
    }
    let row = |value: i64| u32::try_from(value).ok().filter(|&row| (row as usize) < rows);
    let pairs: Option<Vec<[u32; 2]>> =
        pairs.iter().map(|&[a, b]| Some([row(a)?, row(b)?]).filter(|[a, b]| a != b)).collect();
    let pairs = pairs?;
    let fits = fitting(&pairs, rows);
    let mut open = Open {
        pairs: &pairs,
        degree: vec![0; rows],
        crossing: vec![0; rows],
        placed: vec![DROPPED; pairs.len()],
    };
    for (item, _) in fits.iter().enumerate().filter(|(_, fits)| **fits) {
        for end in pairs[item] {
            open.degree[end as usize] += 1;
            open.crossing[end as usize] ^= item as u32;
        }
    }
    for row in 0..rows as u32 {
        open.peel(row);
    }
    // What is left are cycles: break each at one item and peel the rest.
    for (item, _) in fits.iter().enumerate().filter(|(_, fits)| **fits) {
        if open.placed[item] == DROPPED {
            let next = open.assign(item, pairs[item][0]);
            open.peel(next);
        }
    }
    Some(open.placed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_is_filled_and_one_more_is_dropped() {
        let cycle = [[0, 1], [1, 2], [2, 0]];
        let mut placed = vartime_place(&cycle, 3).expect("in the table");
        placed.sort_unstable();
        assert_eq!(placed, [0, 1, 2]);
        let more = [[0, 1], [1, 2], [2, 0], [0, 2]];
        assert_eq!(vartime_place(&more, 3).expect("in the table")[3], DROPPED);
    }

    #[test]
    fn rows_outside_the_table_are_refused() {
        for pair in [[0, 3], [-1, 0], [1, 1]] {
            assert_eq!(vartime_place(&[pair], 3), None);
        }
        assert_eq!(vartime_place(&[], 2), Some(Vec::new()));
    }
}
