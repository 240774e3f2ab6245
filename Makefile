# make build [APP=directory]   build an app (by default the example) into a clean image
# make test                    everything that has to hold
# make lint                    what needs no engine
# make engine-env              the shell line that reaches the engine: eval "$(make -s engine-env)"
# make engine-stop             stop the private engine, if that is the one
# make venv                    the virtual environment alone
# make clean                   remove what these made in this directory

APP ?= examples/node-web
PYTHON ?= python3

export PYTHON
# A program of the environment is found by its name, also by programs of the environment.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

ENGINE := python -m rootfs_ansible.drive.daemon

.PHONY: build test lint engine-env engine-stop venv clean

build: .venv/ready
	@rootfs-ansible build "$(APP)"

test: lint
	@tools/packages curl=curl diffoscope=diffoscope-minimal faketime=faketime \
		gcc=gcc,libc6-dev skopeo=skopeo umoci=umoci
	@[ "$$(uname -m)" != x86_64 ] || tools/packages /lib/ld-musl-x86_64.so.1=musl
	@ansible-playbook playbooks/engine.yml
	@rm -rf .cache/molecule
	@eval "$$($(ENGINE) env)" && \
		MOLECULE_EPHEMERAL_DIRECTORY="$(CURDIR)/.cache/molecule" \
		tools/together "pytest --numprocesses=2 --dist=loadfile" "molecule test --all"

lint: .venv/ready-test
	ruff check
	ruff format --check
	mypy
	lint-imports
	ansible-lint

engine-env: .venv/ready
	@$(ENGINE) env

engine-stop: .venv/ready
	@$(ENGINE) stop

venv: .venv/ready

.venv/ready: pyproject.toml tools/venv
	@tools/venv
	@touch $@

.venv/ready-test: pyproject.toml tools/venv
	@tools/venv test
	@touch .venv/ready $@

clean:
	rm -rf .venv build dist *.egg-info .ansible .cache
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
