# Targets that need nothing but `pip install -e '.[dev]'`.
PYTHON ?= python
CODE = schemas catalogs transforms pipelines tests

.PHONY: check lint format types test build

check: lint types test

lint:
	$(PYTHON) -m ruff check $(CODE)
	$(PYTHON) -m ruff format --check $(CODE)

format:
	$(PYTHON) -m ruff check --fix $(CODE)
	$(PYTHON) -m ruff format $(CODE)

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -q

build:
	$(PYTHON) -m build
