package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What can be told before a cluster is asked is wrong use, exit code 2. The kubeconfig leads nowhere on
// purpose.
func TestInstallationCommandsSayWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	err := os.WriteFile(
		kubeconfig,
		[]byte(
			`{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x, user: x}}],
clusters: [{name: x, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: x}]}`,
		),
		0o600,
	)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		code int
		says string
	}{
		"a value of the wrong kind": {
			[]string{"install", "--set", "server.replicas=many"}, 2, "/server/replicas",
		},
		"a value that is not there": {[]string{"install", "--set", "server.replica=2"}, 2, "replica"},
		"two servers without PostgreSQL": {
			[]string{"install", "--set", "server.replicas=2"}, 2, "exactly one server",
		},
		"a values file that is not there": {
			[]string{"upgrade", "-f", filepath.Join(dir, "none.yaml")}, 2, "none.yaml",
		},
		"a name that can not be":           {[]string{"status", "--name", "A_B"}, 2, "A_B"},
		"an argument too many":             {[]string{"uninstall", "berth"}, 2, "berth"},
		"a cluster that is not there":      {[]string{"status"}, 1, "cluster"},
		"no cluster to install into":       {[]string{"install"}, 1, "127.0.0.1:1"},
		"keys without a Secret's name":     {[]string{"keys", "ensure"}, 2, "--secret"},
		"a hook without what it is to end": {[]string{"hook", "stop-deployment"}, 2, "--deployment"},
		"keys in a cluster that is away":   {[]string{"keys", "ensure", "--secret", "x"}, 1, "127.0.0.1:1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := runMain(t.Context(), test.args, strings.NewReader(""), &out, &errs,
				[]string{"BERTH_KUBECONFIG=" + kubeconfig})
			if code != test.code || !strings.Contains(errs.String(), test.says) {
				t.Errorf("exit code %d, want %d, and %q in:\n%s%s", code, test.code, test.says, out.String(),
					errs.String())
			}
		})
	}
}
