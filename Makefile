# Each target is a few commands that you could type yourself. `make` alone lists them.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
# What to install. The weekly run asks for the newest versions: REQUIREMENTS="-e .[book,test]" TORCH=torch
REQUIREMENTS ?= -r requirements.txt
TORCH ?= $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.txt)
# The CPU build of torch: on Linux the ordinary one brings gigabytes of CUDA. TORCH_INDEX= takes the ordinary one.
TORCH_INDEX ?= $(shell sed -n 's/^--extra-index-url *//p' binder/requirements.txt)

BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet
SOURCES = $(shell find _config.yml _toc.yml book qtutor _ext assets -type f ! -path '*/.*' ! -path '*/__pycache__/*')

.PHONY: help book serve test lint bench clean

help:
	@echo "make book    install what is missing into $(VENV) and build the book"
	@echo "make serve   show the built book at http://127.0.0.1:$(PORT) (PORT=... for another)"
	@echo "make test    check everything: style, spelling, package, notebooks, built pages"
	@echo "make bench   measure the speed of the simulator and the training against JAX and QuTiP"
	@echo "make clean   remove the built book and all caches; $(VENV) stays"

book: _build/.built
	@echo "The book is ready. Open $(CURDIR)/_build/html/index.html in a browser, or type 'make serve'."

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

test: lint book
	$(BIN)/python -m pytest tests book --nbval-lax --nbval-cell-timeout=600

lint: $(VENV)/.installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m codespell_lib
	$(BIN)/python -m nbstripout --keep-id --verify book/*.ipynb

bench: $(VENV)/.installed
	@$(PIP) -r requirements-bench.txt
	$(BIN)/python bench/run.py

clean:
	rm -rf _build .hypothesis *.egg-info
	find book qtutor tests _ext -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf

# --all: without it Sphinx does not copy a changed script or style sheet. Notebooks come from the cache anyway.
_build/.built: $(VENV)/.installed $(SOURCES)
	@echo "Building the book (the first time runs every notebook: some minutes) ..."
	@$(BIN)/jupyter-book build --all -W -n --keep-going -q .
	@touch $@

$(VENV)/.installed: requirements.txt pyproject.toml binder/requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is " \
		+ sys.version.split()[0] + ". Try: make PYTHON=python3.12 book")'
	@echo "Installing the environment into $(VENV) (about 2 GB, one to three minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@test -z "$(TORCH_INDEX)" \
		|| $(PIP) --no-deps --retries 1 --timeout 15 --index-url $(TORCH_INDEX) $(TORCH) 2>/dev/null \
		|| echo "$(TORCH_INDEX) does not answer: taking torch from the ordinary index (on Linux several GB)."
	@$(PIP) $(REQUIREMENTS)
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@
