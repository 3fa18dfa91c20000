//! LFH, the low-frequency image hash, in integers: spec 20 section 4.2.
//!
//! Not constant time: runs on the owner's own pictures.

use std::{f64::consts::PI, sync::OnceLock};

use crate::flips::vartime_likeliest;

/// Cells along a side of the coarse picture.
pub const GRID: usize = 64;
/// Cells of the coarse picture.
pub const CELLS: usize = GRID * GRID;
const CORNER: usize = 16;
/// Frequencies that are measured.
pub const FEATURES: usize = CORNER * CORNER - 1;
/// Luma of a white cell.
pub const CELL_PEAK: i64 = 1_020_000;
/// Longest side of a picture, in pixels: sums of 64 * 255 * (side / 64 + 2) fit 32 bits.
pub const MAX_SIDE: usize = 1 << 24;
/// Most probes that may be asked for.
pub const MAX_PROBES: usize = 1024;

const LUMA: [u64; 3] = [299, 587, 114];
const LUMA_STEPS: u64 = 4;
const BASIS_SCALE: f64 = 256.0;
const SHIFT: u32 = 16;
const WEIGHT_PEAK: u64 = 32_767;
const FULL_CONTRAST: u64 = 1_000_000_000;
const FULL_CELLS: u64 = CELLS as u64 / 5;
const CELL_STEP: i64 = 8 * 1000 * LUMA_STEPS as i64;
/// Rows whose sum of bytes fits 16 bits.
const NEAR_ROWS: usize = 256;

/// One picture: rows of pixels, one after another.
#[derive(Clone, Copy)]
pub struct Samples<'a> {
    /// `height * width * channels` bytes.
    pub bytes: &'a [u8],
    /// Rows, 1 to [`MAX_SIDE`].
    pub height: usize,
    /// Pixels of a row, 1 to [`MAX_SIDE`].
    pub width: usize,
    /// 1: grey. 3: red, green, blue. 4: these and a byte that is not looked at.
    pub channels: usize,
}

/// Where a cell lies, along one side of the picture.
struct Span {
    first: usize,
    past: usize,
    /// 64ths of the first pixel that belong to the cell before.
    before: u32,
    /// 64ths of the last pixel that belong to the cell after.
    after: u32,
}

fn spans(length: usize) -> impl Iterator<Item = Span> {
    (0..GRID).map(move |cell| {
        let (first, past) = (cell * length / GRID, ((cell + 1) * length).div_ceil(GRID));
        Span {
            first,
            past,
            before: (cell * length - first * GRID) as u32,
            after: (past * GRID - (cell + 1) * length) as u32,
        }
    })
}

/// Sums rows column by column; `near` is room for sums of few rows.
fn add_rows(rows: &[u8], stride: usize, near: &mut [u16], total: &mut [u32]) {
    total.fill(0);
    for few in rows.chunks(NEAR_ROWS * stride) {
        near.fill(0);
        let mut pairs = few.chunks_exact(2 * stride);
        for pair in &mut pairs {
            let (one, two) = pair.split_at(stride);
            for ((sum, &a), &b) in near.iter_mut().zip(one).zip(two) {
                *sum += u16::from(a) + u16::from(b);
            }
        }
        for (sum, &a) in near.iter_mut().zip(pairs.remainder()) {
            *sum += u16::from(a);
        }
        for (sum, &a) in total.iter_mut().zip(&*near) {
            *sum += u32::from(a);
        }
    }
}

/// Luma of the columns of one row of cells, from sums over each channel.
fn columns_to_luma(total: &[u32], channels: usize, luma: &mut [u64]) {
    if channels == 1 {
        for (luma, &grey) in luma.iter_mut().zip(total) {
            *luma = 1000 * u64::from(grey);
        }
        return;
    }
    for (luma, pixel) in luma.iter_mut().zip(total.chunks_exact(channels)) {
        *luma = LUMA[0] * u64::from(pixel[0])
            + LUMA[1] * u64::from(pixel[1])
            + LUMA[2] * u64::from(pixel[2]);
    }
}

/// Averages luma over a grid of 64 x 64 cells, exactly: steps 1 and 2.
///
/// `None` if the sides, the channels or the number of bytes are not what [`Samples`] says.
pub fn coarse_luma(picture: Samples<'_>) -> Option<Vec<i64>> {
    let Samples { bytes, height, width, channels } = picture;
    let sides = 1..=MAX_SIDE;
    if !sides.contains(&height) || !sides.contains(&width) || ![1, 3, 4].contains(&channels) {
        return None;
    }
    let stride = width * channels;
    if bytes.len() != height * stride {
        return None;
    }
    let (mut near, mut total) = (vec![0u16; stride], vec![0u32; stride]);
    let mut luma = vec![0u64; width];
    let mut averages = Vec::with_capacity(CELLS);
    let area = height as u64 * width as u64;
    for Span { first, past, before, after } in spans(height) {
        add_rows(&bytes[first * stride..past * stride], stride, &mut near, &mut total);
        let top = &bytes[first * stride..][..stride];
        let bottom = &bytes[(past - 1) * stride..][..stride];
        for ((sum, &a), &b) in total.iter_mut().zip(top).zip(bottom) {
            *sum = GRID as u32 * *sum - before * u32::from(a) - after * u32::from(b);
        }
        columns_to_luma(&total, channels, &mut luma);
        for Span { first, past, before, after } in spans(width) {
            let whole: u64 = luma[first..past].iter().sum();
            let edges = u64::from(before) * luma[first] + u64::from(after) * luma[past - 1];
            averages.push(((GRID as u64 * whole - edges) * LUMA_STEPS / area) as i64);
        }
    }
    Some(averages)
}

/// Cosines in 1/256: entry `[u][i]` is cos(pi * (2i + 1) * u / 128), rounded.
///
/// No entry lies near a half, so every machine's cosine rounds to the same integer.
fn basis() -> &'static [[i64; GRID]; CORNER] {
    static BASIS: OnceLock<[[i64; GRID]; CORNER]> = OnceLock::new();
    BASIS.get_or_init(|| {
        std::array::from_fn(|u| {
            std::array::from_fn(|i| {
                let angle = PI * ((2 * i + 1) * u) as f64 / (2 * GRID) as f64;
                (BASIS_SCALE * angle.cos()).round() as i64
            })
        })
    })
}

/// Measures the 255 lowest frequencies but the mean: steps 3 and 4.
///
/// `None` if the cells are not 4096 values from 0 to [`CELL_PEAK`].
pub fn low_frequencies(luma: &[i64]) -> Option<Vec<i64>> {
    if luma.len() != CELLS || luma.iter().any(|cell| !(0..=CELL_PEAK).contains(cell)) {
        return None;
    }
    let basis = basis();
    let mut found = Vec::with_capacity(CORNER * CORNER);
    for down in basis {
        let mut row = [0; GRID];
        for (cells, &weight) in luma.as_chunks::<GRID>().0.iter().zip(down) {
            for (sum, &cell) in row.iter_mut().zip(cells) {
                *sum += weight * cell;
            }
        }
        for across in basis {
            let sum: i64 = row.iter().zip(across).map(|(&a, &b)| a * b).sum();
            found.push(sum >> SHIFT);
        }
    }
    found.remove(0);
    Some(found)
}

/// Says from 0 to 100 how much there is to see: step 7.
fn quality(luma: &[i64], frequencies: &[i64]) -> u64 {
    let contrast = frequencies.iter().map(|e| e.unsigned_abs()).sum::<u64>() * 100 / FULL_CONTRAST;
    let mut sorted = luma.to_vec();
    let middle = *sorted.select_nth_unstable(CELLS / 2 - 1).1;
    let far = luma.iter().filter(|&cell| (cell - middle).abs() > CELL_STEP).count() as u64;
    contrast.min(far * 100 / FULL_CELLS).min(100)
}

/// A hash and what else the spec says of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Hashed {
    /// The hash and the next probes, each of `width` bytes, one after another.
    pub rows: Vec<u8>,
    /// Bytes of a hash.
    pub width: usize,
    /// 0 to 100.
    pub quality: u64,
}

/// Hashes a coarse picture: steps 4 to 8.
///
/// `weights` are rows of 255 values of 16 bits. `None` for anything else, for cells that
/// [`coarse_luma`] cannot give, and for probes outside 1 to [`MAX_PROBES`].
pub fn vartime_hash(luma: &[i64], weights: &[i64], probes: usize) -> Option<Hashed> {
    let (rows, rest) = weights.as_chunks::<FEATURES>();
    let wide = |weight: &i64| weight.unsigned_abs() > WEIGHT_PEAK;
    if rows.is_empty() || !rest.is_empty() || !(1..=MAX_PROBES).contains(&probes) {
        return None;
    }
    if weights.iter().any(wide) {
        return None;
    }
    let frequencies = low_frequencies(luma)?;
    // Below 2^32 * 2^15 * 255 < 2^55, so that a cost is below 2^110.
    let margins: Vec<i64> =
        rows.iter().map(|row| row.iter().zip(&frequencies).map(|(&w, &e)| w * e).sum()).collect();
    let costs: Vec<u128> =
        margins.iter().map(|margin| u128::from(margin.unsigned_abs()).pow(2)).collect();
    let width = rows.len().div_ceil(8);
    let mut hash = vec![0u8; width];
    for (bit, _) in margins.iter().enumerate().filter(|(_, margin)| **margin > 0) {
        hash[bit / 8] |= 0x80 >> (bit % 8);
    }
    let sets = vartime_likeliest(&costs, probes);
    let mut out = Vec::with_capacity(sets.len() * width);
    for set in sets {
        let start = out.len();
        out.extend_from_slice(&hash);
        for bit in set {
            out[start + bit / 8] ^= 0x80 >> (bit % 8);
        }
    }
    Some(Hashed { rows: out, width, quality: quality(luma, &frequencies) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256, Sha512};

    /// Bytes that look random, the same every time.
    fn noise(seed: usize, count: usize) -> Vec<u8> {
        let block = |i: usize| Sha512::digest([seed.to_le_bytes(), i.to_le_bytes()].concat());
        (0..count.div_ceil(64)).flat_map(block).take(count).collect()
    }

    /// Goes through every pixel of every cell.
    fn slow_luma(picture: Samples<'_>) -> Vec<i64> {
        let Samples { bytes, height, width, channels } = picture;
        let shared = |cell: usize, pixel: usize, length: usize| {
            let end = (64 * pixel + 64).min((cell + 1) * length);
            end.saturating_sub((64 * pixel).max(cell * length)) as u64
        };
        let level = |y: usize, x: usize| {
            let pixel = &bytes[(y * width + x) * channels..][..channels];
            let [red, green, blue] =
                if channels == 1 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] };
            299 * u64::from(red) + 587 * u64::from(green) + 114 * u64::from(blue)
        };
        let mut sums = vec![0u64; CELLS];
        for y in 0..height {
            for x in 0..width {
                for (i, row) in sums.chunks_exact_mut(GRID).enumerate() {
                    let down = shared(i, y, height);
                    if down > 0 {
                        for (j, sum) in row.iter_mut().enumerate() {
                            *sum += down * shared(j, x, width) * level(y, x);
                        }
                    }
                }
            }
        }
        sums.iter().map(|sum| (4 * sum / (height * width) as u64) as i64).collect()
    }

    #[test]
    fn averages_equal_the_slow_twin() {
        let sizes = [(1, 1), (1, 70), (33, 1), (64, 64), (63, 65), (40, 97), (129, 70)];
        for (height, width) in sizes {
            for channels in [1, 3, 4] {
                let bytes = noise(height * 1000 + width, height * width * channels);
                let picture = Samples { bytes: &bytes, height, width, channels };
                assert_eq!(coarse_luma(picture), Some(slow_luma(picture)));
            }
        }
    }

    #[test]
    fn white_is_white_whatever_the_size() {
        for (height, width, channels) in [(300 * 64 + 5, 3, 4), (7, 20_011, 3), (513 * 64, 2, 1)] {
            let bytes = vec![255; height * width * channels];
            let found = coarse_luma(Samples { bytes: &bytes, height, width, channels });
            assert_eq!(found, Some(vec![CELL_PEAK; CELLS]));
        }
    }

    #[test]
    fn turning_the_picture_turns_the_cells() {
        let (height, width) = (75, 131);
        let bytes = noise(9, height * width);
        let at = |y: usize, x: usize| bytes[y * width + x];
        let turned: Vec<u8> =
            (0..width * height).map(|k| at(height - 1 - k % height, k / height)).collect();
        let upright =
            coarse_luma(Samples { bytes: &bytes, height, width, channels: 1 }).expect("a picture");
        let found =
            coarse_luma(Samples { bytes: &turned, height: width, width: height, channels: 1 });
        let wanted = (0..CELLS).map(|k| upright[(63 - k % GRID) * GRID + k / GRID]).collect();
        assert_eq!(found, Some(wanted));
    }

    #[test]
    fn frequencies_equal_the_slow_twin() {
        let luma: Vec<i64> = noise(3, 2 * CELLS)
            .chunks(2)
            .map(|b| i64::from(b[0]) * 4000 - i64::from(b[1]))
            .collect();
        let luma: Vec<i64> = luma.into_iter().map(|cell| cell.max(0)).collect();
        let found = low_frequencies(&luma).expect("cells");
        for (k, &frequency) in found.iter().enumerate() {
            let (u, v) = ((k + 1) / CORNER, (k + 1) % CORNER);
            let mut sum = 0i128;
            for (cell, &level) in luma.iter().enumerate() {
                let product = basis()[u][cell / GRID] * basis()[v][cell % GRID];
                sum += i128::from(product) * i128::from(level);
            }
            assert_eq!(i128::from(frequency), sum >> SHIFT);
        }
    }

    #[test]
    fn the_basis_is_pinned() {
        let bytes: Vec<u8> =
            basis().iter().flatten().flat_map(|&t| (t as i16).to_be_bytes()).collect();
        let digest: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        // vectors/v1/hashing/lfh.json, "tables"
        assert_eq!(digest, "0e785ec49496b5b49d3c3be54b87e503cb49155ddf177080086978eaf9f27aa1");
    }

    #[test]
    fn bits_are_signs_and_probes_flip_the_weakest() {
        let luma =
            coarse_luma(Samples { bytes: &noise(5, 96 * 80), height: 96, width: 80, channels: 1 })
                .expect("a picture");
        let e = low_frequencies(&luma).expect("cells");
        // Row k measures one frequency; the third costs least.
        let mut weights = vec![0i64; 9 * FEATURES];
        for (k, row) in weights.chunks_exact_mut(FEATURES).enumerate() {
            row[k] = if k == 2 { 1 } else { 30_000 };
        }
        let hashed = vartime_hash(&luma, &weights, 2).expect("good input");
        assert_eq!((hashed.width, hashed.rows.len()), (2, 4));
        for k in 0..9 {
            assert_eq!(hashed.rows[k / 8] & (0x80 >> (k % 8)) != 0, e[k] > 0);
        }
        assert_eq!(hashed.rows[0] ^ hashed.rows[2], 0x20);
        assert_eq!(hashed.rows[1], hashed.rows[3]);
        assert_eq!(hashed.rows[1] & 0x7f, 0);
    }

    #[test]
    fn flat_pictures_have_no_quality_and_checkered_ones_all() {
        let weights = vec![1i64; FEATURES];
        let flat = vartime_hash(&[500_000; CELLS], &weights, 1).expect("good input");
        assert_eq!(flat.quality, 0);
        let halves: Vec<i64> =
            (0..CELLS).map(|k| if k % GRID < 32 { 0 } else { CELL_PEAK }).collect();
        assert_eq!(vartime_hash(&halves, &weights, 1).expect("good input").quality, 100);
        // One level on nine tenths of the area.
        let stripe: Vec<i64> =
            (0..CELLS).map(|k| if k % GRID < 6 { 0 } else { CELL_PEAK }).collect();
        assert!(vartime_hash(&stripe, &weights, 1).expect("good input").quality < 50);
    }

    #[test]
    fn what_is_not_a_picture_is_refused() {
        let grey = [0u8; 12];
        let samples = |height, width, channels| Samples { bytes: &grey, height, width, channels };
        for wrong in [samples(0, 12, 1), samples(12, 0, 1), samples(3, 2, 2), samples(3, 3, 1)] {
            assert_eq!(coarse_luma(wrong), None);
        }
        assert_eq!(coarse_luma(samples(1, MAX_SIDE + 1, 1)), None);
        let cells = vec![0; CELLS];
        assert_eq!(low_frequencies(&cells[1..]), None);
        for bad in [-1, CELL_PEAK + 1] {
            let mut cells = cells.clone();
            cells[77] = bad;
            assert_eq!(low_frequencies(&cells), None);
        }
        let weights = vec![0; FEATURES];
        assert_eq!(vartime_hash(&cells, &weights[1..], 1), None);
        assert_eq!(vartime_hash(&cells, &[], 1), None);
        assert_eq!(vartime_hash(&cells, &[1 << 15; FEATURES], 1), None);
        for probes in [0, MAX_PROBES + 1] {
            assert_eq!(vartime_hash(&cells, &weights, probes), None);
        }
    }
}
