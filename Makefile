# What there is to do here: `make help`.
SHELL   := /bin/bash
VERSION ?= dev
BUILD   := build
GOTEST  := go tool gotestsum --format pkgname-and-test-fails --
LDFLAGS := -s -w -X github.com/berth-dev/berth/cmd/berth/internal/build.version=$(VERSION)
CLUSTER := go -C e2e/cluster run .

.DEFAULT_GOAL := help
.PHONY: help page build run test test-unit e2e storm record bench screenshots lint generate verify fmt image cluster-up cluster-down cluster-load cluster-status setup clean chart chart-push

help: ## print this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

WEB := server/ui/web

page: ## bundle the scripts of the page, with Node; without it the binary has plain pages
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory server/ui/dist/manifest.json; \
	elif [ "$${REQUIRE_ALL:-}" = 1 ]; then echo "page: npm is missing, and REQUIRE_ALL=1" >&2; exit 1; \
	else echo "page: npm is missing; the binary is built with plain pages, without editor, log viewer and graph" >&2; fi

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json
	@npm --prefix $(WEB) ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null && touch $@

server/ui/dist/manifest.json: $(WEB)/node_modules/.package-lock.json $(WEB)/build.mjs $(wildcard $(WEB)/*.ts)
	@node $(WEB)/build.mjs && touch $@

build: page ## build the static binary, build/berth
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/berth ./cmd/berth

run: ## start server, UI, SQLite and a process worker on http://127.0.0.1:4200
	@command -v go >/dev/null || { echo "make run needs Go $$(sed -n 's/^go //p' go.mod): https://go.dev/dl" >&2; exit 1; }
	@[ -x $(BUILD)/berth ] || echo "building $(BUILD)/berth; the first time this takes some minutes and downloads the modules" >&2
	@$(MAKE) --no-print-directory build
	@$(BUILD)/berth dev

test: ## run every test: unit, both databases, chart, browser, and end to end on a real cluster
	@e2e/test.sh

test-unit: ## run the quick tests that need neither cluster nor browser: the inner loop
	@$(GOTEST) -shuffle=on -short $$(go list ./... | grep -v '/e2e$$')

e2e: ## run only the end-to-end tests, on the cluster of `make cluster-up`
	@e2e/test.sh e2e

record: ## record the Jobs and pods of every scenario as test data of worker/kube/observe
	@E2E_KUBECONFIG=$${E2E_KUBECONFIG:-$$($(CLUSTER) kubeconfig)} E2E_RECORD=$(CURDIR)/worker/kube/observe/testdata/recorded go test -count=1 -timeout=40m -parallel=6 -run WorkerSurvivesEveryFault ./e2e

storm: ## run 100,000 runs under faults and check that none is lost (STORM="-runs 5000 -seed 7 -o json")
	@go build -o $(BUILD)/storm ./e2e/storm && $(BUILD)/storm $(STORM)

bench: ## measure the promised speeds beside their limits and peers (BENCH="-run render -o json")
	@go run ./e2e/bench $(BENCH)

screenshots: page ## take the pictures of the UI that README and docs show
	@go test -count=1 ./server -run TestScreenshotsOfTheDocumentation -screenshots

lint: ## check formatting, go vet, staticcheck and shell scripts
	@e2e/lint.sh

generate: ## regenerate all generated files
	go generate ./...

verify: generate page ## fail if generated files or go.mod differ from the committed ones
	@go mod tidy -diff
	@go -C e2e/bench/river mod tidy -diff # it requires the main module, so it follows its go.mod
	@for m in $$(git ls-files '*/go.mod'); do go -C $$(dirname $$m) mod verify >/dev/null || exit 1; done
	@if [ -e server/ui/dist/manifest.json ]; then again=$$(mktemp -d) && node $(WEB)/build.mjs "$$again" && \
		for f in "$$again"/*; do cmp "$$f" "server/ui/dist/$${f##*/}" || exit 1; done && rm -r "$$again"; fi # the same sources give the same bytes
	@git diff --exit-code --stat || { echo "verify: generated files differ; commit what make generate wrote" >&2; exit 1; }

fmt: ## format all Go files
	gofmt -w $$(git ls-files '*.go')

image: build ## pack the container image as build/berth-image.tar, without Docker
	@go -C e2e/cluster run . image --binary $(CURDIR)/$(BUILD)/berth --version $(VERSION) --output $(CURDIR)/$(BUILD)/berth-image.tar

chart: ## package the chart with the helm program, as build/berth-*.tgz
	@helm package charts/berth --destination $(BUILD)

chart-push: chart ## push that package to an OCI registry (REGISTRY=oci://registry.example.com/charts)
	@[ -n "$(REGISTRY)" ] || { echo "chart-push: set REGISTRY=oci://HOST/PATH" >&2; exit 2; }
	@helm push $$(ls -t $(BUILD)/berth-*.tgz | head -1) $(REGISTRY)

cluster-up: ## start a Kubernetes cluster: E2E_KUBECONFIG, else kind with Docker, else built from source
	@$(CLUSTER) up

cluster-load: ## load the image of `make image` into that cluster
	@$(CLUSTER) load $(CURDIR)/$(BUILD)/berth-image.tar

cluster-down: ## remove that cluster completely
	@$(CLUSTER) down

cluster-status: ## show the components of that cluster
	@$(CLUSTER) status

setup: ## install what the tests need (root on Debian), or list what is missing
	@e2e/setup.sh

clean: ## remove build output
	rm -rf $(BUILD)
