# Everything is one command from a fresh clone; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules --no-print-directory

# One build configuration for tests and product: release, so tests see what users run.
SWIFT_BUILD := swift build -c release
export PGKEEP_BINARY ?= $(CURDIR)/.build/release/pgkeep

SHARE := .build/share
PREFIX ?= /usr/local

# PREBUILT=1 takes the program that is there: `build` and `--build-tests` compile differently, and
# one after the other would compile everything twice.
PROGRAM_BUILT := $(if $(PREBUILT),,build)

.PHONY: help setup build release man install uninstall test test-fast check-packaging bench soak \
    fmt check demo clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: ## install what is missing: libraries, PostgreSQL servers for the tests
	@Tests/Scripts/setup.sh

build: ## build pgkeep into .build/release
	@Tests/Scripts/setup.sh --quick
	@$(SWIFT_BUILD) --product pgkeep

release: $(PROGRAM_BUILT) ## build pgkeep as it is handed out: .build/pgkeep, symbols left out
	@strip -o .build/pgkeep .build/release/pgkeep

man: $(PROGRAM_BUILT) ## write man page and shell completions into .build/share
	@$(SWIFT_BUILD) --product generate-manual
	@mkdir -p $(SHARE)/man/man1 $(SHARE)/bash-completion/completions \
	    $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	@.build/release/generate-manual $(PGKEEP_BINARY) --output-directory $(SHARE)/man/man1
	@$(PGKEEP_BINARY) --generate-completion-script bash >$(SHARE)/bash-completion/completions/pgkeep
	@$(PGKEEP_BINARY) --generate-completion-script zsh >$(SHARE)/zsh/site-functions/_pgkeep
	@$(PGKEEP_BINARY) --generate-completion-script fish >$(SHARE)/fish/vendor_completions.d/pgkeep.fish

install: release man ## install program, manual, completions, systemd units under PREFIX (/usr/local)
	@PROGRAM=.build/pgkeep SHARE=$(SHARE) DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' \
	    Sources/Agent/Packaging/install.sh install

uninstall: ## remove what install put under PREFIX
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' Sources/Agent/Packaging/install.sh uninstall

test: setup ## run all tests, against live PostgreSQL 15, 16 and 18
	@$(SWIFT_BUILD) --build-tests
	@swift test -c release --skip-build
	@$(MAKE) check-packaging

check-packaging: ## check install and uninstall, systemd units, alert rules, docker-compose.yml
	@Tests/Scripts/setup.sh --packaging
	@Tests/Scripts/packaging.sh

test-fast: ## run the tests that need no server
	@Tests/Scripts/setup.sh --quick
	@$(SWIFT_BUILD) --build-tests
	@PGKEEP_WITHOUT_SERVERS=1 swift test -c release --skip-build

check: ## check format and tidiness
	@swift format lint --strict --parallel --recursive Package.swift Sources Tests
	@$(SWIFT_BUILD) --build-tests
	@swift test -c release --skip-build --filter TidyTests

fmt: ## format all Swift files in place
	@swift format --in-place --parallel --recursive Package.swift Sources Tests

bench: setup build ## compare speed, CPU, memory and size with pg_basebackup and pgBackRest
	@Tests/Scripts/bench.sh

soak: setup build ## all at once, killed at random: commands (SOAK_SECONDS, 600), agents (CHAOS_SECONDS, 1800)
	@[ "$${SOAK_SECONDS:-}" = 0 ] || Tests/Scripts/bench.sh soak
	@Tests/Scripts/chaos.sh

demo: setup build ## lose a table and get it back, with a throw-away server
	@Tests/Scripts/demo.sh

clean: ## remove everything that was built
	@rm -rf .build
