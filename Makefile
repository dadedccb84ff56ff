# Everything runs in .venv inside the checkout; nothing outside it is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11) and "assets needs Python 3.11 or newer; try: make $(MAKECMDGOALS) PYTHON=python3.13")
SEED ?= 1
FUZZ_SECONDS ?= 600
EDITOR := tests/editor
LANGUAGE_SERVER := $(EDITOR)/node_modules/.package-lock.json
EXAMPLE := examples/manifests/customer_clv

.PHONY: help setup demo test lint types imports unit docs bench soak clean

help: ## what can be made here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) $(LANGUAGE_SERVER) ## make .venv and install everything that development needs

$(READY): pyproject.toml
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	@echo "making $(VENV) with everything that development needs; a minute or two"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --upgrade pip
	@$(INSTALL) --editable '.[dev,bench]'
	@touch $(READY)

# npm writes that file last. The server that editors run is no part of the product, only of its tests.
$(LANGUAGE_SERVER): $(EDITOR)/package-lock.json
	@command -v npm >/dev/null || { echo "the tests of the editor run the YAML language server: install Node.js and npm" >&2; exit 1; }
	@npm ci --prefix $(EDITOR) --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(BIN)/assets:
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	@echo "making $(VENV) and installing assets into it; half a minute"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) --editable .

demo: $(BIN)/assets ## materialize the example on real data and show plan, lineage and result
	@sh $(EXAMPLE)/demo.sh $(abspath $(BIN))/assets

test: lint types imports unit ## everything that decides a landing

lint: $(READY) ## ruff, all rules, and its formatter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	$(BIN)/mypy

imports: $(READY) ## the import contract: imports go down only
	$(BIN)/lint-imports

unit: $(READY) $(LANGUAGE_SERVER) ## the whole test suite, docs included
	$(BIN)/python -m pytest -n 2 --dist worksteal

docs: $(READY) ## write the generated pages of docs/reference anew
	$(BIN)/python docs/generate.py

bench: $(READY) ## time assets beside ninja, make and bare SQL, half an hour; writes benchmarks/RESULTS.md; BENCH="--only plan"
	$(BIN)/python benchmarks/compare.py $(BENCH)
	$(BIN)/python benchmarks/sql.py

soak: $(READY) ## long property, fault and fuzz runs: thousands of stories, hundreds of kills; SEED=2, FUZZ_SECONDS=3600
	HISTORY_EXAMPLES=5000 ENGINE_EXAMPLES=1000 KILL_EXAMPLES=100 $(BIN)/python -m pytest -n 2 tests/properties --hypothesis-seed=$(SEED)
	KILL_SEED=$(SEED) KILL_STORIES=150 DISK_STORIES=60 CLOCK_STORIES=20 CROWD=40 BIG_MB=4000 UP_SECONDS=1200 IDLE_SECONDS=600 \
		$(BIN)/python -m pytest -n 2 tests/faults
	SHAPE_SIZE=16000 $(BIN)/python -m pytest -n 2 tests/fuzz
	-@$(INSTALL) --editable '.[fuzz]' # where that cannot be installed, the rest fuzzes alone and says so
	$(BIN)/python tests/fuzz/soak.py --seed $(SEED) --seconds $(FUZZ_SECONDS)

clean: ## forget the environment and the caches
	rm -rf $(VENV) $(EDITOR)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz
