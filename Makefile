# Everything a developer or a newcomer types. Each target sets up what it needs; nothing is global but
# the caches of pip, npm and ~/.cache/perdure.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.PHONY: demo test check bench install lock proto clean

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "perdure needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
ifdef UV
	uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	uv pip install --quiet --python $(BIN)/python -r requirements.lock
	uv pip install --quiet --python $(BIN)/python --no-deps -e .
else
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
endif
	@touch $@

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q

clean:
	rm -rf build dist $(VENV) node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The generated wire module is committed; protoc is only needed to change it. Output of the 6.x line runs
# on protobuf 6 and 7, so users are not tied to one major version.
proto:
	test -x build/protoc/bin/python || $(PYTHON) -m venv build/protoc
	build/protoc/bin/python -m pip install --quiet --disable-pip-version-check grpcio-tools==1.73.1
	build/protoc/bin/python -m grpc_tools.protoc -I src --python_out=src --pyi_out=src src/perdure/protocol/proto/service_protocol.proto
