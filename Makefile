# `make run` and `make test` are enough to start with. The other targets are for contributors and for `.ci/run`.
# Every target needs Rust and a C compiler; further requirements are named in parentheses in its description.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),target)
PARTYLINE := $(TARGET)/debug/partyline
VENV := $(TARGET)/ci-venv
CLIENTS := tests/clients
CLIENTS_VENV := $(TARGET)/clients-venv
COMPARE := benches/compare
COMPARE_TARGET := $(TARGET)/compare
PEERS := $(COMPARE_TARGET)/peers
GROWTH := benches/growth
# More test threads than cores, because some tests wait for a database that does not respond.
export RUST_TEST_THREADS ?= 6

.PHONY: help run test test-full test-all lint check-format clippy schema check-schema openapi licenses bench bench-postgres \
        compare compare-report growth growth-report check-compare signatures twiml durability restore bounds clients browser clients-python \
        check-readme binary

help: ## list all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build Partyline and start the demo
	cargo run -- demo

# Twice as many threads as cores: the tests wait for sockets part of their time.
test: ## the tests that take less than a minute, on SQLite
	cargo test --workspace -- --test-threads=$$(( $$(nproc) * 2 ))

# Slow tests, and tests of one kind of database, are marked #[ignore] with their reason. The names of the latter end in
# `_on_sqlite` or `_on_a_server`.
test-full: test ## every test, on SQLite
	cargo test --workspace --test it -- --ignored --skip _on_a_server

# Both servers run in temporary folders on loopback ports, and are stopped and removed even if a test fails.
test-all: ## every integration test on PostgreSQL and on MariaDB (Debian: postgresql-15, mariadb-server)
	scripts/test-databases run postgres -- cargo test --workspace --test it -- --include-ignored --skip _on_sqlite
	scripts/test-databases run mariadb -- cargo test --workspace --test it -- --include-ignored --skip _on_sqlite

lint: check-format clippy ## check the formatting, and run clippy with warnings as errors

check-format:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- -D warnings

# The output goes to a second file first, so that a failure does not leave an empty schema.
schema: binary ## regenerate schema.graphql
	$(PARTYLINE) schema > $(TARGET)/schema.graphql
	mv $(TARGET)/schema.graphql schema.graphql

check-schema: binary ## fail if schema.graphql differs from the schema that the binary prints
	$(PARTYLINE) schema | diff -u schema.graphql -

openapi: binary ## regenerate docs/openapi.json; a test compares it with the served document
	$(PARTYLINE) openapi > $(TARGET)/openapi.json
	mv $(TARGET)/openapi.json docs/openapi.json

licenses: ## fail if deny.toml does not allow the license or source of a dependency (python3)
	scripts/licenses

# `live` opens ten thousand sockets and needs as many open files. The benchmarks are named because a plain `cargo bench`
# also builds the unit tests in the release profile, without running them.
bench: ## run the benchmarks of docs/benchmarks.md on SQLite (about 15 minutes)
	ulimit -n "$$(ulimit -Hn)"; cargo bench --bench webhook --bench voice --bench inbox --bench live

bench-postgres: ## run the webhook benchmark on PostgreSQL, with each commit synced to disk (Debian: postgresql-15)
	PARTYLINE_TEST_SYNC=1 scripts/test-databases run postgres -- cargo bench --bench webhook

# The load generators are a workspace of their own; benches/compare/Cargo.toml says why.
compare: $(PEERS)/installed ## compare the release binary with GraphQL Yoga and Mercurius, and update docs/benchmarks.md (Node 20, npm, python3; about ten minutes)
	cargo build --release --locked
	cargo build --release --locked --manifest-path $(COMPARE)/Cargo.toml --target-dir $(COMPARE_TARGET)
	python3 $(COMPARE)/compare.py --partyline $(TARGET)/release/partyline --generators $(COMPARE_TARGET)/release \
		--node-modules $(PEERS)/node_modules --docs docs

compare-report: ## update docs/benchmarks.md and its pictures from docs/benchmarks/compare.json, without measuring (python3)
	python3 $(COMPARE)/compare.py --from docs/benchmarks/compare.json --docs docs

# A gibibyte of buffer cache, as an operator with millions of messages would give the server.
growth: ## measure what grows with 10 thousand, 1 and 5 million messages, and update docs/benchmarks.md (python3; Debian: postgresql-15, mariadb-server; about 45 minutes)
	cargo build --release --locked
	cargo build --release --locked --manifest-path $(COMPARE)/Cargo.toml --target-dir $(COMPARE_TARGET)
	measure() { \
		local database=$$1; shift; \
		"$$@" python3 $(GROWTH)/growth.py --database $$database --partyline $(TARGET)/release/partyline \
			--generators $(COMPARE_TARGET)/release --docs docs; \
	}; \
	measure sqlite; \
	export PARTYLINE_TEST_SYNC=1 PARTYLINE_TEST_CACHE=1024; \
	for database in postgres mariadb; do measure $$database scripts/test-databases run $$database --; done

growth-report: ## update docs/benchmarks.md from docs/benchmarks/growth-*.json, without measuring (python3)
	python3 $(GROWTH)/growth.py --docs docs

check-compare: ## test the reports of `make compare` and `make growth` (python3)
	for folder in $(COMPARE) $(GROWTH); do python3 -m unittest discover --start-directory $$folder; done

signatures: binary $(VENV)/installed ## verify requests that are signed by Twilio's own helper library (python3)
	$(VENV)/bin/python tests/twilio/vectors.py | diff -u tests/twilio/vectors.json -
	$(VENV)/bin/python tests/twilio/sign_requests.py --binary $(PARTYLINE)

twiml: $(VENV)/installed ## validate every TwiML document with Twilio's own helper library (python3)
	$(VENV)/bin/python tests/twilio/check_twiml.py --self-test
	$(VENV)/bin/python tests/twilio/check_twiml.py src/twilio/twiml/snapshots

durability: binary ## verify with strace that each text is synced before its 200 and survives a power cut (python3, strace)
	scripts/durability --binary $(PARTYLINE)

restore: binary ## restore a backup that was taken under load, ten times (python3)
	python3 tests/checks/restore.py --binary $(PARTYLINE)

# `purge.py` deletes a million messages by default, which takes a quarter of an hour with the debug binary.
bounds: binary ## overload a server, delete old messages, and measure the effect on others (python3; about nine minutes)
	for check in queries subscriptions connections; do python3 tests/checks/$$check.py --binary $(PARTYLINE); done
	python3 tests/checks/purge.py --binary $(PARTYLINE) --messages 200000 --seconds 10

clients: binary $(CLIENTS)/node_modules/.package-lock.json ## test JavaScript clients, graphql-http's audits and schema compatibility (Node 20, npm)
	cd $(CLIENTS) && PARTYLINE_BINARY=$(abspath $(PARTYLINE)) npm test

browser: binary $(CLIENTS)/node_modules/.package-lock.json ## test in a browser which requests pages of other origins can make (Node 20, npm; Debian: chromium)
	cd $(CLIENTS) && PARTYLINE_BINARY=$(abspath $(PARTYLINE)) npm run browser

clients-python: binary $(CLIENTS_VENV)/installed ## test Python's gql and refused requests, and run schemathesis against both APIs (python3)
	$(CLIENTS_VENV)/bin/python $(CLIENTS)/python/gql_client.py --binary $(PARTYLINE)
	$(CLIENTS_VENV)/bin/python $(CLIENTS)/python/refusals.py --binary $(PARTYLINE) --times 20
	$(CLIENTS_VENV)/bin/python $(CLIENTS)/python/fuzz.py --binary $(PARTYLINE)
	$(CLIENTS_VENV)/bin/python $(CLIENTS)/python/fuzz_rest.py --binary $(PARTYLINE)

check-readme: binary ## run the README's commands against a fresh demo (python3, curl, openssl; port 8080 must be free)
	scripts/readme-commands --binary $(PARTYLINE)

# The binary for the checks above. It is built through the tests, because they enable more features of shared
# dependencies, and `cargo build` after `make test` would compile their dependents a second time.
binary:
	cargo test --workspace --no-run --test it

# --no-deps, because only the helper's request validator and TwiML classes are used, which need no dependencies.
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

# Of these packages, only better-sqlite3 needs its install script, which downloads or compiles its native module. The
# headers of Node are not downloaded if they are installed beside it.
$(PEERS)/installed: $(COMPARE)/peers/package.json $(COMPARE)/peers/package-lock.json
	mkdir -p $(PEERS)
	cp $^ $(PEERS)
	cd $(PEERS) && npm ci --ignore-scripts --no-audit --no-fund
	prefix=$$(node --print 'path.dirname(path.dirname(process.execPath))'); \
	if [[ -d $$prefix/include/node ]]; then export npm_config_nodedir=$$prefix; fi; \
	cd $(PEERS) && npm rebuild better-sqlite3 && node --eval 'new (require("better-sqlite3"))(":memory:")'
	touch $@
