# `make` alone says what there is. Everything runs on the pinned versions in .venv.
PYTHON := .venv/bin/python
CENTINELA := $(PYTHON) -m scripts.cli
# When the command was given: `make up` counts its first detection from here.
export CENTINELA_STARTED := $(shell date +%s)

.PHONY: help install demo up down serve train test simulate planted lint types bench faults

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## the pinned versions into .venv
	@sh scripts/install.sh

demo: install ## all of it in one process, without Kafka or Redis, until Ctrl-C
	@$(CENTINELA) demo

up: install ## the whole thing on this machine, until Ctrl-C
	@$(CENTINELA) up

down: install ## end what `make up` has left running
	@$(CENTINELA) down

serve: install ## the API alone, against the Kafka and Redis of the environment
	@$(CENTINELA) serve

train: install ## fit the shipped model again
	@$(CENTINELA) train

test: install ## all tests; those on servers need Docker, or Java and Maven
	@$(PYTHON) -m pytest $(TESTS)

simulate: install ## the loop under SEEDS=100000 runs of faults, in virtual time
	@$(PYTHON) -m tests.simulation --seeds $(or $(SEEDS),100000)

planted: install ## faults planted in a copy of the tree, and which tests catch them
	@$(PYTHON) -m tests.planted

lint: install ## style
	@$(PYTHON) -m ruff check . && $(PYTHON) -m ruff format --check .

types: install ## mypy, strict
	@$(PYTHON) -m mypy

bench: install ## throughput, latency, recovery and peers, in a quarter of an hour
	@$(PYTHON) -m scripts.bench

faults: install ## a few minutes of kills, cuts and losses on real servers, all counted
	@$(PYTHON) -m pytest tests/faults $(TESTS)
