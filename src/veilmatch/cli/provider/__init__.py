"""What a hash provider runs: keys, lists, attestations, and the check before it signs."""
