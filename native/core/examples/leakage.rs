//! Does time depend on a secret? Welch's t-test over two classes of inputs, in random order
//! (the method of dudect: Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?").
//!
//! |t| above ten says yes. `leak` at the end is a comparison that stops at the first difference:
//! it must be found, or the test is blind.

use std::hint::black_box;
use std::time::Instant;

use curve25519_dalek::Scalar;
use veilmatch_core::{
    Row32, element,
    element::Messages,
    engine::Path,
    expand::Expander,
    scalar, seal,
    slots::{self, Slot, SlotInputs},
};

const ROWS: usize = 8;
const LIMIT: f64 = 10.0;

/// xorshift: order and inputs need no quality.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn rows<const W: usize>(&mut self) -> Vec<[u8; W]> {
        (0..ROWS).map(|_| std::array::from_fn(|_| self.next() as u8)).collect()
    }
}

/// Welch's t over the times of both classes, without the slowest tenth (interruptions).
fn welch(mut times: [Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = times.concat();
    all.sort_by(f64::total_cmp);
    let cut = all[all.len() * 9 / 10];
    let [a, b] = times.each_mut().map(|class| {
        class.retain(|&t| t <= cut);
        let n = class.len() as f64;
        let mean = class.iter().sum::<f64>() / n;
        let variance = class.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    });
    (a.0 - b.0) / (a.1 + b.1).sqrt()
}

/// Times `work(class)` in random order; says whether no difference shows.
fn test(name: &str, samples: usize, random: &mut Random, mut work: impl FnMut(usize)) -> bool {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..samples {
        let class = (random.next() >> 33) as usize & 1;
        let start = Instant::now();
        work(class);
        times[class].push(start.elapsed().as_nanos() as f64);
    }
    let t = welch(times);
    println!("{name:40} t = {t:8.2}");
    t.abs() < LIMIT
}

fn check(path: Path, samples: usize, random: &mut Random) -> bool {
    let alpha = scalar::reduce(&random.rows::<64>())[0];
    let one = Scalar::ONE.to_bytes();
    let generator = element::mul_base(&[one])[0];
    let left = element::from_uniform(path, &random.rows());
    let other = element::from_uniform(path, &random.rows());
    let right = element::mul(path, &[alpha], &left, 1).expect("canonical");
    let public = element::mul(path, &[alpha], &[generator], 1).expect("canonical")[0];
    let (beta, gamma) = (scalar::reduce(&random.rows()), scalar::reduce(&random.rows()));
    let (keys, aads, salts) = (random.rows(), random.rows::<40>(), random.rows::<16>());
    let aads = Messages { bytes: aads.as_flattened(), width: 40, count: ROWS };
    let inputs = SlotInputs {
        left: &left,
        right: &right,
        public: &public,
        beta: &beta,
        gamma: &gamma,
        payload_keys: &keys,
        aads,
        salts: &salts,
    };
    let label = |what: &str| format!("{} {what}", path.name());
    let mut good = true;

    let matching = slots::seal_slots(path, inputs, 1).expect("canonical");
    let mut closed = inputs;
    closed.right = &other;
    let none = slots::seal_slots(path, closed, 1).expect("canonical");
    let batches: [Vec<Slot>; 2] = [matching, none];
    good &= test(&label("open_slots: match, no match"), samples, random, |class| {
        black_box(slots::open_slots(path, &alpha, &batches[class], aads, 1));
    });

    // A slot of a real voucher, and one of a synthetic: H = G and P = L.
    let (generators, publics) = (vec![generator; ROWS], vec![public; ROWS]);
    let kinds = [(&left, &other), (&generators, &publics)];
    good &= test(&label("seal_slots: real, synthetic"), samples, random, |class| {
        let (left, right) = kinds[class];
        let mut mine = inputs;
        (mine.left, mine.right) = (left, right);
        let made = slots::seal_slots(path, mine, 1);
        assert!(black_box(made).is_ok());
    });

    let tiny: Vec<Row32> = vec![one; ROWS];
    let blinds = [(&beta, &gamma), (&tiny, &tiny)];
    good &= test(&label("seal_slots: random, tiny scalars"), samples, random, |class| {
        let (beta, gamma) = blinds[class];
        let mut mine = inputs;
        (mine.beta, mine.gamma) = (beta, gamma);
        let made = slots::seal_slots(path, mine, 1);
        assert!(black_box(made).is_ok());
    });

    let (texts, zeros) = (random.rows::<96>(), [[0u8; 96]; ROWS]);
    let messages = [texts.as_flattened(), zeros.as_flattened()];
    let expander = Expander::new(b"leakage").expect("short");
    good &= test(&label("blind_rows: random, equal messages"), samples, random, |class| {
        let messages = Messages { bytes: messages[class], width: 96, count: ROWS };
        black_box(element::blind_rows(path, messages, &expander, &alpha, 1));
    });
    good
}

fn main() {
    let samples = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut good = true;
    for path in Path::available() {
        good &= check(path, samples, &mut random);
    }
    let (key, salt) = ([1; 32], [2; 16]);
    let mut sealed = [0; 10_000 + seal::OVERHEAD_LEN];
    seal::seal_into(&mut sealed, &key, &[0; 10_000], b"", &salt);
    let (mut early, mut late) = (sealed, sealed);
    (early[0], late[10_000]) = (9, 9);
    let blind = test("leak: early, late difference", samples, &mut random, |class| {
        let other = black_box([&early, &late][class]);
        black_box(sealed.iter().zip(other).position(|(a, b)| a != b));
    });
    if blind {
        println!("the test is blind");
    }
    std::process::exit(i32::from(!good || blind));
}
