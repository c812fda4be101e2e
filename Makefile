# The one list of commands. `make` alone prints it.
PYTHON ?= python3
BIN := .venv/bin
IN_NAMESPACE := $(BIN)/python -m diemcau_controller.namespace

.PHONY: help setup demo test check lock lab soak bench image pictures clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## what the demo needs: Debian packages, Python environment, the page's files
	@tools/debian-packages.sh run
	@PYTHON=$(PYTHON) tools/python-environment.sh
	@tools/web-assets.sh

demo: setup ## three halls meet on this machine; ARGS="--once --json" for one short, judged meeting
	@$(BIN)/diemcau demo $(ARGS)

test: setup ## all tests; ARGS="-k word" for some
	@tools/debian-packages.sh test
	@tools/run-tests.sh $(ARGS)

check: setup ## format, lint, types and import boundaries only
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

lock: ## write requirements.lock from requirements.in (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --upgrade requirements.in -o requirements.lock

soak: setup ## the fault tests ten times each, axe on every page with 168 sites
	@tools/debian-packages.sh test
	@DIEMCAU_FAULTS=10 DIEMCAU_AXE_ALL=1 $(IN_NAMESPACE) $(BIN)/python -m pytest --timeout 7200 \
	  tests/system/test_faults.py tests/browser/test_widths.py $(ARGS)

bench: setup ## a hall and its devices beside Chromium: CPU, memory, joins (about 25 minutes); ARGS="--part hall --runs 3"
	@tools/debian-packages.sh bench
	@$(IN_NAMESPACE) $(BIN)/python -m tests.bench $(ARGS)

lab: setup ## a hall's machine and its faults, and a clean root; PART=healthy, clean-root, room or faults for one (docs/lab.md)
	@tools/debian-packages.sh lab
	@SUITE=$(or $(SUITE),bookworm) $(BIN)/python -m tests.lab $(PART) $(ARGS)

image: setup ## the disk image of a unit from a signed release (as root); ARCH=arm64 for Raspberry Pi; ARGS="--state-dir DIR …"
	@ARCH=$(or $(ARCH),amd64) tools/debian-packages.sh image
	@$(BIN)/python -m firmware build --arch $(or $(ARCH),amd64) $(ARGS)

pictures: setup ## the pictures in docs/pictures: every hall screen, the page
	@tools/debian-packages.sh test
	@$(IN_NAMESPACE) $(BIN)/python -m tests.lab.pictures docs/pictures

clean: ## remove what setup and the demo made in this folder
	rm -rf .venv .demo controller/frontend/node_modules controller/diemcau_controller/web/static/built
