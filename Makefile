# One-word tasks; CONTRIBUTING.md says what each needs.
.PHONY: build test lint docs bench
build:
	python setup.py -q build_ext --inplace
test: build
	pytest
lint:
	ruff check .
	cython-lint src initcore
	mypy
	lint-imports
docs:
	python -m sphinx -W --keep-going -b html docs docs/_build/html
bench:
	python -m benchmarks.compare
