//! x
use veilmatch_core::*;
fn main() {
    let text: Vec<u8> = (0..96 * 1024).map(|i| (i * i / 7) as u8).collect();
    let m = element::Messages { bytes: &text, width: 96, count: 1024 };
    let e = expand::Expander::new(b"x").unwrap();
    let s = [3u8; 32];
    let p = if std::env::args().nth(1).as_deref() == Some("avx2") {
        engine::Path::Avx2
    } else {
        engine::Path::Ifma
    };
    let t = std::time::Instant::now();
    for _ in 0..200 {
        std::hint::black_box(element::blind_rows(p, m, &e, &s, 1));
    }
    println!("{}", t.elapsed().as_secs_f64() * 1e6 / 200. / 1024.);
}
