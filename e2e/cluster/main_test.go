package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// TestMain lets the test's own program be what up starts inside the cluster's namespaces.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "init" || os.Args[1] == "supervise") {
		os.Exit(run(context.Background(), os.Args[1:]))
	}
	os.Exit(m.Run())
}

func TestExitCodeTellsWrongUseFromFailure(t *testing.T) {
	t.Setenv("BERTH_CLUSTER_DIR", filepath.Join("/tmp", "berth-there-is-none"))
	t.Setenv("E2E_KUBECONFIG", filepath.Join(t.TempDir(), "absent"))
	for name, test := range map[string]struct {
		args []string
		want int
	}{
		"help is no failure":                        {[]string{"--help"}, 0},
		"an unknown command":                        {[]string{"nonsense"}, 2},
		"an unknown flag":                           {[]string{"up", "--nonsense"}, 2},
		"an argument too many":                      {[]string{"down", "it"}, 2},
		"no archive to load":                        {[]string{"load"}, 2},
		"a malformed setting":                       {[]string{"up", "--arg", "etcd"}, 2},
		"more nodes than there are addresses":       {[]string{"up", "--nodes", "1000"}, 2},
		"an unknown format":                         {[]string{"status", "-o", "xml"}, 2},
		"an image of nothing":                       {[]string{"image"}, 2},
		"an image for two places":                   {[]string{"image", "--binary", "x", "--output", "y", "--rootfs", "z"}, 2},
		"an image of a program that is not there":   {[]string{"image", "--binary", "/nonexistent", "--output", filepath.Join(t.TempDir(), "y")}, 1},
		"a named cluster that does not answer":      {[]string{"up"}, 1},
		"the status of one that does not":           {[]string{"status"}, 1},
		"the kubeconfig of one that is not there":   {[]string{"kubeconfig"}, 1},
		"taking down what is not ours does nothing": {[]string{"down"}, 0},
		"init outside its namespaces":               {[]string{"init", "--dir", "/tmp/berth-there-is-none"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := run(t.Context(), test.args); got != test.want {
				t.Errorf("exit code is %d, want %d", got, test.want)
			}
		})
	}
}

func TestPreferredCluster(t *testing.T) {
	const own = "/cache/kubeconfig"
	for name, test := range map[string]struct {
		named, started string
		docker         bool
		want           string
	}{
		"the caller's comes before all":              {"/home/x/config", "source", true, external},
		"this program's own kubeconfig means itself": {own, "source", true, source},
		"what was started stays":                     {"", "source", true, source},
		"a kind cluster stays without Docker":        {"", "kind", false, kind},
		"kind where Docker answers":                  {"", "", true, kind},
		"else it is built from source":               {"", "", false, source},
	} {
		t.Run(name, func(t *testing.T) {
			if got := preferred(test.named, own, test.started, func() bool { return test.docker }); got != test.want {
				t.Errorf("preferred = %s, want %s", got, test.want)
			}
		})
	}
}
