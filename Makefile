# Two commands need nothing set up: make demo, make test. Everything is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEER := $(VENV)-interop/bin/python

.PHONY: demo test check bench soak interop clean

demo: $(STAMP)  ## simulator, pipeline and dashboard on the built-in specimen; prints the address of the page
	$(BIN)/livebragg demo

test: check  ## lint, type-check, and run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not browser"
	$(BIN)/python -m pytest -n 2 --dist loadfile -m browser tests/dashboards

check: $(STAMP)  ## formatting, lint, types, import contracts, configuration
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	for file in config/*.toml; do $(BIN)/livebragg check-config $$file || exit 1; done

bench: $(STAMP)  ## every benchmark, as ratios against a yardstick in the same run
	for name in detection photometry radial classification classification_families calibration simulator ingest pipeline; do \
		echo "== benchmarks/$$name.py"; $(BIN)/python benchmarks/$$name.py || exit 1; done

soak: $(STAMP)  ## a long run with worker deaths; memory must stay flat; mutated messages of every detector
	$(BIN)/python benchmarks/soak.py
	$(BIN)/python benchmarks/burst.py
	$(BIN)/python benchmarks/attaching.py
	$(BIN)/python tests/detector_fuzz.py --messages 100000

interop: $(STAMP) $(PEER)  ## LiberTEM-live's clients and detectors against ours
	LIVEBRAGG_INTEROP_PYTHON=$(PEER) $(BIN)/python -m pytest -m interop tests/interop

$(PEER):
	$(PYTHON) -m venv $(VENV)-interop
	$(PEER) -m pip install --quiet 'libertem-live[sim]==0.3.0'

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("livebragg needs Python 3.11 or later, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	@echo "installing livebragg and what it needs into $(VENV) (about half a minute)"
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-interop .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
