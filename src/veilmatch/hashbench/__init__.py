"""The benchmark of image hashes: what copies keep their hash, and which pictures share one."""
