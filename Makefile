# Two commands for a newcomer: `make demo` and `make test`. Both set up a local virtual environment by themselves.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint bench-peers clean

demo: .venv/runtime
	@$(BIN)/intertwine demo --out runs/demo

test: .venv/development
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal && echo "All tests passed."

lint: .venv/development
	@$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/lint-imports && $(BIN)/pyright
	@echo "Style, types and layers are in order."

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "intertwine needs Python 3.11 or newer; name one with: make PYTHON=python3.11 demo"; exit 1; }
	@echo "Setting up .venv (a minute or two) ..."
	@$(PYTHON) -m venv .venv

# torch first and by its exact version: any wider request would fetch gigabytes of CUDA libraries.
KERNELS := CMakeLists.txt $(wildcard src/intertwine/tensor_products/kernels/cpp/*)

.venv/runtime: pyproject.toml constraints.txt $(KERNELS) | .venv/bin/python
	@$(PIP) torch==2.13.0 && $(PIP) --editable .
	@touch $@

.venv/development: pyproject.toml constraints.txt $(KERNELS) | .venv/bin/python
	@$(PIP) torch==2.13.0 && $(PIP) --editable '.[dev]'
	@touch $@ .venv/runtime

# What `intertwine bench` compares with, each in an environment of its own: they contradict each other and us.
bench-peers: .peers/torch/ready .peers/mace/ready .peers/jax/ready .peers/nequip/ready

.peers/torch/ready: PEER = torch==2.13.0 e3nn cuequivariance cuequivariance-torch
.peers/mace/ready: PEER = torch==2.13.0 mace-torch
.peers/jax/ready: PEER = jax e3nn-jax
.peers/nequip/ready: PEER = torch==2.13.0 nequip sevenn
.peers/%/ready: benchmarks/peers/%.txt
	@echo "Setting up .peers/$* (a minute or two) ..."
	@$(PYTHON) -m venv .peers/$*
	@set -e; for package in $(PEER); do \
	  .peers/$*/bin/python -m pip install --quiet --disable-pip-version-check --constraint $< $$package; done
	@touch $@

clean:
	rm -rf .venv .peers runs
