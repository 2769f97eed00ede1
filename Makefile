# Everything starts here: `make help` lists the targets.
# Options: PYTHON=/path/to/python3.11  VENV=directory  SEED=0  PYTEST_ARGS="-m 'not slow'"  LAB_ARGS=--no-browser  SITE_ARGS='--notebooks runs/default/notebooks/tabletop'

VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTEST_ARGS ?=
SEED ?= 0

STAMP := $(VENV)/.installed
UNFINISHED := $(VENV)/.unfinished
PY := $(VENV)/bin/python

define CHECK_PYTHON
@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { \
	echo "error: Python 3.11 is needed (the lock is for it; 'pip install .' takes newer ones), but '$(PYTHON)' is not that." >&2; \
	echo "       Install it, or say where it is: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
endef

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env reproduce smoke lab results report figures site test lint style types lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env: $(STAMP) ## make the virtual environment from requirements.lock, if missing or out of date

# The stamp is written last. An environment whose making was interrupted bears the mark .unfinished and is made
# anew; a directory with neither was not made here and is left alone.
$(STAMP): requirements.lock pyproject.toml
	$(CHECK_PYTHON)
	@if [ -e "$(VENV)" ] && [ ! -e "$(STAMP)" ] && [ ! -e "$(UNFINISHED)" ]; then \
		echo "error: $(VENV) exists but was not made by this Makefile; remove it or choose another with VENV=…" >&2; exit 1; fi
	@if [ -e "$(UNFINISHED)" ]; then rm -rf "$(VENV)"; fi
	@mkdir -p "$(VENV)" && touch "$(UNFINISHED)" && rm -f "$(STAMP)"
	"$(PYTHON)" -m venv "$(VENV)"
	"$(PY)" -m pip install --disable-pip-version-check -r requirements.lock
	"$(PY)" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@mv "$(UNFINISHED)" "$(STAMP)" && touch "$(STAMP)"

reproduce: env ## from nothing to figures, tables and records: the seven notebooks on tabletop (about 16 minutes)
	"$(PY)" -m wsss run --profile default --data tabletop --seed $(SEED)

smoke: env ## the seven notebooks, tiny: does it run? (≤ 5 min, not a result)
	"$(PY)" -m wsss run --profile smoke --data tabletop

# The kernel is the environment's own: JupyterLab started from elsewhere finds it too, under this name. Markdown, the contents
# page above all, opens as a page in this environment's JupyterLab.
LAB_SETTINGS := $(VENV)/share/jupyter/lab/settings/overrides.json
KERNEL := $(VENV)/share/jupyter/kernels/wsss-depth-cam/kernel.json

lab: $(KERNEL) $(LAB_SETTINGS) ## open JupyterLab on the contents page
	"$(PY)" -m jupyterlab --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/README.md $(LAB_ARGS)

$(KERNEL): $(STAMP)
	"$(PY)" -m ipykernel install --prefix "$(VENV)" --name wsss-depth-cam --display-name "wsss-depth-cam"

$(LAB_SETTINGS): $(STAMP)
	@mkdir -p "$(dir $@)"
	@printf '{"@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}}}\n' >"$@"

results: env ## make what is missing of the committed records and merge them (PARTS="tabletop-0 series": these alone; hours, resumable)
	"$(PY)" -m wsss results $(PARTS)
	"$(PY)" -m wsss presets --measure

report: env ## draw tables and figures anew from the records
	"$(PY)" -m wsss report

figures: env ## draw all of figures/ anew: charts from records, pictures from a run (made first if it is not in the cache)
	"$(PY)" -m wsss figures

SITE_TOOLS := $(VENV)/.site

$(SITE_TOOLS): $(STAMP)
	"$(PY)" -m pip install --disable-pip-version-check -c requirements.lock --no-build-isolation -e ".[site]"
	@touch "$@"

site: $(SITE_TOOLS) ## build a static site in docs/build from the notebooks' outputs, README and docstrings; check its links
	"$(PY)" docs/build.py $(SITE_ARGS)

# Files of a release, in dist/. Nothing is trained; what is missing is named with the command that makes it.
.PHONY: release
RELEASE_ARGS ?=

release: $(SITE_TOOLS) ## build wheel, sdist, site, weights, labels, scenes, checksums in dist/ (RELEASE_ARGS=--partial: what is there)
	"$(PY)" .ci/release.py $(RELEASE_ARGS)

test: env ## run the tests, the smoke run of all seven notebooks included
	WSSS_LOCKED=1 "$(PY)" -m pytest $(PYTEST_ARGS)

lint: style types ## style, format and types

style: env
	"$(PY)" -m ruff check .
	"$(PY)" -m ruff format --check .

types: env
	"$(PY)" -m mypy

lock: ## resolve requirements.lock anew from pyproject.toml (on Linux x86-64)
	$(CHECK_PYTHON)
	"$(PYTHON)" .ci/lock.py

clean: ## remove the environment and caches (not runs/, which may hold hours of work)
	@if [ -e "$(STAMP)" ] || [ -e "$(UNFINISHED)" ]; then rm -rf "$(VENV)"; fi
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -path './.venv*' -prune -o -name __pycache__ -prune -exec rm -rf {} +
