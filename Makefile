# Extensa's two doors: `make up` runs the main job, `make test` proves it. Everything else is a part of these.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export EXTENSA_HOME ?= $(CURDIR)/.extensa
TIER := tools/tier.sh

.PHONY: help up down check format test test-unit test-cluster test-sdk test-wheel chaos bench requirements clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Extensa needs Python 3.11 or newer; say which with PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV): the locked packages, about half a minute the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.clients/sdk/.ready: requirements/sdk.txt
	@echo "Setting up .clients/sdk: the real Azure SDKs, in an environment of their own"
	@test -x .clients/sdk/bin/python || $(PYTHON) -m venv .clients/sdk
	@.clients/sdk/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sdk.txt
	@touch $@

up: $(VENV)/.ready  ## Start everything and install the sample extension on a demo cluster
	@mkdir -p -m 0700 "$(EXTENSA_HOME)" 2>/dev/null || true  # extensa says what is wrong with it
	@$(BIN)/extensa up

down: $(VENV)/.ready  ## Stop every process; data is kept
	@$(BIN)/extensa down

check: $(VENV)/.ready  ## Formatting, lint, types, import contracts, unit tests (no cluster, under 2 minutes)
	@$(TIER) format $(BIN)/ruff format --check --quiet .
	@$(TIER) lint $(BIN)/ruff check --quiet .
	@$(TIER) types $(BIN)/mypy
	@$(TIER) imports $(BIN)/lint-imports
	@$(TIER) unit $(BIN)/pytest -q -m "not cluster and not chaos"

format: $(VENV)/.ready  ## Rewrite files as the formatter wants them
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

test: $(VENV)/.ready .clients/sdk/.ready  ## Everything, on a real Kubernetes API too
	@$(TIER) --begin
	@$(MAKE) --no-print-directory check
	@$(TIER) binaries $(BIN)/extensa kubernetes install
	@$(TIER) cluster $(BIN)/pytest -q -m cluster
	@echo "── chaos: not part of this run; make chaos (docs/faults.md)"
	@$(TIER) --end

chaos: $(VENV)/.ready  ## Kill processes at random, RUNS=1000 times or for MINUTES=60, and see that nothing is lost
	@$(BIN)/extensa kubernetes install
	@PYTHONPATH=tests nice $(BIN)/python -m chaos --runs $(or $(RUNS),1000) --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

bench: $(VENV)/.ready  ## Measure against peers; prints a table (ROWS="requests start" for some)
	@PYTHONPATH=tests $(BIN)/python -m bench $(ROWS)

requirements:  ## Lock the requirements again (needs uv); no registry address is written
	@cd requirements && for set in runtime dev sdk; do \
	  source="$$set.in"; if [ "$$set" = runtime ]; then source=../pyproject.toml; fi; \
	  uv pip compile --quiet --generate-hashes --no-header --python-version 3.11 "$$source" -o "$$set.txt"; done

clean:  ## Remove what was built here (not the data folder)
	rm -rf $(VENV) .clients build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
