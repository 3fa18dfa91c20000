//! Splits a batch over the cores that the caller allows.
//!
//! Threads live for one call: nothing is left behind that a fork of the process could break.

use std::sync::Mutex;

use crate::NotCanonical;

/// Rows that one thread takes at a time: enough to share one inversion, few enough to balance.
pub(crate) const CHUNK: usize = 128;

/// Runs `work(first_row, rows)` over chunks of `out` on up to `threads` threads.
///
/// Every chunk is worked on even when one fails, so that the error is the same for any number
/// of threads: the smallest.
pub(crate) fn for_chunks<T: Send>(
    threads: usize,
    chunk: usize,
    out: &mut [T],
    work: impl Fn(usize, &mut [T]) -> Result<(), NotCanonical> + Sync,
) -> Result<(), NotCanonical> {
    let workers = threads.clamp(1, out.len().div_ceil(chunk).max(1));
    let queue = Mutex::new(out.chunks_mut(chunk).enumerate());
    let run = || {
        let mut worst: Option<NotCanonical> = None;
        loop {
            // The lock is held only while taking the next chunk; nothing can panic under it.
            let next = queue.lock().expect("no holder panics").next();
            let Some((index, rows)) = next else { break };
            if let Err(error) = work(index * chunk, rows) {
                worst = Some(worst.map_or(error, |w| w.min(error)));
            }
        }
        worst
    };
    let worst = if workers == 1 {
        run()
    } else {
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..workers).map(|_| scope.spawn(run)).collect();
            let mine = run();
            others
                .into_iter()
                .filter_map(|other| other.join().expect("a worker does not panic"))
                .chain(mine)
                .min()
        })
    };
    worst.map_or(Ok(()), Err)
}

/// As [`for_chunks`] for work that cannot fail.
pub(crate) fn for_all_chunks<T: Send>(
    threads: usize,
    chunk: usize,
    out: &mut [T],
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let done = for_chunks(threads, chunk, out, |first, rows| {
        work(first, rows);
        Ok(())
    });
    debug_assert!(done.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_worked_on_once() {
        for threads in [1, 2, 5] {
            for count in [0, 1, 127, 128, 129, 1000] {
                let mut out = vec![0usize; count];
                for_all_chunks(threads, CHUNK, &mut out, |first, rows| {
                    for (i, row) in rows.iter_mut().enumerate() {
                        *row += first + i + 1;
                    }
                });
                assert!(out.iter().enumerate().all(|(i, &row)| row == i + 1));
            }
        }
    }

    #[test]
    fn the_smallest_error_wins() {
        let mut out = vec![0u8; 1000];
        let error = for_chunks(3, 10, &mut out, |first, _| {
            if first >= 300 { Err(NotCanonical { operand: 0, row: first }) } else { Ok(()) }
        });
        assert_eq!(error, Err(NotCanonical { operand: 0, row: 300 }));
    }
}
