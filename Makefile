# Every target sets up what it needs: a virtual environment with the versions that were tested.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CODE := evo tracking deploy experiments tests

# Tests begin hundreds of Python processes, each of which would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: ready search test test-slow check generate wheel constraints format clean browser postgresql faketime docker stack secrets

ready: $(READY)

search: $(READY)
	$(BIN)/evonum search exp2 --interval 0 1 --max-ops 8 --time 60s --seed 0

test: check
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto --dist loadfile --no-loadscope-reorder

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow --numprocesses auto --dist loadfile

# What slow tests take of Debian, as root: a browser without a download, Docker without a registry.
browser:
	apt-get install --yes --no-install-recommends chromium fonts-dejavu-core

postgresql:
	apt-get install --yes --no-install-recommends postgresql

faketime:
	apt-get install --yes --no-install-recommends faketime

docker:
	apt-get install --yes --no-install-recommends docker.io docker-compose debootstrap

# PostgreSQL, MLflow with accounts, a Ray head and the service as plain processes, until Ctrl-C.
stack: $(READY)
	$(BIN)/python -m deploy.stack

# For compose.yaml. The folder is its owner's alone; in a container another user reads the files.
secrets:
	mkdir --mode=700 secrets
	for name in admin database pages ray; do head --bytes=24 /dev/urandom | base64 | tr '/+' '_-' | tr -d '\n' > secrets/$$name; done
	chmod 444 secrets/*

check: $(READY)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports

generate: $(READY)
	$(BIN)/python -c "from evo.exports.numpy import arithmetic; print(arithmetic(), end='')" > tracking/arithmetic.py

# Kernels compiled ahead go into the wheel: where there is no gcc they are used. The tag is that of the C library
# that they need at least (tests/test_wheel.py compares); the processor is x86-64 for the same reason.
wheel: $(READY)
	rm -rf build dist
	$(BIN)/python -m evo.kernels.prebuilt
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist \
		--config-settings=--build-option=--plat-name=manylinux_2_29_x86_64 .

# After an upgrade: what is installed, and nothing else.
constraints: $(READY)
	echo "# Versions that were tested, by make constraints: pip install --constraint constraints.txt" > constraints.txt
	$(BIN)/pip freeze --exclude-editable --exclude evonumerics >> constraints.txt

format: $(READY)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

clean:
	rm -rf $(VENV)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "evonum needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 " + sys.version)'
	@echo "installing what evonum needs into $(VENV): 1.8 GB, a few minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev,team]"
	touch $@
