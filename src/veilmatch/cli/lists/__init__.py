"""What whoever keeps hash lists runs: import, promotion, withdrawal, feedback."""
