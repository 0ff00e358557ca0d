# Everything runs in .venv, made from the lock file. Nothing else is needed but Python 3.11 and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

MINUTES ?= 30

.PHONY: help demo test judges unit faults check bench format lock clean
help:  ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(VENV)/.done: requirements.lock pyproject.toml
	@echo "Making $(VENV) from requirements.lock (once)"
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Say where it is: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.done  ## Run the main job on this machine and watch it: about 20 s, and a minute the first time
	@$(BIN)/stripeline demo

test: $(VENV)/.done  ## Check and test everything, on a real Kafka
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest tests/integration tests/e2e

$(VENV)/.judges: $(VENV)/.done tests/judges/requirements.lock
	@echo "Bringing Go and Node for the judges (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tests/judges/requirements.lock
	@touch $@

judges: $(VENV)/.judges  ## Let others judge: AsyncAPI's parser, Stripe's own mock, clients in three languages
	@$(BIN)/pytest tests/judges

unit: $(VENV)/.done  ## Only the tests that need no broker, in seconds
	@$(BIN)/pytest -q tests/unit tests/contract tests/behaviour

faults: $(VENV)/.done  ## Break everything for MINUTES=30, under traffic, and compare what came of it; SEED=… repeats a run
	@$(BIN)/python -m tests.faults --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(SUMMARY),--summary $(SUMMARY))

check: $(VENV)/.done  ## Format, lint, types, import rules, and 100 % branch coverage of the pure modules
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/pytest -q tests/unit tests/contract tests/behaviour --cov

bench: $(VENV)/.done  ## Measure beside the rivals on a real Kafka, and write docs/performance.md; JOB=ingest runs one
	@$(BIN)/python -m tests.bench $(JOB)

format: $(VENV)/.done  ## Format, and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

lock:  ## Resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --group judges --generate-hashes --no-header --no-annotate -o tests/judges/requirements.lock

clean:  ## Remove what the targets made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .stripeline
