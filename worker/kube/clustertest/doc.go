// Package clustertest tests worker/kube and the packages below it on a real cluster: E2E_KUBECONFIG names its
// kubeconfig. Without a cluster the tests are reported as not run.
//
// A site is one test's namespace with a runtime that serves it. A recorder is its handler.
package clustertest
