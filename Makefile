# `make demo` and `make test` work from a bare checkout: they make .venv and install what they need into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
WORKERS ?= 2
KILLS ?= 200
PYTEST = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations 25 --durations-min 5
QUICK := tests/geometry tests/points tests/losses tests/frames tests/network tests/test_golden.py

.PHONY: help demo quick test fuzz check compat kill-test docs format sbom audit clean

help:
	@echo "make demo     complete a real scene and show the error beside interpolation (under a minute after the install)"
	@echo "make quick    tests of geometry, points, losses, frames, network and its parity with the published one (under a minute)"
	@echo "make test     check and all tests, on $(WORKERS) processes (WORKERS=n)"
	@echo "make fuzz     read damaged files of every kind for MINUTES=n (10), drawn anew"
	@echo "make compat   golden tensors and the tests of 'make quick' on the oldest and the newest torch (COMPAT='2.6.0 newest')"
	@echo "make check    ruff, formatting, mypy"
	@echo "make kill-test stop commands at $(KILLS) random moments; files must be whole, and the work must end (KILLS=n)"
	@echo "make docs     build the documentation as a site, strictly and offline: open site/index.html"
	@echo "make format   let ruff repair what it can"
	@echo "make sbom     list the installed packages as CycloneDX: sbom.json"
	@echo "make audit    compare the installed packages with known vulnerabilities (needs the internet)"
	@echo "make clean    remove .venv, caches and what the demo wrote"

demo: $(VENV)/.installed-demo
	$(BIN)/kbnet demo

quick: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow" $(QUICK)

# mypy, which is one process, beside the tests.
test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy & types=$$!; $(PYTEST); tests=$$?; wait $$types && exit $$tests

MINUTES ?= 10
fuzz: $(VENV)/.installed-dev
	end=$$(($$(date +%s) + 60 * $(MINUTES))); while [ $$(date +%s) -lt $$end ]; do \
		KBNET_FUZZ_EXAMPLES=200 $(PYTEST) tests/fuzz || exit 1; done

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Each in an environment of its own, which is made once. A version that is named newest is installed anew each time.
COMPAT ?= 2.6.0 newest
COMPAT_INDEX ?= --index-url https://download.pytorch.org/whl/cpu
compat:
	mkdir -p $(VENV)/compat && grep -v '^torch' constraints.txt > $(VENV)/compat/constraints.txt
	for version in $(COMPAT); do \
		at=$(VENV)/compat/$$version; pip="$$at/bin/python -m pip install --disable-pip-version-check --quiet"; \
		$(PYTHON) -m venv $$at && \
		if [ $$version = newest ]; then $$pip --upgrade torch $(COMPAT_INDEX); else $$pip torch==$$version $(COMPAT_INDEX); fi && \
		$$pip -c $(VENV)/compat/constraints.txt -e ".[train]" "hypothesis>=6.100" "pytest>=8.2" "pytest-xdist>=3.6" && \
		$$at/bin/python -c "import torch; print('torch', torch.__version__)" && \
		OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $$at/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow" \
			$(QUICK) tests/test_golden_family.py tests/weights || exit 1; \
	done

kill-test: $(VENV)/.installed-dev
	KBNET_KILLS=$(KILLS) KBNET_KILL_SEED=$$(date +%s) $(PYTEST) tests/test_faults.py

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

sbom: $(VENV)/.installed-dev $(VENV)/audit/.installed
	$(VENV)/audit/bin/cyclonedx-py environment --pyproject pyproject.toml --of JSON -o sbom.json $(BIN)/python

audit: $(VENV)/.installed-dev $(VENV)/audit/.installed
	$(BIN)/python -m pip list --format freeze --exclude-editable > $(VENV)/audit/installed.txt
	$(VENV)/audit/bin/pip-audit --disable-pip --no-deps -r $(VENV)/audit/installed.txt

clean:
	rm -rf $(VENV) sbom.json demo dist site .mypy_cache .pytest_cache .ruff_cache
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

# In an environment of its own: what it needs is not part of what it lists.
$(VENV)/audit/.installed: $(VENV)/.installed-torch
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --disable-pip-version-check --quiet "cyclonedx-bom>=4" "pip-audit>=2.7"
	@touch $@
