//! The sets of bits that are cheapest to turn over, in order: what probes of an image hash are.
//!
//! Spec 20 section 4.0. Not constant time: runs on the owner's own pictures.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Only so many of the cheapest bits of a hash are ever flipped.
const CANDIDATE_BITS: usize = 16;

/// The sets of bits to flip, the cheapest first; the first is the empty set.
///
/// A set costs the sum of its bits' costs, which must not exceed 2^123 each. Equal costs go by
/// the ranks of their bits, compared one by one.
pub(crate) fn vartime_likeliest(costs: &[u128], count: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&bit| (costs[bit], bit));
    order.truncate(CANDIDATE_BITS);
    let mut found = vec![Vec::new()];
    let mut heap = BinaryHeap::new();
    if let Some(&cheapest) = order.first() {
        heap.push(Reverse((costs[cheapest], vec![0])));
    }
    // Each set is reached once: add the next bit in order, or move the last bit on by one.
    while found.len() < count {
        let Some(Reverse((cost, ranks))) = heap.pop() else { break };
        found.push(ranks.iter().map(|&rank: &usize| order[rank]).collect());
        let &last = ranks.last().expect("never empty");
        if let Some(&next) = order.get(last + 1) {
            let mut longer = ranks.clone();
            longer.push(last + 1);
            heap.push(Reverse((cost + costs[next], longer)));
            let mut moved = ranks;
            *moved.last_mut().expect("never empty") = last + 1;
            heap.push(Reverse((cost + costs[next] - costs[order[last]], moved)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_comes_once_and_the_cheapest_first() {
        for seed in 0..50u128 {
            let costs: Vec<u128> = (0..7).map(|i| (seed * 37 + i * i * 11) % 23).collect();
            let sets = vartime_likeliest(&costs, 1000);
            assert_eq!(sets.len(), 128);
            let totals: Vec<u128> =
                sets.iter().map(|set| set.iter().map(|&bit| costs[bit]).sum()).collect();
            assert!(totals.is_sorted());
            let mut sorted: Vec<Vec<usize>> = sets
                .into_iter()
                .map(|mut set| {
                    set.sort_unstable();
                    set
                })
                .collect();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), 128);
        }
    }

    #[test]
    fn only_the_cheapest_bits_take_part() {
        let costs: Vec<u128> = (0..72).map(|bit| if bit < 56 { 1000 } else { bit }).collect();
        let sets = vartime_likeliest(&costs, 1 << 17);
        assert_eq!(sets.len(), 1 << 16);
        assert!(sets.iter().flatten().all(|&bit| bit >= 56));
        assert_eq!(vartime_likeliest(&costs, 3), [vec![], vec![56], vec![57]]);
        assert_eq!(vartime_likeliest(&[], 3), [vec![]]);
    }
}
