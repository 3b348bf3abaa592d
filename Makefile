# The two commands of the README, and what continuous integration adds. Everything lives in .venv; typed again, a
# target installs nothing again.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test test-fast lint clean

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "relab needs Python 3.11 or newer, not " + sys.version'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/relab demo

test: $(STAMP)
	$(BIN)/python -m pytest -m 'not group'
	$(BIN)/python -m pytest -m group

test-fast: $(STAMP)
	$(BIN)/python -m pytest -m 'not ray and not group'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy platform/relab trainables

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
