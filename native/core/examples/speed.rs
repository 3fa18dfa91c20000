//! Prints microseconds per row of the group kernels, for each path of this machine.
use std::hint::black_box;
use std::time::Instant;

use veilmatch_core::{
    Row32, element,
    element::Messages,
    engine::Path,
    expand::Expander,
    slots::{self, SlotInputs},
};

const COUNT: usize = 256;

/// The best of many short runs: load from elsewhere only makes a run longer.
fn best(mut work: impl FnMut()) -> f64 {
    let run = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64() * 1e6 / COUNT as f64
    };
    (0..60).map(|_| run(&mut work)).fold(f64::MAX, f64::min)
}

fn main() {
    let text: Vec<u8> = (0..96 * COUNT).map(|i| (i * i / 7) as u8).collect();
    let messages = Messages { bytes: &text, width: 96, count: COUNT };
    let expander = Expander::new(b"speed").expect("short");
    let scalar: Row32 = std::array::from_fn(|i| (i * 7 + 1) as u8 & 0x0f | 0x10);
    let scalars: Vec<Row32> = vec![scalar; COUNT];
    for path in Path::available() {
        let rows = element::blind_rows(path, messages, &expander, &scalar, 1);
        let inputs = SlotInputs {
            left: &rows,
            right: &rows,
            public: &rows[0],
            beta: &scalars,
            gamma: &scalars,
            payload_keys: &rows,
            aads: Messages { bytes: &text, width: 32, count: COUNT },
            salts: &vec![[7; 16]; COUNT],
        };
        let made = slots::seal_slots(path, inputs, 1).expect("canonical");
        println!(
            "{:6}  hash {:6.2}  blind {:6.2}  mul {:6.2}  mul_each {:6.2}  valid {:6.2}  open {:6.2}  seal {:6.2}",
            path.name(),
            best(|| drop(black_box(element::hash_to_group(path, messages, &expander, 1)))),
            best(|| drop(black_box(element::blind_rows(path, messages, &expander, &scalar, 1)))),
            best(|| drop(black_box(element::mul(path, &[scalar], &rows, 1)))),
            best(|| drop(black_box(element::mul(path, &scalars, &rows, 1)))),
            best(|| drop(black_box(element::is_valid(path, &rows, 1)))),
            best(|| drop(black_box(slots::open_slots(path, &scalar, &made, inputs.aads, 1)))),
            best(|| drop(black_box(slots::seal_slots(path, inputs, 1)))),
        );
    }
    let expand = best(|| {
        (0..COUNT).for_each(|i| {
            black_box(expander.expand(messages.row(i)));
        })
    });
    println!("expand {expand:.2}");
}
