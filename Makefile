# Two commands for a clone on a fresh machine: `make up` and `make test`.
UMIAK = .venv/bin/umiak

.PHONY: up down test lint check bench bench-scale install packages

packages:
	@scripts/packages

install:
	@scripts/install

up: packages install
	@$(UMIAK) up

down: install
	@$(UMIAK) down

test:
	@scripts/packages --test
	@scripts/install --dev
	@scripts/test

lint:
	@scripts/install --dev
	@scripts/lint

check:
	@scripts/install --dev
	@scripts/check

bench: packages install
	@.venv/bin/python bench/run.py
	@.venv/bin/python bench/testing.py
