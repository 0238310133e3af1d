# `make` lists the targets. Everything here is a short name for a plain command.

GO ?= go

# run, seed, migrate-up, migrate-down, and the bench targets below
ARGS ?=
URL ?= http://127.0.0.1:8000
HEADCOUNT_POSTGRES_URL ?=

# fuzz, gobench, gobench-compare, bench-fsm, race, faults, outage
FUZZTIME ?= 30s
BENCH ?= .
BENCHTIME ?= 100ms
OLD ?= HEAD
NEW ?= .
SHORT ?=
LONG ?=
RACE ?= full
FAULTS ?= 200
OUTAGE ?= 10m

# The system tests run by themselves, because they measure time, and never from
# the test cache, because go cannot see that they depend on the built command.
UNIT = $$($(GO) list ./... | grep -v '/systemtest$$')

# The race detector makes a node several times slower: a few faults, fewer writes.
RACE_FAULTS_full = TestLeaderKilled|TestNodePaused|TestWholeClusterKilled|TestJoin|TestSnapshotRestore|TestReady|TestReadYourWrites|TestLinearizable
RACE_FAULTS_short = TestSnapshotRestore
RACE_WRITES_full = 20000
RACE_WRITES_short = 8000
RACE_FLAGS_full =
RACE_FLAGS_short = -short

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install PostgreSQL's server programs where they are missing
	@scripts/deps.sh postgresql

.PHONY: build
build: ## build ./headcount
	$(GO) build -o headcount .

.PHONY: run
run: ## run a local cluster on ports 8000, 8001 and 8002, data under ./data (ARGS="--port 9000")
	-@scripts/deps.sh postgresql
	$(GO) run . dev $(ARGS)

.PHONY: seed
seed: ## post random users to the cluster at URL
	$(GO) run . seed --url $(URL) $(ARGS)

.PHONY: migrate-up
migrate-up: ## bring the database at HEADCOUNT_POSTGRES_URL to the newest schema
	$(GO) run . migrate up --url "$(HEADCOUNT_POSTGRES_URL)"

.PHONY: migrate-down
migrate-down: ## take the newest migration back at HEADCOUNT_POSTGRES_URL
	$(GO) run . migrate down --url "$(HEADCOUNT_POSTGRES_URL)"

.PHONY: test
test: deps ## vet, unit tests, model tests and system tests with real processes
	-@scripts/deps.sh pgbouncer
	-@scripts/deps.sh redis
	-@scripts/deps.sh etcd
	$(GO) vet ./...
	$(GO) test -timeout 20m $(UNIT)
	$(GO) test -count=1 -timeout 20m ./systemtest

.PHONY: race
race: deps ## the tests under the race detector (RACE=short for fewer faults)
	@scripts/deps.sh compiler
	CGO_ENABLED=1 $(GO) test -race $(RACE_FLAGS_$(RACE)) -timeout 20m $(UNIT)
	CGO_ENABLED=1 HEADCOUNT_RACE=1 HEADCOUNT_SYSTEMTEST_WRITES=$(RACE_WRITES_$(RACE)) \
		$(GO) test -race -count=1 -timeout 20m -run '$(RACE_FAULTS_$(RACE))' ./systemtest

.PHONY: faults
faults: deps ## FAULTS random faults on the way to PostgreSQL, then row for row: half an hour for 200
	HEADCOUNT_SYSTEMTEST_FAULTS=$(FAULTS) $(GO) test -count=1 -timeout 90m -v -run TestPostgresFaults ./systemtest

.PHONY: outage
outage: deps ## PostgreSQL away for OUTAGE under 20,000 writes/s, then row for row
	HEADCOUNT_SYSTEMTEST_OUTAGE=$(OUTAGE) $(GO) test -count=1 -timeout 3h -v -run 'TestOutage$$' ./systemtest

.PHONY: profile
profile: ## renew default.pgo, the profile that headcount is compiled with, from a cluster under load
	-@scripts/deps.sh postgresql
	@scripts/profile.sh

.PHONY: lint
lint: ## gofumpt, vet and staticcheck
	@unformatted=$$($(GO) tool gofumpt -l .) && test -z "$$unformatted" || \
		{ echo "not gofumpt-formatted (run: go tool gofumpt -w .):" "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

.PHONY: fuzz
fuzz: ## every fuzz target, FUZZTIME each
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: ## a short form of every measurement, into bench/results (LONG=1: hours, for figures worth keeping)
	-@scripts/deps.sh postgresql
	-@scripts/deps.sh redis
	-@scripts/deps.sh etcd
	@scripts/bench.sh $(if $(LONG),long)

.PHONY: bench-peers
bench-peers: ## the same job done by Headcount, Redis, PostgreSQL and etcd (ARGS="--runs 5")
	-@scripts/deps.sh postgresql
	-@scripts/deps.sh redis
	-@scripts/deps.sh etcd
	mkdir -p bench/results
	$(GO) run ./bench compare --json bench/results/compare.json --markdown bench/results/compare.md $(ARGS)

.PHONY: bench-soak
bench-soak: ## ten minutes at 0.7 of the most that a cluster takes (ARGS="--postgres auto")
	mkdir -p bench/results
	$(GO) run ./bench soak --json bench/results/soak.json $(ARGS)

.PHONY: gobench
gobench: ## Go benchmarks, short (BENCH=pattern, BENCHTIME=1s); keep the output for gobench-compare
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) $(UNIT)

.PHONY: gobench-compare
gobench-compare: ## benchstat of OLD and NEW: result files or git revisions (OLD=HEAD, NEW=. by default)
	@scripts/gobench-compare.sh $(OLD) $(NEW)

.PHONY: bench-fsm
bench-fsm: ## memory, speed and stalls of the state machine, beside Go maps and Redis (SHORT=1: within two minutes)
	-@scripts/deps.sh redis
	$(GO) run ./fsm/fsmbench $(if $(SHORT),--members 2000000) \
		--json bench/results/fsm.json --markdown bench/results/fsm.md $(ARGS)

.PHONY: bench-pg
bench-pg: ## the copy to PostgreSQL beside the same rows written by hand (ARGS="--rows 1000000")
	-@scripts/deps.sh postgresql
	mkdir -p bench/results
	$(GO) run ./pgsink/flushbench --json bench/results/pg.json $(ARGS)

.PHONY: bench-failover
bench-failover: ## kill, pause and stop leaders of a cluster under load (ARGS="--times 20")
	mkdir -p bench/results
	$(GO) run ./bench failover --json bench/results/failover.json $(ARGS)

.PHONY: clean
clean: ## remove what build and bench left behind; the data of `make run` stays
	rm -rf headcount bin bench-*.txt bench/results
