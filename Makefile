# `make reproduce`, `make test`, and `make figures` for the figures alone. All set up .venv from requirements.lock first.
STUDIES ?=
SCALE ?=
DATA ?=
PLAIN ?=
CORES ?= $(shell nproc)
BIN := .venv/bin

# The shell reads paths from the environment, so that blanks, quotes and parentheses in them mean nothing to it.
override DATA := $(value DATA)
export PYTHON STUDIES SCALE DATA

.PHONY: reproduce headneck figures test test-thorough test-quick lint pictures schema docs setup setup-dev setup-docs lock

# On a terminal a view of the run keeps itself up to date; elsewhere, and with PLAIN=1, there are lines.
# Snakemake reads a value as YAML, after it has taken quotes off its ends: so the blanks around the quoted folder.
reproduce: setup
	@set --; \
	[ -z "$$STUDIES" ] || set -- "$$@" "studies=$$STUDIES"; \
	[ -z "$$SCALE" ] || set -- "$$@" "scale=$$SCALE"; \
	[ -z "$$DATA" ] || set -- "$$@" "data= '$$(realpath -ms -- "$$DATA" | sed "s/'/''/g")' "; \
	[ $$# = 0 ] || set -- --config "$$@"; \
	set -- $(BIN)/snakemake --cores $(CORES) "$$@"; \
	[ ! -t 1 ] || [ -n "$(PLAIN)" ] || set -- $(BIN)/python -m crossover.execution.live "$$@"; \
	"$$@"

# Real patients: make headneck DATA=<folder>; see config/studies/headneck.yaml.
headneck: STUDIES = headneck
headneck: reproduce

# Every figure again from results/<study>/metrics.csv, into figures/: no training, no images.
comma := ,
figures: setup
	@$(BIN)/crossover figures $(subst $(comma), ,$(STUDIES)) $(if $(SCALE),--scale $(SCALE))

test: setup-dev lint
	@$(BIN)/python -m pytest -m "not thorough"

# What `test` leaves out: further variants of what it shows, and runs through Slurm, DVC and nnU-Net. CI runs both.
test-thorough: setup-dev
	@$(BIN)/python -m pytest -m thorough

# All that takes little: without networks, runs of the workflow and whole reports.
test-quick: setup-dev
	@$(BIN)/python -m pytest -m "not slow and not thorough"

lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check . || { echo "To format them: $(BIN)/ruff format ." >&2; exit 1; }
	@$(BIN)/snakefmt --check Snakefile rules || { echo "To format them: $(BIN)/snakefmt Snakefile rules" >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/hadolint envs/Containerfile

# docs/workflow.svg and docs/packages.svg, from the code.
pictures: setup-dev
	@$(BIN)/python -m docs.draw

# config/schema.json, by which editors check a study, and the reference's pages of keys and commands: from the code.
schema: setup
	@$(BIN)/python -m docs.reference

# The documentation as a site in site/, from docs/ and mkdocs.yml; a broken link stops it. Open site/index.html.
docs: setup-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html: $$(find site -name '*.html' | wc -l) pages"

# What runs; with what only tests and benchmarks need; with what builds the documentation.
setup:
	@envs/setup.sh
setup-dev:
	@envs/setup.sh dev
setup-docs:
	@envs/setup.sh docs

# requirements.lock from pyproject.toml: versions stay where they may. `make lock UPGRADE=--upgrade` takes new ones.
UV ?= $(BIN)/uv
lock:
	@$(BIN)/python envs/lock.py $(UV) $(UPGRADE)
