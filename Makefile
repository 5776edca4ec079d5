# Everything here works on a fresh machine: what a target needs is installed by it, once (see .venv and the stamps).
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test check format clean

PYTHON ?= python3
VENV ?= .venv
ROOT ?= config/site
SERVE_ARGS ?=
PYTEST_ARGS ?=

BIN := $(VENV)/bin
# Networks fail for a moment: three attempts, each said, the last one's failure counts.
retry = for pause in 2 10 no; do { $(1); } && break; [ $$pause != no ] || exit 1; \
	echo "that failed; once more in $$pause s" >&2; sleep $$pause; done
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 5

help:
	@echo 'make serve [ROOT=dir]   serve dir at https://localhost:8443'
	@echo 'make test               run all tests; those for kTLS in guests with kernels of their own (as root: installs'
	@echo '                        the Debian packages in tests/system-packages.txt)'
	@echo 'make check              check format, lint and types'
	@echo 'make format             rewrite the sources in the house format'
	@echo 'make clean              remove what these targets made in this folder'
	@echo
	@echo 'Variables:'
	@echo '  ROOT=dir              the folder to serve [$(ROOT)]'
	@echo '  SERVE_ARGS=...        further arguments of ktlsserve, e.g. "--listen 0.0.0.0:443"'
	@echo '  PYTEST_ARGS=...       arguments of pytest, e.g. "tests/unit -x"'
	@echo '  PYTHON=program        a Python from 3.11 on [$(PYTHON)]'
	@echo '  VENV=dir              where the virtual environment is made [$(VENV)]'
	@echo 'Environment:'
	@echo '  KTLSSERVE_CACHE=dir   where kernels and systems for the tests are kept [~/.cache/ktlsserve]'
	@echo '  KTLSSERVE_REQUIRE_KTLS=1  tests that find no kernel with kTLS fail instead of being skipped'

serve: $(VENV)/.installed
	@exec $(BIN)/ktlsserve "$(ROOT)" $(SERVE_ARGS)

# Without packages, kernels or another nginx the tests still run: pytest says which cannot, and fails where kTLS is
# required.
test: $(VENV)/.installed-test
	-@$(BIN)/python -m tests.vm packages && $(BIN)/python -m tests.vm kernels
	-@$(BIN)/python -m loadtests.baselines --fetch
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict

format: $(VENV)/.installed-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf "$(VENV)" .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml $(VENV)/.made
	@echo 'installing ktlsserve into $(VENV)'
	@$(call retry,$(PIP_INSTALL) --editable .)
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/.made
	@echo 'installing ktlsserve and the tools of its tests into $(VENV)'
	@$(call retry,$(PIP_INSTALL) --editable '.[test]')
	@touch $@ $(VENV)/.installed

# Debian keeps the module venv in a package of its own: root gets it installed, others are told.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'ktlsserve needs Python 3.11 or later, and $(PYTHON) is not one: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo 'the venv module of $(PYTHON) is missing: apt-get install python3-venv' >&2; exit 1; fi; \
		echo 'installing python3-venv'; \
		export DEBIAN_FRONTEND=noninteractive; \
		$(call retry,apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null); }
	@$(PYTHON) -m venv --clear "$(VENV)"
	@touch $@
