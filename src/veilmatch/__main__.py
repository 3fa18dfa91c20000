"""``python -m veilmatch``: the program, where its script is not on the path."""

from veilmatch.cli.main import main

if __name__ == "__main__":
    main()
