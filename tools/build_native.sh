#!/bin/sh
# Build veilmatch-native from native/ and install it. Usage: build_native.sh BIN [--optional]
#
# With --optional a machine without a Rust toolchain, or without the crates, is not an error:
# Veilmatch then runs on its portable backend.
set -u
bin=$1
optional=${2:-}
log=native/target/build.log

give_up() {
    if [ "$optional" = --optional ]; then
        echo "backend: portable ($1)"
        exit 0
    fi
    echo "error: the native core was not built: $1" >&2
    echo "hint: $2" >&2
    exit 3
}

command -v cargo >/dev/null 2>&1 || give_up "no Rust toolchain here" "install Rust 1.89 or later"
mkdir -p native/target
echo "building the native core (one to three minutes, once)"
{
    "$bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements/native.lock &&
        rm -rf native/target/wheels &&
        "$bin/maturin" build -q --release --locked -m native/Cargo.toml -o native/target/wheels &&
        "$bin/python" -m pip install -q --disable-pip-version-check --no-deps --force-reinstall native/target/wheels/*.whl
} >"$log" 2>&1 || give_up "the build failed, see $log" "read $log; the crates come from the Cargo registry"
echo "backend: native"
