PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench format

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: .venv/installed ## make the virtual environment .venv (the other targets do it by themselves)

.venv/installed: pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint .ci/constraints.txt --editable . --group dev
	@touch $@

demo: export RECBENCH_RESULTS = build/demo
demo: .venv/installed ## prepare `synthetic`, let 3 losses and the baselines compete for a minute, say what it shows
	@echo "$$ recbench prepare synthetic"
	@$(BIN)/recbench prepare synthetic
	@echo "$$ recbench bakeoff synthetic --losses bce,gnolr,bpr --budget 60s"
	@$(BIN)/recbench bakeoff synthetic --losses bce,gnolr,bpr --budget 60s
	@echo "To go on with these runs: . $(BIN)/activate; export RECBENCH_RESULTS=$(CURDIR)/$(RECBENCH_RESULTS)"

# pytest-xdist has a process for each core: none of them needs threads.
test: export OMP_NUM_THREADS = 1
test: .venv/installed ## ruff, mypy --strict, pytest
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy --strict
	$(BIN)/pytest -q -n auto --dist worksteal

bench: .venv/installed ## the benchmarks of speed and accuracy
	$(BIN)/python -m benchmarks

format: .venv/installed ## format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
