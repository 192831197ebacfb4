# Every target sets up what it needs: .venv from requirements.txt, MNIST and avatars in data/, and
# `bench` and `port-test` .venv-torch, because PyTorch in one process with MXNet hangs. `book` has
# .venv-book alone.

# Scripts in a virtual environment hold its path, so a moved or copied one is made anew.
STAMP := .ready-$(shell pwd | cksum | cut -d' ' -f1)
READY := .venv/$(STAMP)
TORCH_READY := .venv-torch/$(STAMP)
BOOK_READY := .venv-book/$(STAMP)
COURSE_PYTHON ?= .venv/bin/python
IS_PYTHON_311 := import sys; sys.exit(sys.version_info[:2] != (3, 11))
FIND_PYTHON = for python in python3.11 python3; do \
	$$python -c '$(IS_PYTHON_311)' 2>/dev/null && break; python=; done
# The chapters' networks are small: with one thread they train 1.6 times as fast as with two.
ONE_THREAD := OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1}
# As conftest.py has it: outputs that are committed must be those that the tests find again.
AS_IN_TESTS := env -u MPLBACKEND PYTHONHASHSEED=0 OMP_NUM_THREADS=1 MXNET_CPU_WORKER_NTHREADS=1 \
    IPYTHONDIR=$$(mktemp -d)
# What people set for other environments, other installations and other kernels.
unexport PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_ROOT PIP_NO_DEPS PIP_DRY_RUN JUPYTER_PATH
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export JUPYTER_PREFER_ENV_PATH := 1
# The configuration of a virtual environment counts more than its user's, and empty is not set.
UNSET := target= prefix= root= user= no-deps= dry-run=
UNSET_PIP := printf '%s\n' '[global]' $(UNSET) '[install]' $(UNSET)
KEPT := {'kernelspec', ('language_info', 'name')}
CHAPTERS := notebooks/*.ipynb tests/chapter_template.ipynb

.PHONY: help run test lab chapters bench port-test book book-test lint clean data needs
.NOTPARALLEL:  # two trainings at once would only fight for the cores

help:
	@echo 'make run       execute the chapters into runs/course/, with a report and a table'
	@echo 'make test      unit tests, and every chapter against its stored outputs'
	@echo 'make lab       open the chapters in JupyterLab'
	@echo 'make chapters  execute the chapters in place, ready to be committed'
	@echo 'make bench     time the training against PyTorch, with nothing else running: 20 minutes'
	@echo 'make port-test  set PyTorch up and test the port, which runs the study at its own size'
	@echo 'make book      the course as web pages, with an explorer: book/_build/html/index.html'
	@echo 'make book-test every page and the explorer in a headless Chromium: 5 minutes'
	@echo 'make lint      check the code and the chapters with ruff'
	@echo 'make clean     delete each .venv, caches, pages and runs/course/; data and other runs stay'

run: data
	@.venv/bin/python -m d2lvae course

test: data
	@.venv/bin/pytest --nbval -n auto --dist loadfile

lab: data
	@$(ONE_THREAD) .venv/bin/jupyter lab notebooks

chapters: data
	@$(AS_IN_TESTS) .venv/bin/jupyter nbconvert --to notebook --inplace --execute \
	    --ClearMetadataPreprocessor.enabled=True \
	    --ClearMetadataPreprocessor.preserve_cell_metadata_mask=tags \
	    --ClearMetadataPreprocessor.preserve_nb_metadata_mask="$(KEPT)" \
	    $(CHAPTERS)

bench: needs $(TORCH_READY)
	@.venv/bin/python benchmarks/run.py .venv-torch/bin/python

port-test: data $(TORCH_READY)
	@.venv-torch/bin/python -m pytest port

book: $(BOOK_READY)
	@.venv-book/bin/python book/assemble.py
	@.venv-book/bin/jupyter-book build book/_source --path-output book --quiet

# The explorer's decoder is compared with that of the package, which needs MXNet's environment.
book-test: $(READY) book
	@COURSE_PYTHON=$(COURSE_PYTHON) .venv-book/bin/pytest -c book/tests/pytest.ini book/tests

lint: $(READY)
	@.venv/bin/ruff check d2lvae tests notebooks solutions benchmarks port book conftest.py
	@.venv/bin/ruff format --check d2lvae tests notebooks solutions benchmarks port book conftest.py

clean:
	@rm -rf .venv .venv-torch .venv-book d2lvae.egg-info .pytest_cache .ruff_cache runs/course
	@rm -rf book/_source book/_build
	@find . -name __pycache__ -prune -exec rm -rf {} +
	@find . -name .ipynb_checkpoints -prune -exec rm -rf {} +

needs: $(READY)
	@.venv/bin/python benchmarks/needs.py

data: $(READY)
	@.venv/bin/python -m d2lvae data >/dev/null

# The stamp comes last: an environment without it was left half made, and is begun anew.
$(READY): requirements.txt pyproject.toml
	@[ "$$(uname -sm)" = 'Linux x86_64' ] || { echo 'MXNet 1.9.1 and the other pinned packages' \
	    'are for Linux on x86_64: use such a machine, or a container on one.' >&2; exit 1; }
	@$(FIND_PYTHON); \
	[ "$$python" ] || { echo 'Python 3.11 was not found, and MXNet 1.9.1 with NumPy 1.23.5 works' \
	    'with no other: install it so that python3.11 is on the PATH, and repeat.' >&2; exit 1; }; \
	[ -e $@ ] || $$python -m venv --clear .venv || { echo 'The virtual environment .venv was not' \
	    'made: install what the lines above ask for (on Debian and Ubuntu python3.11-venv), and' \
	    'repeat.' >&2; exit 1; }
	@echo 'Setting up .venv with the packages of requirements.txt, once: half a minute and the' \
	    'time of the download; 1 GB of disk.'
	@rm -f $@
	@$(UNSET_PIP) > .venv/pip.conf
	@echo 'unset JUPYTER_PATH PYTHONPATH  # which come first' >> .venv/bin/activate
	@# uv takes a fifth of the time of pip, which knows every kind of mirror. All is compiled here:
	@# where PYTHONDONTWRITEBYTECODE is set, as in many containers, every kernel would do it anew.
	@index=$${PIP_INDEX_URL:-$$(.venv/bin/pip config get global.index-url 2>/dev/null)}; \
	.venv/bin/pip install -qq --no-deps -c requirements.txt uv && \
	.venv/bin/uv pip install -q --no-config --python .venv/bin/python --link-mode copy \
	    --compile-bytecode $${index:+--default-index "$$index"} -r requirements.txt -e . 2>/dev/null || \
	.venv/bin/pip install -qq -r requirements.txt -e . || { \
	    echo 'The packages were not installed: mend what the lines above name (the network, a' \
	    'full disk, a setting of pip), and repeat.' >&2; exit 1; }
	@.venv/bin/python -c 'import d2lvae' || { echo 'MXNet does not load: install the system' \
	    'library that the line above names (on Debian and Ubuntu libgomp1 or libquadmath0), and' \
	    'repeat.' >&2; exit 1; }
	@touch $@

$(TORCH_READY): port/requirements.txt | $(READY)
	@[ -e $@ ] || .venv/bin/python -m venv --clear .venv-torch
	@echo 'Setting up .venv-torch, once: minutes, and 1 GB of disk, or several with the CUDA build.'
	@rm -f $@
	@$(UNSET_PIP) > .venv-torch/pip.conf
	@.venv-torch/bin/pip install -qq --disable-pip-version-check -r port/requirements.txt || { \
	    echo 'PyTorch was not installed: mend what the lines above name (the network, a full disk),' \
	    'and repeat.' >&2; exit 1; }
	@touch $@

$(BOOK_READY): book/requirements.txt
	@$(FIND_PYTHON); \
	[ "$$python" ] || { echo 'Python 3.11 was not found, for which the packages of the book' \
	    'are pinned: install it so that python3.11 is on the PATH, and repeat.' >&2; exit 1; }; \
	[ -e $@ ] || $$python -m venv --clear .venv-book || { echo 'The virtual environment .venv-book' \
	    'was not made: install what the lines above ask for (on Debian and Ubuntu' \
	    'python3.11-venv), and repeat.' >&2; exit 1; }
	@echo 'Setting up .venv-book, once: a minute, and 650 MB of disk.'
	@rm -f $@
	@$(UNSET_PIP) > .venv-book/pip.conf
	@.venv-book/bin/pip install -qq --disable-pip-version-check -r book/requirements.txt || { \
	    echo 'The packages were not installed: mend what the lines above name (the network, a full' \
	    'disk), and repeat.' >&2; exit 1; }
	@touch $@
