"""The native core of Veilmatch: kernels over batches of rows, written in Rust."""

from veilmatch_native._core import Core, __version__, paths

__all__ = ["Core", "__version__", "paths"]
