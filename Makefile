# Each target is what a developer types; .ci/run types the same.

.PHONY: build test check bench fuzz docs

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

fuzz: ## each fuzz target for FUZZTIME
	.ci/fuzz $(or $(FUZZTIME),5m)

docs: ## the documentation that is generated from the code
	go test ./funcs ./internal/config ./cmd/lictor -run Docs -update
