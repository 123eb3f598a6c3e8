# Two commands: `make run` publishes the example sheets and serves them, `make test` runs every test.
# Everything is installed in this folder from the locked requirements; nothing outside it is touched.

PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8000
EDITOR_FILES := endpoint/static/editor
CLIENTS := tests/clients
FUSEKI := .venv-peers/servers/jena-fuseki-server.jar

.PHONY: run test lint smoke install install-dev editor lock clean
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

install: .venv/.installed editor
install-dev: .venv/.installed-dev .venv-peers/.installed $(CLIENTS)/node_modules/.installed $(FUSEKI) editor
editor: $(EDITOR_FILES)/.installed

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

# The editor of the page /sparql comes from npm; where it cannot be had the page has a plain form.
$(EDITOR_FILES)/.installed: endpoint/editor/package-lock.json
	@mkdir -p $(EDITOR_FILES)
	@if npm ci --prefix endpoint/editor --ignore-scripts --no-audit --no-fund --silent 2>/dev/null; then \
	  cp endpoint/editor/node_modules/@zazuko/yas*/build/yas*.min.js $(EDITOR_FILES)/ && \
	  cp endpoint/editor/node_modules/@zazuko/yas*/build/yas*.min.css $(EDITOR_FILES)/ && touch $@; \
	else echo "npm gave no editor for /sparql: it has a plain form (with npm: make editor)" >&2; fi

# Comunica, a client that the endpoint is tested with; without npm its tests skip.
$(CLIENTS)/node_modules/.installed: $(CLIENTS)/package-lock.json
	@mkdir -p $(@D)
	@if npm ci --prefix $(CLIENTS) --ignore-scripts --no-audit --no-fund --silent 2>/dev/null; then touch $@; \
	else echo "npm gave no Comunica: its tests will skip" >&2; fi

# Fuseki, a real store to be remote, on Java; without Maven its tests skip.
$(FUSEKI): tests/endpoint/servers/pom.xml .venv-peers/.installed
	@mkdir -p $(@D)
	@if command -v mvn >/dev/null && mvn -q -B -C -f $< dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/$(@D)"; \
	then touch $@; else echo "Maven gave no Fuseki: its tests will skip" >&2; fi

lock: # needs uv; run after changing the dependencies in pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group build pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group dev pyproject.toml -o requirements-dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group peers -o requirements-peers.txt

clean:
	rm -rf .venv .venv-peers endpoint/editor/node_modules $(EDITOR_FILES) $(CLIENTS)/node_modules releases .mypy_cache .pytest_cache .ruff_cache .hypothesis
