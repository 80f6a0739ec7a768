# Each target is what a developer types; .ci/run types the same.

.PHONY: build test check bench microbench fuzz docs

build: ## the binary, here
	go build -o lictor ./cmd/lictor

test: ## every test, with the race detector
	go test -race -timeout 30m ./...

check: ## format, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l . ; echo "run gofmt -w on these files"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

bench: ## speed and memory on a real Consul: BENCH='-bin ./other -limits lifted'
	go run ./internal/bench $(BENCH)

BENCHSTAT = golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
microbench: ## speed and memory of passes, compared by benchstat with what docs/microbench.txt holds
	new=$$(mktemp) && trap "rm -f $$new" EXIT && \
	go test ./internal/engine -run '^$$' -bench . -count 10 >$$new && go run $(BENCHSTAT) docs/microbench.txt $$new

fuzz: ## each fuzz target for FUZZTIME
	.ci/fuzz $(or $(FUZZTIME),5m)

docs: ## the documentation that is generated from the code
	go test ./funcs ./internal/config ./cmd/lictor -run Docs -update
