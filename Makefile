# Two commands are enough to begin with: `make run` and `make test`. The rest is for contributors and for `.ci/run`.
# On SQLite nothing is needed beyond Rust; what else a target needs is named beside it.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
PARTYLINE := $(TARGET)/debug/partyline
VENV := $(TARGET)/ci-venv
CLIENTS := tests/clients
CLIENTS_VENV := $(TARGET)/clients-venv
# Some tests wait for a database that does not answer: more of them than cores run at a time.
export RUST_TEST_THREADS ?= 6

.PHONY: help run test test-all lint check-format clippy schema check-schema openapi licences bench bench-postgres signatures twiml \
        durability restore bounds clients browser clients-python check-readme binary

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build what is missing and start the demo
	cargo run -- demo

test: ## every test, on SQLite
	cargo test --workspace

# Both servers live in throw-away folders on loopback ports and are gone afterwards, also when a test fails.
test-all: ## the integration tests on PostgreSQL and on MariaDB (Debian: postgresql-15, mariadb-server)
	scripts/test-databases run postgres -- cargo test --workspace --test it
	scripts/test-databases run mariadb -- cargo test --workspace --test it

lint: check-format clippy ## formatting, and clippy with warnings as errors

check-format:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# By way of a second file: a build that fails must not leave an empty schema behind.
schema: binary ## write schema.graphql anew
	$(PARTYLINE) schema > $(TARGET)/schema.graphql
	mv $(TARGET)/schema.graphql schema.graphql

check-schema: binary ## fail unless schema.graphql is what the binary prints
	$(PARTYLINE) schema | diff -u schema.graphql -

openapi: binary ## write docs/openapi.json anew; a test compares it with what is served
	$(PARTYLINE) openapi > $(TARGET)/openapi.json
	mv $(TARGET)/openapi.json docs/openapi.json

licences: ## fail if a dependency's licence or source is not one that deny.toml allows (python3)
	scripts/licences

# Ten thousand sockets need as many open files. The benches are named because `cargo bench` alone would also build, in
# the release profile, the unit tests that it then does not run.
bench: ## the benchmarks of docs/benchmarks.md, on SQLite (a quarter of an hour)
	ulimit -n "$$(ulimit -Hn)"; cargo bench --bench webhook --bench voice --bench inbox --bench live

bench-postgres: ## the webhook's benchmark on PostgreSQL, which syncs (Debian: postgresql-15)
	PARTYLINE_TEST_SYNC=1 scripts/test-databases run postgres -- cargo bench --bench webhook

signatures: binary $(VENV)/installed ## Twilio's own helper signs, we verify (python3)
	$(VENV)/bin/python tests/twilio/vectors.py | diff -u tests/twilio/vectors.json -
	$(VENV)/bin/python tests/twilio/sign_requests.py --binary $(PARTYLINE)

twiml: $(VENV)/installed ## every document of ours fits the grammar of Twilio's own library (python3)
	$(VENV)/bin/python tests/twilio/check_twiml.py --self-test
	$(VENV)/bin/python tests/twilio/check_twiml.py src/twilio/twiml/snapshots

durability: binary ## watch the sync before each 200 with strace (python3, strace)
	scripts/durability --binary $(PARTYLINE)

restore: binary ## restore a backup that was taken under load, ten times (python3)
	python3 tests/checks/restore.py --binary $(PARTYLINE)

bounds: binary ## attack a server as one user and measure what others notice (python3; about four minutes)
	for check in queries subscriptions connections; do python3 tests/checks/$$check.py --binary $(PARTYLINE); done

clients: binary $(CLIENTS)/node_modules/.package-lock.json ## other people's clients, an audit, the last release's schema (Node 20, npm)
	cd $(CLIENTS) && PARTYLINE_BINARY=$(abspath $(PARTYLINE)) npm test

browser: binary $(CLIENTS)/node_modules/.package-lock.json ## what pages of other origins can do (Node 20, npm; Debian: chromium)
	cd $(CLIENTS) && PARTYLINE_BINARY=$(abspath $(PARTYLINE)) npm run browser

clients-python: binary $(CLIENTS_VENV)/installed ## Python's gql, what is refused, and schemathesis over both APIs (python3)
	$(CLIENTS_VENV)/bin/python $(CLIENTS)/python/gql_client.py --binary $(PARTYLINE)
	$(CLIENTS_VENV)/bin/python $(CLIENTS)/python/refusals.py --binary $(PARTYLINE) --times 20
	$(CLIENTS_VENV)/bin/python $(CLIENTS)/python/fuzz.py --binary $(PARTYLINE)
	$(CLIENTS_VENV)/bin/python $(CLIENTS)/python/fuzz_rest.py --binary $(PARTYLINE)

check-readme: binary ## run the README's commands against a fresh demo (python3, curl, openssl; port 8080 must be free)
	scripts/readme-commands --binary $(PARTYLINE)

# The binary for the checks above. Built by way of the tests, because they turn on more features of shared dependencies
# and `cargo build` after `make test` would compile what stands above those a second time.
binary:
	cargo test --workspace --no-run --test it

# Only the helper's request validator and TwiML classes are used; they need the standard library alone, hence --no-deps.
$(VENV)/installed: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-deps --requirement tests/requirements.txt
	touch $@

$(CLIENTS_VENV)/installed: $(CLIENTS)/python/requirements.txt
	python3 -m venv $(CLIENTS_VENV)
	$(CLIENTS_VENV)/bin/pip install --quiet --requirement $(CLIENTS)/python/requirements.txt
	touch $@

# npm writes this file last.
$(CLIENTS)/node_modules/.package-lock.json: $(CLIENTS)/package.json $(CLIENTS)/package-lock.json
	cd $(CLIENTS) && npm ci --ignore-scripts
	touch $@
