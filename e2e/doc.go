// Package e2e holds black-box tests: the built binary and the chart, on the real cluster of E2E_KUBECONFIG
// (made by `make cluster-up`, image loaded). They see what a user sees: the command line, kubectl's view of
// the cluster, and /metrics.
//
// Operators use the chart with their own Helm: Helm 3 and Helm 4 are built once from their Go modules, into the user's cache.
//
// Each test creates its own namespaces and releases, so that tests run side by side, and deletes them again.
package e2e
