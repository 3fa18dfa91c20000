//! The formulas on the checked words: any bound that breaks panics. dalek is the oracle.

use curve25519_dalek::Scalar;
use veilmatch_lanes::{Field, field25::Field25, field51::Field51, model::Model};

use super::lanes::Lanes;
use crate::{
    Row32, Row64,
    engine::{Engine, Path},
    serial::{Fixed, Serial},
};

fn uniform(count: usize) -> Vec<Row64> {
    use sha2::{Digest, Sha512};
    (0..count as u64).map(|i| Sha512::digest(i.to_le_bytes()).into()).collect()
}

fn scalars(count: usize) -> Vec<Scalar> {
    let mut out: Vec<_> = uniform(count).iter().map(Scalar::from_bytes_mod_order_wide).collect();
    let edges = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(8u64), -Scalar::from(8u64)];
    for (scalar, edge) in out.iter_mut().zip(edges) {
        *scalar = edge;
    }
    out
}

/// Edges of the map and of decoding: all zeros, all ones, around p, both bits 255.
fn wide_edges() -> Vec<Row64> {
    let mut rows = vec![[0; 64], [0xff; 64], [0x7f; 64]];
    for low in [0xec, 0xed, 0xee] {
        let mut row = [0xff; 64];
        (row[0], row[31], row[32], row[63]) = (low, 0x7f, low, 0x7f);
        rows.push(row);
    }
    rows
}

fn agrees<F: Field>(engine: &Lanes<F>) {
    let wide: Vec<Row64> = wide_edges().into_iter().chain(uniform(9)).collect();
    let count = wide.len();
    let (mut ours, mut theirs) = (vec![[0; 32]; count], vec![[0; 32]; count]);
    engine.map(&wide, &mut ours);
    Serial.map(&wide, &mut theirs);
    assert_eq!(ours, theirs);

    let mut points: Vec<Row32> = theirs.clone();
    points[0] = [0; 32];
    points[1] = [0xff; 32];
    points[2][31] |= 0x80;
    points[3][0] ^= 1;
    let (beta, gamma) = (scalars(count), scalars(count + 3)[3..].to_vec());
    let many = points.repeat(3);
    for rows in [&many[..], &points, &many[..17], &many[..1]] {
        let (mut flags, mut expected) = (vec![false; rows.len()], vec![true; rows.len()]);
        engine.decodes(rows, &mut flags);
        Serial.decodes(rows, &mut expected);
        assert_eq!(flags, expected);
    }
    for row in [theirs[7], [0; 32]] {
        let fixed = Fixed::new(Path::Serial, &row, 1000).expect("canonical");
        let (mut flags, mut expected) = (vec![false; count], vec![true; count]);
        engine.combine(&beta, &gamma, &points, &fixed, &mut ours, &mut flags);
        Serial.combine(&beta, &gamma, &points, &fixed, &mut theirs, &mut expected);
        assert_eq!(flags, expected);
        assert!((0..count).all(|i| !flags[i] || ours[i] == theirs[i]));
        for halves in [&beta[..], &beta[..1], &beta[5..6]] {
            engine.multiply(halves, &points, &mut ours, &mut flags);
            Serial.multiply(halves, &points, &mut theirs, &mut expected);
            assert_eq!(flags, expected);
            assert!((0..count).all(|i| !flags[i] || ours[i] == theirs[i]));
        }
    }
    engine.blind(&beta[6], &wide, &mut ours);
    Serial.blind(&beta[6], &wide, &mut theirs);
    assert_eq!(ours, theirs);
}

#[test]
fn five_limbs_agree_with_dalek_within_their_bounds() {
    agrees(&Lanes::<Field51<Model>>::new(()));
}

#[test]
fn ten_limbs_agree_with_dalek_within_their_bounds() {
    agrees(&Lanes::<Field25<Model>>::new(()));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn registers_agree_with_dalek() {
    use veilmatch_lanes::{avx2, ifma};
    if let Some(cpu) = ifma::detect() {
        agrees(&Lanes::<Field51<ifma::Ifma>>::new(cpu));
    }
    if let Some(cpu) = avx2::detect() {
        agrees(&Lanes::<Field25<avx2::Avx2>>::new(cpu));
    }
}
