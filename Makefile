# make demo    a map of scikit-learn's digits: demo.map/ and demo.png
# make test    everything that CI checks
# make page    the explorer's page from its TypeScript (needs Node.js 20 and npm; users do not)
#
# PYTHON=python3.12      another interpreter, 3.11 or later
# TORCH_INDEX=URL        an extra package index for torch, e.g. the one with its CPU builds
# PYTEST=options         options for pytest, e.g. PYTEST="-k imagemap -x"

PYTHON ?= python3
TORCH_INDEX ?=
PYTEST ?=
VENV := .venv
BIN := $(VENV)/bin
WEB := src/augmap/explorer/web
READY := $(VENV)/.ready
# the tests that drive a browser: one after the other, so that nothing starves it
PAGES := $(addprefix tests/explorer/,test_page.py test_page_live.py test_place_file.py)
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: demo test lint docs-check page clean help
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

demo: $(READY)
	@$(BIN)/augmap demo

test: lint
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(PAGES:%=--ignore=%) $(PYTEST)
	@$(BIN)/python -m pytest $(PAGES) $(PYTEST) || [ $$? = 5 ] # 5: PYTEST chose none of these

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-cache --no-logo

docs-check: $(READY)
	@$(BIN)/python -m pytest tests/test_docs.py tests/test_public.py tests/test_tree.py $(PYTEST)

page:
	@cd $(WEB) && npm ci --silent --no-audit --no-fund && npm run --silent check && npm test --silent && npm run --silent build

clean:
	rm -rf $(VENV) $(WEB)/node_modules demo.map demo.png build dist .pytest_cache .ruff_cache .hypothesis

# torch first and alone: it is the only package that may come from another index
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "augmap needs Python 3.11 or later, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo not there)." \
	       "Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "setting up $(VENV) (once, a few minutes)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@$(PIP) install $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt torch
	@$(PIP) install -c constraints.txt hatchling editables
	@$(PIP) install -c constraints.txt --no-build-isolation -e '.[test]'
	@touch $@
