# Two commands are enough: `make demo` and `make test`. Each sets up all that it needs, on a Debian-like
# machine with Python and either Docker or Go and root.

PYTHON ?= python3
NAME ?= sovereign
NODES ?= 3
PYTEST_OPTIONS ?=
# The versions of Kubernetes between the oldest and the newest, on which make test runs.
MATRIX ?= 1.34 1.35 1.36

RUN := .venv/bin/python
READY := .venv/.ready

# Its version is in constraints.txt, so that a newer one is no news.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test field matrix up down soak install lint format unit e2e crds prerequisites

help: ## list the targets
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

demo: prerequisites ## show it, on a real cluster on this machine; leaves the cluster running (KUBERNETES=1.33)
	@$(RUN) -m hack.demo $(KUBERNETES:%=--kubernetes %)

test: lint prerequisites ## prove it: lint, types, unit tests, and everything else on a real cluster
	$(RUN) -m pytest -n 2 $(PYTEST_OPTIONS)

field: prerequisites ## what takes too long for make test: Karpenter and Flux, built and run; other kernels, in virtual machines
	$(RUN) -m pytest tests/e2e tests/machines -m field $(PYTEST_OPTIONS)

matrix: prerequisites ## what every Kubernetes has to do, on those versions that make test leaves out
	$(foreach version,$(MATRIX),$(RUN) -m pytest tests/e2e -m every_kubernetes -k $(version) --kubernetes $(version) $(PYTEST_OPTIONS) &&) true

up: prerequisites ## bring up a cluster (NAME=sovereign NODES=3 KUBERNETES=1.37)
	@$(RUN) -m hack.cluster up --name $(NAME) --nodes $(NODES) $(KUBERNETES:%=--kubernetes %)

down: $(READY) ## take a cluster down (NAME=sovereign)
	@$(RUN) -m hack.cluster down --name $(NAME)

soak: prerequisites ## measure the controller on 5,000 fake nodes with 10,000 pods: an hour, and 12 GB of memory
	$(RUN) -m hack.bench.scale --nodes 5000 --policies 20 --workloads 2000 --pods 10000 $(SOAK_OPTIONS)

install: prerequisites ## build the image and install the chart on a cluster (NAME=sovereign)
	@$(RUN) -m hack.install --name $(NAME)

lint: $(READY) ## lint, types, layers, generated files
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy
	.venv/bin/lint-imports --no-logo
	$(RUN) -m hack.crds --check
	$(RUN) -m hack.catalogue --check
	$(RUN) -m hack.reference --check
	$(RUN) -m hack.dashboard --check

format: $(READY) ## format the code
	$(RUN) -m ruff format
	$(RUN) -m ruff check --fix

unit: $(READY) ## the tests that need no cluster
	$(RUN) -m pytest tests/unit $(PYTEST_OPTIONS)

e2e: prerequisites ## the tests on a real cluster
	$(RUN) -m pytest tests/e2e $(PYTEST_OPTIONS)

crds: $(READY) ## generate crds/ from api/, the shipped catalogue, the tables of our pages, and the dashboard
	@$(RUN) -m hack.crds
	@$(RUN) -m hack.catalogue
	@$(RUN) -m hack.reference
	@$(RUN) -m hack.dashboard

# What the local cluster needs of this machine; says what is missing before anything long begins.
prerequisites: $(READY)
	@$(RUN) -m hack.cluster prerequisites

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@echo "setting up .venv"
	@$(PYTHON) -m venv .venv
	@$(RUN) -m pip install --quiet --upgrade -c constraints.txt pip
	@$(RUN) -m pip install --quiet -c constraints.txt -e '.[cli]' --group dev
	@touch $@
