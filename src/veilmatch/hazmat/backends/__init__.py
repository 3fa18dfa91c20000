"""Backends: the same kernels twice, portable (libsodium, always there) and native (Rust)."""
