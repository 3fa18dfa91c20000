"""Keys in a hardware module, with SoftHSM."""
