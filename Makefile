# `make demo` and `make test` work from a bare checkout: they make .venv and install what they need into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
QUICK := tests/geometry tests/points tests/losses tests/frames tests/network tests/test_golden.py

.PHONY: help demo quick test check docs format clean

help:
	@echo "make demo     complete a real scene and show the error beside interpolation (under a minute after the install)"
	@echo "make quick    tests of geometry, points, losses, frames, network and its parity with the published one (under a minute)"
	@echo "make test     check, then all tests on $(WORKERS) processes (WORKERS=n)"
	@echo "make check    ruff, formatting, mypy"
	@echo "make docs     build the documentation as a site, strictly and offline: open site/index.html"
	@echo "make format   let ruff repair what it can"
	@echo "make clean    remove .venv, caches and what the demo wrote"

demo: $(VENV)/.installed-demo
	$(BIN)/kbnet demo

quick: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow" $(QUICK)

test: check
	$(PYTEST)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo dist site .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch first and alone: once its pinned build is in place no later step can replace it by one that brings CUDA along.
$(VENV)/.installed-torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	@echo "installing torch (about 190 MB)"
	$(PIP) "$(shell grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.installed-demo: $(VENV)/.installed-torch pyproject.toml
	$(PIP) -e ".[demo]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-torch pyproject.toml
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/.installed-demo
