//! Run under valgrind: reports every branch and address that depends on a secret.
//!
//! ```text
//! cargo build --release -p veilmatch-core --features marks --example secrets
//! valgrind --error-exitcode=1 target/release/examples/secrets avx2
//! ```
//!
//! With `leak` as the path it branches on a secret on purpose, to show that the check works.
//! valgrind does not know AVX-512; the same formulas run here on the AVX2 registers.

use veilmatch_core::{
    Row32, dhf, element,
    element::Messages,
    engine::Path,
    expand::Expander,
    scalar, seal,
    slots::{self, SlotInputs},
};
use veilmatch_marks::{public, secret};

const COUNT: usize = 9;

fn rows<const W: usize>(seed: u8) -> Vec<[u8; W]> {
    (0..COUNT)
        .map(|i| std::array::from_fn(|k| (seed as usize + 31 * i + 7 * k * k) as u8))
        .collect()
}

fn scalars(seed: u8) -> Vec<Row32> {
    scalar::reduce(&rows::<64>(seed))
}

fn check(path: Path) {
    let scalar = scalars(1)[0];
    let text = rows::<96>(2);
    let messages = Messages { bytes: text.as_flattened(), width: 96, count: COUNT };
    let expander = Expander::new(b"secrets").expect("short");

    secret(std::slice::from_ref(&scalar));
    secret(&text);
    let table = element::blind_rows(path, messages, &expander, &scalar, 1);
    public(&table);
    let hashed = element::hash_to_group(path, messages, &expander, 1);
    public(&hashed);
    let products = element::mul(path, std::slice::from_ref(&scalar), &hashed, 1);
    assert_eq!(products.as_ref().map(Vec::len), Ok(COUNT));

    let (beta, gamma, keys) = (scalars(3), scalars(4), rows::<32>(5));
    let aads = rows::<40>(6);
    let aads = Messages { bytes: aads.as_flattened(), width: 40, count: COUNT };
    let inputs = SlotInputs {
        left: &hashed,
        right: &table,
        public: &table[0],
        beta: &beta,
        gamma: &gamma,
        payload_keys: &keys,
        aads,
        salts: &rows::<16>(7),
    };
    for hidden in [&beta, &gamma, &keys] {
        secret(hidden);
    }
    if path != Path::Serial {
        // dalek's decoding branches on whether a point is canonical: public, but not marked so.
        secret(&hashed);
        secret(&table);
        public(&table[..1]);
    }
    let made = slots::seal_slots(path, inputs, 1).expect("canonical");
    public(&made);
    public(&table);
    let opened = slots::open_slots(path, &scalar, &made, aads, 1);
    let good: Vec<u8> = opened.iter().map(|one| one.good).collect();
    public(&good);

    let coefficients = [7u64; 60];
    let inputs = [u64::MAX; 9];
    secret(&coefficients);
    secret(&inputs);
    let values = dhf::evaluate(&coefficients, 30, &inputs);
    let products = scalar::evaluate_polynomial(&beta, &gamma);
    let inverses = scalar::invert(&beta);
    let mut sealed = [0; 160];
    seal::seal_into(&mut sealed, &keys[0], &text[0], b"aad", &[7; 16]);
    println!("{} {} {}", values.len(), products.len(), inverses.len());
}

fn leak() {
    let value = [std::env::args().count()];
    secret(&value);
    if std::hint::black_box(value)[0] > 1 {
        println!("a branch on a secret");
    }
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match Path::available().into_iter().find(|path| path.name() == name) {
        Some(path) => check(path),
        None => leak(),
    }
}
