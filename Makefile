# Short recipes for people; .ci/run calls the same. Needs Python >= 3.11 (with venv), git and make.
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= 2
unexport PYTHONDONTWRITEBYTECODE  # every command is a process, and would compile all that it imports anew

.PHONY: demo test test-deep test-attacks test-hosts test-kills test-chaos test-spark check docs proto bench sbom clean

demo: .venv/demo.stamp  ## a whole data space on this machine, in about two minutes
	$(BIN)/hefu demo

test: .venv/dev.stamp  ## everything but the minutes-long attacks
	$(BIN)/pytest -m "not slow and not spark" -n $(JOBS) --dist loadfile --no-loadscope-reorder

# The parts of test-deep, each an hour or less: make test-deep PART=policies
DEEP_policies := tests/policies
DEEP_statistics := tests/connector
DEEP_stores := tests/contracts tests/journeys tests/operations
DEEP_ciphertexts := tests/attacks
PART ?= policies statistics stores ciphertexts
test-deep: .venv/dev.stamp  ## random policies, data, ciphertexts and orders of events by the hundred thousand, all or one PART
	HEFU_DEEP=1 $(BIN)/pytest -m deep -n $(JOBS) $(foreach part,$(PART),$(or $(DEEP_$(part)),$(error no part $(part))))

test-attacks: .venv/dev.stamp  ## the attacks on the promise, with the slow ones
	$(BIN)/pytest tests/attacks

test-kills: .venv/dev.stamp  ## 500 processes killed at a write of log or journal, with a witness that must not be contradicted
	HEFU_DEEP=1 $(BIN)/pytest tests/chaos/test_killed_writes.py -n $(JOBS)

test-hosts: .venv/dev.stamp  ## the demo's story on two hosts, one behind a firewall (namespaces: needs root)
	$(BIN)/pytest tests/journeys/test_two_hosts.py

test-spark: .venv/dev.stamp .venv/spark.stamp  ## the same whole numbers on a real Spark Connect server (needs Java 17)
	$(BIN)/pytest tests/connector/test_spark.py

SEEDS ?= 500
test-chaos: .venv/dev.stamp  ## a bad day: simulated spaces by seed (SEEDS=500), then real processes that are killed
	$(BIN)/python -m hefu_space.simulator --seeds $(SEEDS)
	$(BIN)/pytest tests/chaos

check: .venv/dev.stamp  ## style, types, floors, wire format, generated files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd proto && ../$(BIN)/buf lint
	cd proto && ../$(BIN)/buf breaking --against baseline.binpb
	$(BIN)/python proto/generate.py --check
	$(BIN)/python docs/generate.py --check

docs: .venv/dev.stamp  ## docs/errors.md and docs/rpc.md from their sources
	$(BIN)/python docs/generate.py

proto: .venv/dev.stamp  ## stubs from the .proto files
	cd proto && ../$(BIN)/buf lint
	$(BIN)/python proto/generate.py

proto/baseline.binpb: .venv/dev.stamp  ## only on a release: what the wire must stay compatible with (see proto/README.md)
	cd proto && ../$(BIN)/buf build -o baseline.binpb

bench: .venv/dev.stamp  ## figures of this machine into benchmarks/results
	for each in start negotiation release; do $(BIN)/python benchmarks/$$each.py || exit 1; done
	for each in engine ledger policy_decision; do \
	  { date -u +'%F %H:%M UTC'; uname -ms; nproc; $(BIN)/python benchmarks/$$each.py || exit 1; } \
	  | tee benchmarks/results/$$each-$$(date -u +%F).txt; done

sbom: .venv/dev.stamp  ## what the images are made of, as CycloneDX, into dist/
	$(BIN)/python deploy/sbom.py

clean:  ## everything that a recipe made
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis hefu-demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pip.stamp: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Hefu needs Python 3.11 or newer: make PYTHON=python3.x")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	touch $@

.venv/demo.stamp: .venv/pip.stamp pyproject.toml
	test -e .venv/dev.stamp || $(BIN)/pip install --quiet -c constraints.txt -e '.[demo]'
	touch $@

.venv/spark.stamp: .venv/pip.stamp tests/spark-server.txt
	$(PYTHON) -m venv .venv/spark-server
	.venv/spark-server/bin/pip install --quiet -r tests/spark-server.txt
	touch $@

.venv/dev.stamp: .venv/pip.stamp pyproject.toml
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
