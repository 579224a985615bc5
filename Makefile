# From a bare checkout with Python 3.11 or newer, every target installs what it needs first.
PYTHON ?= python3
BIN := .venv/bin
UV = $(shell command -v uv || echo .venv-uv/bin/uv)
ARGS ?=
# The certificates that the machine trusts, a hospital's own among them.
export UV_SYSTEM_CERTS ?= 1
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11

.PHONY: help install demo test check bench lock clean

help:            ## this list
	@grep -E '^[a-z]+: .*##|^[a-z]+:  +##' Makefile | sed 's/:.*##/\t/'

.venv-uv/ready:
	@command -v uv >/dev/null || { $(PYTHON) -m venv .venv-uv && .venv-uv/bin/python -m pip install --quiet uv; }
	@mkdir -p .venv-uv && touch $@

# The locks carry hashes and no host names; the checkout itself is installed in place, without a download.
.venv/ready: requirements.lock pyproject.toml .venv-uv/ready
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

.venv/ready-dev: requirements-dev.lock pyproject.toml .venv-uv/ready
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements-dev.lock
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@ .venv/ready

install: .venv/ready  ## the virtual environment .venv alone

demo: .venv/ready  ## the whole story; ARGS=--once ends after it
	@$(BIN)/undersign demo $(ARGS)

test: .venv/ready-dev  ## all tests; ARGS go to pytest
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/ready-dev  ## format, lint, types, layers, dead dependencies
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/deptry .
	@$(BIN)/pyright

bench: .venv/ready-dev  ## the benchmarks, printed as ratios
	@$(BIN)/python -m tests.bench $(ARGS)

lock: .venv-uv/ready  ## new versions into the lock files
	@$(COMPILE) --group build --output-file requirements.lock pyproject.toml
	@$(COMPILE) --group dev --extra scale --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:           ## remove what the targets made
	@rm -rf .venv .venv-uv .pytest_cache .ruff_cache .hypothesis build dist
