//! Checks over whole tables of rows. All of it is on public data.

use std::collections::HashSet;

use crate::Row32;

/// Finds a row that equals an earlier one, or `None`.
///
/// Which one is found depends on the rows only: rows are ordered by their first eight bytes
/// (little-endian), then by index, as the portable backend does.
pub fn vartime_duplicate_index(rows: &[Row32]) -> Option<usize> {
    let prefix = |row: &Row32| row.first_chunk::<8>().map_or(0, |p| u64::from_le_bytes(*p));
    let mut order: Vec<(u64, usize)> =
        rows.iter().enumerate().map(|(i, row)| (prefix(row), i)).collect();
    order.sort_unstable();
    for group in order.chunk_by(|a, b| a.0 == b.0) {
        if group.len() > 1 {
            // A set, so that rows made to share their first bytes cost no more than others.
            let mut seen = HashSet::with_capacity(group.len());
            if let Some(&(_, later)) = group.iter().find(|(_, i)| !seen.insert(&rows[*i])) {
                return Some(later);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_equal_rows_and_only_those() {
        let mut rows: Vec<Row32> = (0..300u16).map(|i| [(i % 7) as u8; 32]).collect();
        for (i, row) in rows.iter_mut().enumerate() {
            row[30..].copy_from_slice(&(i as u16).to_le_bytes());
        }
        assert_eq!(vartime_duplicate_index(&rows), None);
        rows[200] = rows[11];
        assert_eq!(vartime_duplicate_index(&rows), Some(200));
        assert_eq!(vartime_duplicate_index(&[]), None);
    }
}
