# `make up` and `make test` are all a new user needs; README.md says what they do.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: lock lint

lock: $(VENV)
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header -p 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header -p 3.11 requirements-dev.in -o requirements-dev.txt

# The stamp is the lock itself, copied when the install has finished: a killed install runs again.
$(VENV): requirements-dev.txt
	@if ! cmp -s requirements-dev.txt $(VENV)/installed.txt; then \
	  echo "python: installing the locked packages into $(VENV) (about 2 minutes the first time)"; \
	  $(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.txt \
	  && cp requirements-dev.txt $(VENV)/installed.txt; fi
	@touch $(VENV)

lint: $(VENV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
