# Two commands: `make run` publishes the example sheets and serves them, `make test` runs every test.
# Everything is installed in this folder from the locked requirements; nothing outside it is touched.

PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8000

.PHONY: run test lint smoke install install-dev lock clean
.DEFAULT_GOAL := run

run: install
	$(BIN)/cupola build || test $$? -eq 1 # 1: published, with problems told above
	$(BIN)/cupola serve --port $(PORT)

test: install-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

smoke: install # `make run` without staying: start, ask, stop
	$(BIN)/python tests/smoke.py

install: .venv/.installed
install-dev: .venv/.installed-dev .venv-peers/.installed

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cupola needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) -V 2>&1). Say: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: requirements.txt pyproject.toml .venv/.python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

# Morph-KGC, the peer that runs the same mappings, cannot share our environment (see pyproject.toml).
.venv-peers/.installed: requirements-peers.txt .venv/.python
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-peers.txt
	@touch $@

lock: # needs uv; run after changing the dependencies in pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group build pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group dev pyproject.toml -o requirements-dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group peers -o requirements-peers.txt

clean:
	rm -rf .venv .venv-peers releases .mypy_cache .pytest_cache .ruff_cache .hypothesis
