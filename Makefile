# tierwise: every task of the project. `make` alone prints this list.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The local cluster's name; two names live side by side.
NAME ?= tierwise
CACHE := $(or $(TIERWISE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tierwise)
UV := $(CACHE)/uv/bin/uv
BIN := .venv/bin
PY := $(BIN)/python
# Unit tests run beside each other, a worker for each core up to four.
WORKERS ?= --numprocesses auto --maxprocesses 4 --dist worksteal
LOCALCLUSTER := PYTHONPATH=hack $(PY) -m localcluster

.PHONY: help
help: ## Print this list
	@printf 'tierwise\n\n'
	@awk -F ':.*## ' '/^## /{printf "\n%s\n", substr($$0, 4)} /^[a-z][a-z0-9-]*:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nVariables: NAME=tierwise (the local cluster), KUBECONFIG (use that cluster instead of a local one),\n'
	@printf '           VALUES="a.yaml b.yaml" (more values for the chart),\n'
	@printf '           PYTHON=/path/to/python3.12 (makes .venv anew; else the first of 3.11 to 3.13 on PATH)\n'
	@printf '           TIERWISE_CACHE (built tools, engine and images; default ~/.cache/tierwise)\n'

## The main job
.PHONY: up
up: setup ## A cluster, operator, router and five real models, ready to answer
	@PYTHONPATH=hack $(PY) -m quickstart up --name $(NAME) $(foreach file,$(VALUES),--values $(file))

.PHONY: down
down: setup ## Remove the local cluster and everything it left on this machine
	@$(LOCALCLUSTER) down --name $(NAME)

.PHONY: status
status: setup ## What runs on the local cluster, its memory, ports and kubeconfig
	@$(LOCALCLUSTER) status --name $(NAME)

.PHONY: test
test: setup check verify test-unit test-api test-engine test-e2e ## Every tier of tests, as CI runs them

## Tests, tier by tier
.PHONY: check
check: setup lint types contracts ## Lint, types and import contracts

.PHONY: lint
lint: setup ## ruff, with every rule on, and its formatter
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet || { echo 'Fix: make format' >&2; exit 1; }

.PHONY: types
types: setup ## mypy, strict
	@$(BIN)/mypy

.PHONY: contracts
contracts: setup ## Imports point one way; the core is pure
	@$(BIN)/lint-imports --no-cache

.PHONY: test-unit
test-unit: setup postgres browser ## Pure and shell tests, doctests included
	@$(BIN)/pytest -q $(WORKERS) -m 'not apiserver and not engine'

.PHONY: test-api
test-api: setup tools ## Tests against a real kube-apiserver
	@$(BIN)/pytest -q -m apiserver

.PHONY: test-engine
test-engine: setup ## Sizes beside what the real vLLM makes of small models (about four minutes)
	@$(BIN)/pytest -q -m engine

.PHONY: test-e2e
test-e2e: setup ## The whole system on a real cluster with real vLLM
	@$(BIN)/pytest -q --color=auto e2e

## Keeping the house
.PHONY: setup
setup: ## .venv with everything, from the hash-locked requirements
	@hack/bootstrap.sh

.PHONY: tools
tools: setup ## Build the cluster's binaries once (cached by version)
	@$(LOCALCLUSTER) tools

.PHONY: browser
browser: setup ## Chromium for the tests of the ledger's page: the system's, or apt's
	@PYTHONPATH=hack $(PY) -m browser

.PHONY: postgres
postgres: setup ## PostgreSQL for the tests: the system's, or unpacked into the cache
	@PYTHONPATH=hack $(PY) -m pgserver

.PHONY: clients
clients: setup ## The environment of the client tests: openai, litellm, langchain, Node.js (cached)
	@PYTHONPATH=hack $(PY) -m clientenv

.PHONY: images
images: setup ## Build the operator's and the router's images, without Docker
	@$(LOCALCLUSTER) images build

.PHONY: generate
generate: setup ## Write crds/, the chart's copy, docs/reference/, metrics, alerts and dashboards from the code
	@$(PY) -m tierwise_api.generate .
	@$(PY) -m tierwise_router.openapi .
	@PYTHONPATH=hack $(PY) -m observability

.PHONY: verify
verify: setup ## Fail when a generated file or a lock is not up to date
	@$(PY) -m tierwise_api.generate --check .
	@$(PY) -m tierwise_router.openapi --check .
	@PYTHONPATH=hack $(PY) -m observability --check
	@hack/lock.sh --check

.PHONY: format
format: setup ## Format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

.PHONY: lock
lock: setup ## Resolve the dependencies again into requirements/
	@hack/lock.sh

.PHONY: models
models: setup ## Train the small example models again (minutes each)
	@PYTHONPATH=hack $(PY) -m quickstart models

.PHONY: bench-router
bench-router: setup ## The router beside vllm-router and LiteLLM, 10 minutes (QUICK=yes: 3; RECORD=yes: into docs/)
	@$(PY) bench/router/run.py $(if $(QUICK),--quick) $(if $(RECORD),--record)

.PHONY: bench-rollouts
bench-rollouts: setup ## Wrong verdicts, time and regret of thousands of rollouts, beside fixed steps (RECORD=yes)
	@$(PY) bench/rollouts/run.py $(if $(RECORD),--record)

.PHONY: bench-router-cpu
bench-router-cpu: setup ## Where a request's processor time goes; AGAINST=COMMIT compares, also on a busy machine
	@$(PY) bench/router/cpu.py $(if $(AGAINST),--against $(AGAINST))

.PHONY: bench-router-instructions
bench-router-instructions: setup ## The instructions of a request, the same on any machine (valgrind); AGAINST=COMMIT compares
	@$(PY) bench/router/instructions.py $(if $(AGAINST),--against $(AGAINST))

.PHONY: bench-ledger
bench-ledger: setup postgres ## The ledger with ten million outcomes (ROWS=1000000: less; KEEP=folder: go on later; RECORD=yes)
	@PYTHONPATH=hack $(PY) bench/ledger/run.py $(if $(ROWS),--rows $(ROWS)) $(if $(KEEP),--keep $(KEEP)) $(if $(RECORD),--record)

.PHONY: bench-placement
bench-placement: setup ## Placement beside CP-SAT and first-fit (RECORD=yes: into docs/placement.md)
	@$(PY) bench/placement/run.py $(if $(RECORD),--record)

.PHONY: clean
clean: ## Remove .venv and build output (the cache stays: rm -r $(CACHE))
	@rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
