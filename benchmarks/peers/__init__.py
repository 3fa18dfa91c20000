"""Other projects that solve a part of the same problem, timed in turn with ours."""
