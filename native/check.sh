#!/bin/sh
# Everything that checks the Rust code: format, lints, tests, and, where the tools are there,
# secret-dependent branches (valgrind), memory errors (AddressSanitizer) and timing.
#
#   native/check.sh          a few minutes, most of them compiling
#   native/check.sh full     also the sanitizer and the timing test: as long again
set -eu
cd "$(dirname "$0")"
jobs="-j ${CARGO_BUILD_JOBS:-2}"

cargo fmt --all --check
cargo clippy $jobs --locked --workspace --all-targets --quiet -- -D warnings
cargo test $jobs --locked --workspace --exclude veilmatch-native --quiet

if command -v valgrind > /dev/null; then
    cargo build $jobs --locked --release --quiet -p veilmatch-core --features marks --example secrets
    for path in avx2 serial; do
        valgrind --quiet --error-exitcode=1 --suppressions=core/examples/secrets.supp \
            target/release/examples/secrets "$path"
    done
    # The check must see a branch that is there on purpose.
    if valgrind --quiet --error-exitcode=1 target/release/examples/secrets leak 2> /dev/null; then
        echo "error: valgrind did not see a branch on a secret" >&2
        exit 1
    fi
    echo "no branch or address depends on a secret"
else
    echo "valgrind is not here: secret-dependent branches not checked"
fi

[ "${1:-}" = full ] || exit 0

if rustup run nightly rustc --version > /dev/null 2>&1; then
    RUSTFLAGS="-Zsanitizer=address --cfg poly1305_force_soft" cargo +nightly test $jobs --locked \
        --quiet --target x86_64-unknown-linux-gnu --target-dir target/asan \
        -p veilmatch-core -p veilmatch-lanes
else
    echo "no nightly toolchain: AddressSanitizer not run"
fi
cargo run $jobs --locked --release --quiet -p veilmatch-core --example leakage
