"""Plain forms in which hashes arrive: one importer per file, strict, all or nothing."""
