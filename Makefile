# Seriatim. `make help` lists the targets.
#
# Every target ignores TEMPORAL_* in the environment and starts a Temporal
# server of its own; DEVSERVER=build forces the one in devserver/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
BIN := bin

.PHONY: help demo test test-fast race fuzz simulate chaos soak backlog bench cluster-test import-bench lint build install server devserver clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: devserver ## server, worker and real work with a live table; KEEP=1 leaves it all running
	@$(GO) build -o $(BIN)/ ./internal/demo
	@exec $(BIN)/demo $(if $(KEEP),--keep)

test: lint devserver ## every test, those on a real Temporal server included
	$(GO) test -timeout 25m -parallel 3 ./...

test-fast: ## the tests that need no server, in under a minute
	$(GO) test -short -shuffle=on ./...

race: ## the pure packages and the client under the race detector (SQLite is left out: it builds for minutes)
	$(GO) test -race -short -shuffle=on ./protocol ./catalogue ./workflows ./activities ./activities/handlertest ./activities/csvfile ./activities/files ./opclient ./starter ./internal/config

FUZZTIME ?= 15s
fuzz: ## every fuzz target for FUZZTIME each, default 15s
	@grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r folder; do \
	  for target in $$(grep -rhoE '^func Fuzz[A-Za-z]+' "$$folder" | cut -c6- | sort -u); do \
	    $(GO) test "$$folder" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x || exit 1; \
	  done; \
	done

SEEDS ?= 10000
simulate: ## play SEEDS random scripts against a model of one token and print the coverage
	SERIATIM_SEEDS=$(SEEDS) $(GO) test ./workflows -run '^TestSimulation$$' -count=1 -timeout 0 -v | grep -vE '^ *(===|---|.*\[rapid\] OK)'; exit $${PIPESTATUS[0]}

SEED ?=
LONG ?=
PIECES ?= 1
DB ?=
LEDGER ?= chaos-long.jsonl
chaos: devserver ## kill workers and server under load and count what broke; SEED=n repeats a run, DB=postgres, LONG=1 PIECES=5 add up in LEDGER
	@$(GO) build -o $(BIN)/ ./internal/chaos
	@exec $(BIN)/chaos $(if $(SEED),--seed $(SEED)) $(if $(DB),--db $(DB)) $(if $(LONG),--long --pieces $(PIECES) --ledger '$(LEDGER)')

MINUTES ?= 3
soak: devserver ## run a steady load for MINUTES and fail where memory, goroutines, descriptors or the database grow
	@$(GO) build -o $(BIN)/ ./internal/soak
	@exec $(BIN)/soak --duration $(MINUTES)m

N ?= 20000
DRAIN ?=
backlog: devserver ## queue N operations on one token, run the first of them and prove the order; N=100000 takes long
	@$(GO) build -o $(BIN)/ ./internal/backlog
	@exec $(BIN)/backlog --operations $(N) $(if $(DRAIN),--drain $(DRAIN))

RUN ?=
cluster-test: ## run docker-compose.yml's server on PostgreSQL without containers, deliver, run the end-to-end tests; RUN=regexp picks some
	@$(GO) build -o $(BIN)/ ./internal/cluster
	@exec $(BIN)/cluster $(if $(RUN),--run '$(RUN)')

ROUNDS ?= 9
SIZE ?= 1
WORKLOAD ?=
SERVER ?=
TABLE ?=
bench: devserver ## measure Seriatim beside a bare workflow and a serializer by hand; ROUNDS=1 SIZE=0.05 is a short look
	@$(GO) build -o $(BIN)/ ./internal/bench
	@exec $(BIN)/bench --rounds $(ROUNDS) --size $(SIZE) --workload "$(WORKLOAD)" --server "$(SERVER)" --table "$(TABLE)"

import-bench: ## import a million records into SQLite and PostgreSQL, beside the databases' own tools
	SERIATIM_LONG=1 $(GO) test ./activities/sqlimport -run '^TestMillionRows$$' -count=1 -timeout 60m -v | grep -vE '^ *=== '; exit $${PIPESTATUS[0]}

lint: ## formatting, vet, staticcheck, determinism of workflow code
	@unformatted=$$($(GO) tool gofumpt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	  test -z "$$unformatted" || { echo "not gofumpt-clean: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) tool workflowcheck -test=false -config .workflowcheck.yaml ./workflows

# Under its second name the starter is "temporal operation".
build: ## worker and starter in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./worker ./starter
	ln -sf starter $(BIN)/temporal-operation

PREFIX ?= $(HOME)/.local
install: build ## starter and "temporal operation" in PREFIX/bin, default ~/.local
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BIN)/starter $(DESTDIR)$(PREFIX)/bin/starter
	ln -sf starter $(DESTDIR)$(PREFIX)/bin/temporal-operation

server: ## a Temporal server with its Web UI on 127.0.0.1:7233, until Ctrl-C
	@$(GO) build -o $(BIN)/server ./internal/embedded/cmd/devserver
	@exec $(BIN)/server --http-port 7243

# Tests must not build the server themselves: a cold build takes longer than
# they may.
devserver: ## find a Temporal server for the other targets, or build the embedded one
	@$(GO) run ./internal/embedded/cmd/devserver --help >/dev/null

clean: ## remove what was built here; the kept server stays
	rm -rf $(BIN) .demo
