# `make up` and `make test` are all that a new user needs; README.md says what they do.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
PYTHON ?= python3
STACK ?= dev
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/python -m lab
# Every recipe that talks to Pulumi does so with the lab's own state, plugins and tools.
IN_LAB := eval "$$($(LAB) env)"; pulumi stack select --create $(STACK) >/dev/null;
UP := pulumi up --stack $(STACK) --yes --skip-preview

.PHONY: up preview check destroy down test bench lint lock toolchain lab

up: lab                    ## the lab, the mesh of stack dev, and traffic that proves it
	$(IN_LAB) $(UP)

preview: lab               ## what `up` would change
	$(IN_LAB) pulumi preview --stack $(STACK) --diff

check: lab                 ## look at every link of the mesh from both ends, change nothing
	$(IN_LAB) $(BIN)/python -m checks --stack $(STACK)

destroy: $(VENV)           ## take the mesh away, leave the clusters
	$(IN_LAB) pulumi destroy --stack $(STACK) --yes

down: $(VENV)              ## take the lab away too
	$(LAB) down

lab: $(VENV)               ## the clusters of lab/dev.yaml, and the tools that they need
	$(LAB) up

toolchain: $(VENV)         ## programs and images, built once and cached outside the checkout
	$(BIN)/python -m lab.toolchain

test: lint toolchain       ## linters, types, and every test
	# A lab is waited for longer than it is worked on: two files, or meshes, at a time.
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadscope --ignore=tests/mesh
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadscope tests/mesh

bench: toolchain           ## figures of the README, measured again
	$(BIN)/python -m bench

lint: $(VENV) policy/.venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

lock: $(VENV)
	compile="$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header -p 3.11"
	$$compile requirements.in -o requirements.txt
	$$compile requirements-dev.in -o requirements-dev.txt
	$$compile policy/requirements.in -o policy/requirements.txt

# The stamp is the lock itself, copied when the install has finished: a killed install runs again.
$(VENV): requirements-dev.txt
	if ! cmp -s requirements-dev.txt $(VENV)/installed.txt; then
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
	    echo "python: $(PYTHON) is older than 3.11, which the program needs: make PYTHON=python3.11 …"; exit 1; }
	  $(PYTHON) -c 'import ensurepip' 2>/dev/null || {
	    echo "python: installing Debian's python3-venv"
	    apt-get update -q && apt-get install -yq --no-install-recommends python3-venv; }
	  echo "python: installing the locked packages into $(VENV) (about 2 minutes the first time)"
	  $(PYTHON) -m venv $(VENV)
	  $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt
	  cp requirements-dev.txt $(VENV)/installed.txt
	fi
	touch $(VENV)

# The policy pack's own environment: pulumi-policy does not take the program's protobuf.
policy/.venv: policy/requirements.txt | $(VENV)
	if ! cmp -s policy/requirements.txt policy/.venv/installed.txt; then
	  echo "python: installing the policy pack's packages into policy/.venv (about 15 s the first time)"
	  $(BIN)/python -m venv policy/.venv
	  policy/.venv/bin/pip install -q --disable-pip-version-check --require-hashes -r policy/requirements.txt
	  cp policy/requirements.txt policy/.venv/installed.txt
	fi
	touch policy/.venv
