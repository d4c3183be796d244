# Needs python3 (3.11 or newer) and make. Everything else is set up in .venv, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python

.PHONY: demo test randomized check docs coverage mutants fuzz bench pictures format clean

demo: $(INSTALLED)
	@$(BIN)/python -m aioimagebuilder demo

# In three processes, since many tests wait in real time. To debug one test: `make test ARGS="-n 0 -k NAME"`.
test: $(READY)
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

# Random scenarios on virtual time: `make randomized N=20000`. One of them again: `make randomized SEED=42`.
randomized: $(READY)
	@PYTHONPATH=tests $(BIN)/python -m randomized --backend $(or $(BACKEND),asyncio) \
		$(if $(SEED),--seed $(SEED),--number $(or $(N),1000) --first $(or $(FIRST),0))

check: $(READY) docs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonpath $(BIN)/python --level error tests/typing/public_api.py
	$(BIN)/python tests/typing/verify_types.py
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --min-severity medium .github

# The documentation, with warnings as errors: build/docs/index.html.
docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet -f docs/_config/mkdocs.yml

# Coverage of lines and branches of the core: less than 98 % is an error.
coverage: $(READY)
	@$(INSTALL) --group coverage
	$(BIN)/coverage run -m pytest tests/unit tests/behavior tests/fuzz tests/integration $(ARGS)
	$(BIN)/coverage report

# Mutates the modules that decide when and what is polled, and lists the mutants that no test detects: a quarter of
# an hour. `.venv/bin/mutmut show NAME` shows one.
mutants: $(READY)
	@$(INSTALL) --group mutants
	$(BIN)/mutmut run $(ARGS)
	$(BIN)/mutmut results

# Mutates responses of the service, guided by coverage, until one crashes the code that reads it. The corpus is
# kept in .fuzz/. There are wheels of atheris for Linux only.
SECONDS ?= 60
fuzz: $(READY)
	@$(INSTALL) --group fuzz
	$(BIN)/python tests/fuzz/fuzz_responses.py -max_total_time=$(SECONDS) $(ARGS)

# Compares the library with other waiters, in about half an hour. `make bench ARGS=--quick` omits the slow ones.
bench: $(READY)
	$(BIN)/python tests/benchmarks/herd.py $(ARGS)
	$(BIN)/python tests/benchmarks/single_wait.py
	$(BIN)/python tests/benchmarks/hinted_wait.py
	$(BIN)/python tests/benchmarks/many_waits.py
	$(BIN)/python tests/benchmarks/scale.py
	$(BIN)/python tests/benchmarks/hooks.py
	$(BIN)/python tests/benchmarks/forecasts.py $(ARGS)

# The pictures of the README and the documentation.
pictures: $(READY)
	$(BIN)/python docs/pictures/draw.py

format: $(READY)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf $(VENV) .venv-* build dist

# Both are set up again when pyproject.toml changes. uv downloads in parallel, so `make demo` starts within a minute.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Installing the library, its command line and its simulator in $(VENV) (once, up to a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	@$(INSTALL) --editable '.[cli,testing]'
	@touch $@

$(READY): $(INSTALLED)
	@echo "Installing what the tests and checks need in $(VENV) (once, up to a minute) ..."
	@$(INSTALL) --editable '.[cli,testing,trio,otel]' --group test --group check
	@touch $@
