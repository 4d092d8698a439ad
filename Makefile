# The one door to this project. It needs python3 >= 3.11, make and git; everything else goes into .venv.

PYTHON ?= python3
# More than two cores have: a third of a test's time is waiting.
JOBS ?= 3
ARGS ?=
FUZZ_SECONDS ?= 300

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
CODE := src tests bench tools

export UV_PROJECT_ENVIRONMENT := $(VENV)
# Trust the certificates that this machine trusts (behind a company's proxy uv's own list is not enough).
export UV_SYSTEM_CERTS ?= 1
unexport VIRTUAL_ENV

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup demo serve test check format-check lint types contracts fix bench fuzz bench-claude bench-opencode test-clients test-claude test-opencode package pex test-package test-deploy sbom lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Words for the command itself go into ARGS: make test ARGS='-k stream'"

setup: $(STAMP) ## make .venv with everything in it (every other target does so when needed)
	@echo '$(VENV) is ready'

# `uv sync` removes what the lock file does not name. uv itself is therefore in the dev group: the one that pip puts
# into .venv where there is none on the PATH is replaced by the locked one, and stays.
$(STAMP): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "make: \`$(PYTHON)\` is missing or older than Python 3.11; hint: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@set -e; \
	if uv --version >/dev/null 2>&1; then \
		uv sync --quiet --frozen --python "$(PYTHON)"; \
	else \
		if ! $(BIN)/uv --version >/dev/null 2>&1; then \
			$(PYTHON) -m venv --clear $(VENV) \
				|| { echo "make: Python's venv module is incomplete; hint: install python3-venv, or uv" >&2; exit 1; }; \
			$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13'; \
		fi; \
		$(BIN)/uv sync --quiet --frozen --python $(BIN)/python; \
	fi
	@touch $@

demo: $(STAMP) ## watch two official SDKs hold tool loops through the gateway; no key, no network
	@$(BIN)/dragoman demo $(ARGS)

serve: $(STAMP) ## run the gateway on 127.0.0.1:4747
	@$(BIN)/dragoman serve $(ARGS)

test: $(STAMP) ## run all tests and print coverage
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov $(ARGS)

check: format-check lint types contracts test ## everything that has to hold: format, lint, types, contracts, docs, tests

format-check: $(STAMP)
	$(BIN)/ruff format --check $(CODE)

lint: $(STAMP)
	$(BIN)/ruff check $(CODE)

types: $(STAMP)
	$(BIN)/mypy $(CODE)

contracts: $(STAMP)
	$(BIN)/lint-imports --no-logo

fix: $(STAMP) ## repair what a machine can: lint, format, generated docs
	$(BIN)/ruff check --fix $(CODE) || true
	$(BIN)/ruff format $(CODE)
	$(BIN)/python -m tools.docs

bench: $(STAMP) ## measure CPU per request and per event
	$(BIN)/python -m bench $(ARGS)

fuzz: $(STAMP) ## feed damaged traffic to every decoder and endpoint, new each time, for FUZZ_SECONDS (300)
	@end=$$(( $$(date +%s) + $(FUZZ_SECONDS) )); \
	while [ "$$(date +%s)" -lt "$$end" ]; do \
		$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --hypothesis-profile=fuzz -q --timeout 1200 \
			tests/conformance tests/gateway/test_fuzz.py $(ARGS) || exit 1; \
	done

bench-claude: $(STAMP) ## measure the Claude back end: time to the upstream, CPU and memory of a conversation
	$(BIN)/python -m bench.claude $(ARGS)

bench-opencode: $(STAMP) ## measure the way through OpenCode: latency, CPU and memory (after make test-opencode)
	$(BIN)/python -m bench.opencode $(ARGS)

test-clients: $(STAMP) ## run the real coding agents through the gateway (fetches them from npm and PyPI)
	$(BIN)/python -m tests.clients $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m pytest -m slow tests/gateway/opencode_server/test_agents.py tests/cli/test_server_openai.py)

test-claude: $(STAMP) ## run all tests of the Claude back end, the slow ones too
	$(BIN)/python -m pytest -m "slow or not slow" tests/upstreams/claude_agent tests/gateway/claude_agent $(ARGS)

test-opencode: $(STAMP) ## run the tests of OpenCode's models before the real OpenCode, too (fetches it from npm)
	$(BIN)/python -m pytest -m "slow or not slow" tests/upstreams/opencode_server tests/gateway/opencode_server \
		tests/cli/test_server_openai.py $(ARGS)

package: $(STAMP) ## build wheel and source distribution into dist/, and check both
	rm -rf dist
	$(BIN)/uv build --quiet --out-dir dist
	$(BIN)/uv tool run check-wheel-contents@0.6.3 dist/*.whl
	$(BIN)/uv tool run twine@7.0.0 check --strict dist/*.whl dist/*.tar.gz

pex: package ## the same and dist/dragoman.pex, one file that a python3 runs
	$(BIN)/uv tool run pex@2.105.2 dist/*.whl --console-script dragoman --output-file dist/dragoman.pex

test-package: package ## install the wheel in every way that docs/install.md tells (fetches from PyPI)
	$(BIN)/python -m pytest -m slow tests/package $(ARGS)

test-deploy: $(STAMP) ## build and run the deployments, and judge their files; says what it leaves out, and why
	$(BIN)/python -m pytest -m "slow or not slow" -o faulthandler_timeout=1500 tests/deploy $(ARGS)

sbom: $(STAMP) ## write dist/sbom.cdx.json, what a release consists of (CycloneDX)
	mkdir -p dist
	$(BIN)/uv export --quiet --frozen --no-dev --all-extras --format cyclonedx1.5 --output-file dist/sbom.cdx.json

lock: $(STAMP) ## renew uv.lock after a change in pyproject.toml
	env -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS $(BIN)/uv lock --default-index https://pypi.org/simple

clean: ## remove .venv and everything that can be made again
	rm -rf $(VENV) build dist .coverage .coverage.* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
