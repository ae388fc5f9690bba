// Package e2e holds black-box tests: the built binary and the chart, on the real cluster of E2E_KUBECONFIG
// (made by `make cluster-up`, image loaded). They see what a user sees: the command line, kubectl's view of
// the cluster, and /metrics.
//
// A test makes namespaces and releases of its own, so that tests run side by side, and takes them away again.
package e2e
