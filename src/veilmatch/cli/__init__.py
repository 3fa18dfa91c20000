"""The command line: thin; every command says what it did, or one error and one hint."""
