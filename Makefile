# Each target needs nothing done before: it makes its own virtual environment with every version pinned.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test slow lint clean

run: .venv/installed
	$(BIN)/cod-bench run --all

# Two processes, one thread each: torch's threads would fight over the cores.
test: .venv/installed-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" -n 2 --dist worksteal

# File by file, since what a file's tests share takes longest; then those that start clusters, one at a time.
slow: .venv/installed-test
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "slow and not alone" -n 2 --dist loadfile
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "slow and alone" -n 0

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/pip install -q -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
