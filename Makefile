.PHONY: setup test lint format demo

setup:
	./scripts/setup

test:
	./scripts/test

lint:
	./scripts/setup
	./scripts/lint

format:
	./scripts/setup
	./scripts/lint --fix

demo:
	./scripts/demo
