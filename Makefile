# Maru. `make help` lists what can be made; each target's comment is its description.

MAKEFLAGS += --no-print-directory
# The tools that are pinned here, each a module of its own in deploy/tools: $(call tool,NAME) …
tool = go tool -modfile=deploy/tools/$(1)/go.mod $(1)
FUZZTIME ?= 20s
# Where tests that are run for long by hand write what came of it.
long = E2E_OUT=$(if $(OUT),$(abspath $(OUT))) E2E_README=$(if $(README),$(abspath $(README)))
IMAGE ?= maru
# go.mod names the toolchain, with its fixes; an older Go fetches it from the module proxy.
export GOTOOLCHAIN = auto

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*[#][#] .*/\1/p' $(MAKEFILE_LIST))

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run all of Maru on this machine, until Ctrl-C; settings: DEV_… (bin/dev --help), AUTHZ_… and so on
	@go build -o bin/dev ./deploy/dev
	@exec bin/dev

.PHONY: build
build: ## the four programs, into bin; TAGS=libcrypto: sign by the system's OpenSSL 3 (Linux; the executables are dynamic)
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath $(if $(TAGS),-tags $(TAGS)) -o bin/ ./authz-server ./resources/user ./resources/board ./client-demo

test: ## all tests, the slowest ten of them, and what this machine had to leave out
	@status=0; go run ./deploy/suite -vet=off -timeout 20m ./... || status=$$?; go run ./internal/testenv/missing; exit $$status

race: ## all tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 go run ./deploy/suite -race -timeout 30m ./...

e2e: ## only the end-to-end tests: the stack as processes, and the browser; E2E_STORM=2m kills and upgrades replicas under load for that long
	go test -count=1 -timeout 20m -v ./deploy/e2e

restarts: ## RESTARTS (1000) restarts of replicas of every program under load, which lose no request (some 13 minutes); OUT=FILE, README=deploy/load/README.md
	@$(long) E2E_STACKS=2 E2E_RESTARTS=$(or $(RESTARTS),1000) go test -count=1 -timeout 6h -v -run TestARestartOfAReplicaLosesNoRequest ./deploy/e2e

rolling: ## for ROLLING (2m), replicas of the release before and of this version replace each other under load; OUT=FILE, README=deploy/load/README.md
	@$(long) E2E_STORM=$(or $(ROLLING),2m) go test -count=1 -timeout 6h -v -run TestARollingUpgradeAndTheWayBackLoseNoRequest ./deploy/e2e

failover: ## FAILOVERS (5) failovers of Postgres under load, which lose nothing (some 2 minutes); OUT=FILE, README=deploy/load/README.md
	@$(long) E2E_FAILOVERS=$(or $(FAILOVERS),5) go test -count=1 -timeout 6h -v -run TestAFailoverOfPostgresLosesNothingAcknowledged ./deploy/e2e

interop: ## only the tests with others' clients, with oauth2-proxy and a generated one too (some minutes to compile the first time); Node, Python, Apache and Chromium where present
	INTEROP_OAUTH2_PROXY=true go test -count=1 -timeout 20m -v ./deploy/interop
	INTEROP_OAUTH2_PROXY=true go test -count=1 -timeout 20m -v -run 'Program' ./authz-server
	INTEROP_OAUTH2_PROXY=true go test -count=1 -timeout 20m -v -run 'Generated' ./deploy/e2e

check: ## what CI checks beside the tests: format, vet, lint, generated files, go.mod, licences, secrets, known vulnerabilities
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); if [ -n "$$files" ]; then echo "gofmt would change:" $$files; exit 1; fi
	go vet ./...
	go vet -tags libcrypto ./internal/libcrypto
	go -C deploy/bench-verify vet .
	go -C deploy/rscheck-table vet .
	go -C deploy/load/peers/zitadel vet .
	go -C deploy/observability vet .
	$(call tool,golangci-lint) run --allow-parallel-runners
	$(call tool,golangci-lint) run --allow-parallel-runners --build-tags libcrypto ./internal/libcrypto
	@for s in resources/user resources/board authz-server; do go run ./$$s openapi | cmp -s - $$s/openapi.json || \
	  { echo "$$s/openapi.json is not what the code says: run 'make openapi'"; exit 1; }; done
	go mod tidy -diff
	go -C deploy/bench-verify mod tidy -diff
	go -C deploy/rscheck-table mod tidy -diff
	go -C deploy/load/peers/zitadel mod tidy -diff
	go -C deploy/observability mod tidy -diff
	@mkdir -p bin && go run ./deploy/licences > bin/THIRD_PARTY.md
	@cmp -s bin/THIRD_PARTY.md THIRD_PARTY.md || { echo "THIRD_PARTY.md is not what the modules say: run 'make licences'"; exit 1; }
	@deploy/release/interfaces.sh > /dev/null
	$(call tool,kubectl-validate) --version 1.30 $(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml)) > /dev/null
	@$(MAKE) secrets vulnerabilities

vulnerabilities: ## known vulnerabilities that our programs or the gateway's executable can reach
	@deploy/tools/vulnerabilities.sh

vulndb: ## raise the database of known vulnerabilities to the newest that the module proxy has
	go -C deploy/tools/vulndb get -tool golang.org/x/vulndb/cmd/indexdb@latest
	go -C deploy/tools/vulndb mod tidy

toolchain: ## build everything with the Go of GO=1.26.x: the programs, the tools and the image
	@test -n "$(GO)" || { echo "say which Go: make toolchain GO=1.26.x"; exit 1; }
	for mod in go.mod deploy/tools/*/go.mod deploy/*/go.mod deploy/e2e/*/go.mod deploy/load/peers/*/go.mod; do go mod edit -toolchain=go$(GO) $$mod || exit 1; done
	sed -i.old 's/^FROM golang:[0-9.]*-/FROM golang:$(GO)-/' deploy/Dockerfile && rm deploy/Dockerfile.old
	sed -i.old 's/golang:[0-9.]*-bookworm/golang:$(GO)-bookworm/' .github/workflows/ci.yml && rm .github/workflows/ci.yml.old

secrets: ## secrets in any commit of the history
	$(call tool,gitleaks) git --no-banner --redact --verbose .

licences: ## write THIRD_PARTY.md, the licences of all dependencies, anew
	go run ./deploy/licences > THIRD_PARTY.md.new && mv THIRD_PARTY.md.new THIRD_PARTY.md

fmt: ## format every Go file, and the Caddyfile
	gofmt -w $$(git ls-files '*.go')
	$(call tool,caddy) fmt --overwrite deploy/Caddyfile

openapi: ## write the OpenAPI documents anew from the code
	@for s in resources/user resources/board authz-server; do go run ./$$s openapi > $$s/openapi.json.new && mv $$s/openapi.json.new $$s/openapi.json || exit 1; done

bench: ## benchmarks, those of tokens as ratios to a bare RSA-2048 operation
	go test -run '^$$' -bench . -benchmem ./jwks/... ./authz-server/...
	go test -tags libcrypto -run '^$$' -bench . ./internal/libcrypto

bench-verify: ## jwks beside other libraries that verify tokens, with TAGS=libcrypto by OpenSSL too; OUT=FILE for JSON, README=jwks/README.md to write its table
	@go -C deploy/bench-verify build $(if $(TAGS),-tags $(TAGS)) -o ../../bin/bench-verify .
	@bin/bench-verify $(if $(OUT),-out $(OUT)) $(if $(README),-readme $(README))

rscheck-table: ## how other Go libraries withstand jwks/rscheck: the table of its README (some five minutes); all results as JSON in OUT
	go -C deploy/rscheck-table run . -readme ../../jwks/rscheck/README.md $(if $(OUT),-json $(abspath $(OUT)))

fuzz: ## each fuzz target for FUZZTIME (20s); what it finds is kept as its corpus
	@FUZZTIME=$(FUZZTIME) internal/testenv/fuzz.sh

cover: ## all tests with coverage of every package by any test, in bin/cover.html
	@mkdir -p bin
	go run ./deploy/suite -coverpkg=./... -coverprofile=bin/cover.out ./...
	@go tool cover -html=bin/cover.out -o bin/cover.html
	@go tool cover -func=bin/cover.out | tail -1

load: ## what this machine takes, and what stops it there (some 5 minutes); LOAD_… (go run ./deploy/load --help); OUT=FILE for JSON, README=deploy/load/README.md writes its table
	OUT=$(OUT) README=$(README) go run ./deploy/load

growth: ## whether cost grows with the data: 10⁴ beside 10⁶ accounts, posts and profiles on both engines (some 30 minutes, 10 GB); GROWTH_…; OUT=FILE, README=deploy/load/README.md
	@rm -f $(OUT)
	@failed=0; for program in authz-server resources/board resources/user; do \
		OUT=$(OUT) README=$(README) go run ./$$program/internal/growth compare || failed=1; done; exit $$failed

stall: ## whether a sweep of a million expired rows holds others up, on both engines (some 5 minutes; STALL_FOR=0 for the whole backlog); OUT=FILE, README=deploy/load/README.md
	OUT=$(OUT) README=$(README) go run ./authz-server/internal/growth stall $(if $(STALL_FOR),--for $(STALL_FOR))

upgrade: ## how long this version takes to start on a million accounts in the schema of the release before, on both engines (some 6 minutes, 10 GB); OUT=FILE, README=deploy/load/README.md
	OUT=$(OUT) README=$(README) go run ./authz-server/internal/growth upgrade

fill: ## fill the empty database URL of an authorization server with ACCOUNTS (1000000) accounts and all that hangs on them
	@test -n "$(URL)" || { echo "say which database: make fill URL=sqlite:PATH or URL=postgres://…"; exit 1; }
	go run ./authz-server/internal/growth fill --accounts $(or $(ACCOUNTS),1000000) $(URL)

peers: ## Maru beside other authorization servers, in turns on this machine (some 7 minutes); PEERS_…; OUT=FILE, README=deploy/load/README.md
	OUT=$(OUT) README=$(README) go run ./deploy/load/peers

soak: ## steady load with restarts and clock steps for SOAK_DURATION (10m): nothing fails, nothing grows; SOAK_…; OUT=FILE, README=deploy/load/README.md
	OUT=$(OUT) README=$(README) go run ./deploy/load/soak

revocation: ## the time from a token's revocation to its refusal by both services; OUT=FILE, README=deploy/load/README.md
	OUT=$(OUT) README=$(README) go run ./deploy/revocation

observability: ## the dashboard and the alert rules, by Prometheus' own parser and engine (some minutes to compile the first time)
	go -C deploy/observability test -count=1 .

tools: ## compile the tools of the checks and tests into Go's build cache (some minutes the first time)
	@for t in caddy/caddy gitleaks/gitleaks golangci-lint/golangci-lint govulncheck/govulncheck vulndb/indexdb oasdiff/oasdiff kubectl-validate/kubectl-validate cyclonedx-gomod/cyclonedx-gomod; do echo "$$t"; \
	  go tool -modfile=deploy/tools/$${t%/*}/go.mod -n $${t#*/} > /dev/null || exit 1; done

snapshot: ## all that a release is made of, into dist/; needs goreleaser
	SBOM=$(CURDIR)/deploy/release/sbom.sh goreleaser release --snapshot --clean

release: ## publish the release of the tag that is checked out; the workflow of the same name does it
	@mkdir -p bin
	deploy/release/notes.sh "$$(git describe --exact-match --tags)" > bin/notes.md
	SBOM=$(CURDIR)/deploy/release/sbom.sh goreleaser release --clean --release-notes=bin/notes.md

image: ## the container image, named by IMAGE (maru)
	docker build -f deploy/Dockerfile -t $(IMAGE) --build-arg VERSION="$$(git describe --tags --always --dirty)" \
	  --build-arg COMMIT="$$(git rev-parse HEAD)" --build-arg DATE="$$(TZ=UTC git show -s --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)" .
