# What each target does stands in tools/dev.py; everything it sets up lies outside the clone, in
# one cache directory (tools/pgai_dev/places.py), so that a second clone starts warm.

# Without what PYTHON… in the environment would make of it, and in UTF-8 whatever the locale.
DEV = python3 -E -X utf8 tools/dev.py

# Read by tools/dev.py from the environment, where `make NAME=value` puts them.
export PG PG_CONFIG DESTDIR SUDO ARGS

# cargo has jobs of its own; two targets at once would only wait for each other.
.NOTPARALLEL:

.DEFAULT_GOAL = help
.PHONY: help all build install package dist demo demo-elsewhere demo-psql clean-demo test test-tools test-pure test-e2e test-matrix test-bare test-packages release release-dry torture fuzz bench bench-pure lint figures sbom

help: ## This list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  \1\t/' | expand -t 16
	@echo
	@echo '  PG=15|16|17|18 or PG_CONFIG=/path/of/pg_config chooses the Postgres of a target.'

# PGXN's client begins with `make all`.
all: build

build: ## Build the extension and its programs
	@$(DEV) build

install: ## Build and install them: make install PG_CONFIG=… [DESTDIR=…] [SUDO=sudo]
	@$(DEV) install

package: ## Build a Debian package into dist/: make package PG=17
	@$(DEV) make-package

dist: ## The last commit's source as PGXN takes it, into dist/
	@$(DEV) make-dist

demo: ## See it work on real documents: a private Postgres, an S3 server and a model
	@$(DEV) demo

demo-elsewhere: ## The demo on servers that run already, by PGHOST, AWS_ENDPOINT_URL and their like
	@$(DEV) demo-elsewhere

demo-psql: ## Start what the demo left and open psql in it; leaving psql stops everything
	@$(DEV) demo-psql

clean-demo: ## Remove what the demo made
	@$(DEV) clean-demo

test: test-tools test-pure test-e2e ## All tests, on the default Postgres

test-tools: ## The tests of what make does: seconds, with nothing built; ARGS goes to pytest
	@$(DEV) test-tools

test-pure: ## The tests without the extension; ARGS goes to cargo test
	@$(DEV) test-pure

test-e2e: ## The tests against a real cluster, S3 server and model; ARGS goes to pytest
	@$(DEV) test-e2e

test-matrix: ## The end-to-end tests on every Postgres from 15 to 18 that can run here
	@$(DEV) test-matrix

test-bare: ## `make demo` and `make test` on bare systems, as root: ARGS='--release trixie --do demo'
	@$(DEV) test-bare

test-packages: ## Packages as strangers use them, in Debian 12 and 13, as root: ARGS='--built dist'
	@$(DEV) test-packages

release: ## Gather a release out of the packages in dist/: ARGS='--tag v0.3.0', and --check to look only
	@$(DEV) release

release-dry: ## What the workflow does on a tag, here and without one, as root: ARGS='--built dist'
	@$(DEV) release-dry

torture: ## Kill, cut and throttle it for minutes: ARGS='--seconds 600 --seed 1'
	@$(DEV) torture

fuzz: ## Fuzz what reads bytes from outside; needs cargo-fuzz: ARGS='--seconds 60 chunks uri'
	@$(DEV) fuzz

bench: ## Measure; ARGS goes to the bench
	@$(DEV) bench

bench-pure: ## Measure the stages that need no server; ARGS is criterion's: '--save-baseline before', '--baseline before'
	@$(DEV) bench-pure

lint: ## Imports, formatting, clippy, rustdoc, pgspot, and cargo-deny if it is installed
	@$(DEV) lint

figures: ## Count what the code is like; ARGS='--json', '--at COMMIT', '--places KIND'
	@$(DEV) figures

sbom: ## List what the packages contain of others, in pgai_rs.cdx.json
	@$(DEV) sbom
