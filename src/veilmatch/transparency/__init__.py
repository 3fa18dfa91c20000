"""A log of everything published, that anyone can check and nobody can quietly change.

Signed notes, checkpoints, tiles, proofs, witnesses and policies in the C2SP formats, byte
for byte. Bytes in, objects or named errors out; files, network and clock are arguments.

Spec: ``spec/80-transparency.md``.
"""
