# `make help` lists the targets. README.md explains `make up`; CONTRIBUTING.md explains the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:
PYTHON ?= python3
STACK ?= dev
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/python -m lab
# Every recipe that runs Pulumi uses the lab's own state, plugins and tools.
IN_LAB := eval "$$($(LAB) env)"; pulumi stack select --create $(STACK) >/dev/null;
# Tests that need no cluster, no root and no tool that the lab builds. The texts are for `make lint`.
UNIT := tests/unit tests/checks tests/policy/test_rules.py --ignore=tests/checks/test_broken.py \
	--ignore=tests/unit/test_english.py
# Tests mostly wait for their labs, so two files, or two meshes, run at a time.
IN_PAIRS := $(BIN)/python -m pytest --numprocesses=2 --dist=loadscope
UP := pulumi up --stack $(STACK) --yes --skip-preview

.DEFAULT_GOAL := help
.PHONY: help up preview check destroy down lab preflight toolchain unit fix lint browser test test-mesh test-all bench lock

help:                      ## this list
	awk -F ' *## ' '/^[a-z-]+:.* ## / { sub(/:.*/, "", $$1); printf "  %-10s %s\n", $$1, $$2 }' Makefile

up: lab                    ## start the lab, build the mesh of stack dev, prove it with traffic
	$(IN_LAB) $(UP)

preview: lab               ## show what `make up` would change
	$(IN_LAB) pulumi preview --stack $(STACK) --diff

check: lab                 ## check every link of the mesh from both ends; changes nothing
	$(IN_LAB) $(BIN)/python -m checks --stack $(STACK)

destroy: $(VENV)           ## remove the mesh, keep the clusters
	$(IN_LAB) pulumi destroy --stack $(STACK) --yes

down: $(VENV)              ## remove the lab
	$(LAB) down

lab: $(VENV)               ## start the clusters of lab/dev.yaml, without a mesh
	$(LAB) up

preflight: $(VENV)         ## check that the machine can run the tests, before anything is built
	$(LAB) --dir $${TMPDIR:-/tmp}/isthmus-preflight preflight --spec tests/clusters.yaml

toolchain: $(VENV)         ## build the programs and images that the lab needs, once
	$(BIN)/python -m lab.toolchain

unit: $(VENV)              ## the fast tests: no lab, no root, under a minute
	$(BIN)/python -m pytest -q --numprocesses=logical $(UNIT)

fix: $(VENV)               ## format the code, and fix what the linters can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(VENV) policy/.venv ## style, spelling and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests/unit/test_english.py
	$(BIN)/basedpyright

browser: $(VENV)           ## install the browser that tests of the checks' report need
	$(BIN)/python -m lab.toolchain browser

test: preflight browser lint toolchain  ## linters, types, and every test; each example with the install method in its file
	# In their order: the many short unit tests come last, and keep both processes busy to the end.
	$(IN_PAIRS) --no-loadscope-reorder --ignore=tests/mesh
	$(IN_PAIRS) -m "not whole_matrix" tests/mesh

test-mesh: toolchain       ## the tests on real meshes
	$(IN_PAIRS) -m "not whole_matrix" tests/mesh

test-all: test             ## `make test`, every example with the other install method, and an upgrade of Istio
	$(IN_PAIRS) -m whole_matrix tests/mesh

bench: toolchain           ## measure the figures of the README
	$(BIN)/python -m bench

lock: $(VENV)              ## pin the packages of every requirements.in, with hashes
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
