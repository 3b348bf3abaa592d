# The two commands of the README, and what continuous integration adds. Everything lives in .venv; typed again, a
# target installs nothing again.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test test-cluster test-fast faults fuzz lint lock clean

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "relab needs Python 3.11 or newer, not " + sys.version'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/relab demo

test: $(STAMP)
	$(BIN)/python -m pytest -m 'not group and not cluster'
	$(BIN)/python -m pytest -m group

# A cluster with a dashboard and its client, and three hosts in network namespaces, for which it must be root.
test-cluster: $(STAMP)
	$(BIN)/python -m pytest -m cluster

test-fast: $(STAMP)
	$(BIN)/python -m pytest -m 'not ray and not group and not cluster'

# Each fault of docs/faults.md on a small study, and its numbers there; those of a cluster where it may play three hosts.
faults: $(STAMP)
	RELAB_FAULTS=benchmarks/results/faults.json $(BIN)/python -m pytest tests/faults/test_faults.py
	RELAB_FAULTS=benchmarks/results/faults.json $(BIN)/python -m pytest -m cluster tests/cluster/test_three_hosts.py
	$(BIN)/python -m tests.faults.table

# Damaged files for every reader, as in the tests, and fifty times as many.
fuzz: $(STAMP)
	RELAB_FUZZ=10000 $(BIN)/python -m pytest tests/fuzz

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy platform/relab trainables

# What the nodes of a cluster install. torch itself pins the CUDA packages that belong to it.
lock: $(STAMP)
	$(BIN)/python -m pip freeze --exclude-editable | grep -Ev '^(#|-e|nvidia-|cuda-|triton)' | sed 's/+.*//' > requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
