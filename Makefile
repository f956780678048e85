# `make repro` runs the line, `make test` the tests; both install what they need first, once.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Another build of torch, for example one for CUDA: TORCH_INDEX=<url of a package index>
TORCH_INDEX ?=
TORCH := $(shell grep '^torch==' requirements.txt)
INSTALLED := $(VENV)/.installed

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: repro test test-full check format bench clean help

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

repro: $(INSTALLED)  ## run what changed of the line
	@echo "make: running the line (dvc repro); what has not changed is skipped"
	@dast preflight --params params.yaml  # DVC itself drops a round with an integer name, and says nothing
	@dvc repro

test: $(INSTALLED) check  ## all tests that the core pins allow
	@echo "make: running the tests (a few minutes on two cores)"
	@python -m pytest -m "not full"

test-full: $(INSTALLED) check  ## also the slower ones
	@echo "make: running all tests"
	@python -m pytest

check: $(INSTALLED)  ## lint and types
	@echo "make: ruff and mypy"
	@ruff check .
	@ruff format --check .
	@mypy

format: $(INSTALLED)  ## format the code
	@ruff format .
	@ruff check --fix .

$(INSTALLED): requirements.txt pyproject.toml
	@echo "make: installing into $(VENV) (torch first, then the pins of requirements.txt; several minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

bench: $(INSTALLED)  ## the self-training table of docs/world.md (about 20 minutes a seed that is not there yet)
	@python -m benchmarks.self_training 101 102 103

clean:  ## remove the environment, nothing else
	rm -rf $(VENV)
