package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func kubeconfig(t *testing.T, cluster string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	text := `apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {` + cluster + `}}]
users: [{name: u, user: {token: not-a-secret}}]
contexts: [{name: one, context: {cluster: a, user: u}}, {name: two, context: {cluster: a, user: u, namespace: jobs}}]
current-context: one
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultNamespace(t *testing.T) {
	path := kubeconfig(t, "server: 'https://127.0.0.1:1'")
	for _, test := range []struct {
		name    string
		options ConnectOptions
		want    string
	}{
		{"no namespace in the current context: default", ConnectOptions{Kubeconfig: path}, "default"},
		{"a context is chosen: its namespace", ConnectOptions{Kubeconfig: path, Context: "two"}, "jobs"},
		{"a namespace is chosen: that one", ConnectOptions{Kubeconfig: path, Context: "two", Namespace: "mine"}, "mine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := Connect(test.options)
			if err != nil {
				t.Fatal(err)
			}
			if c.Namespace != test.want || c.REST.QPS != -1 {
				t.Errorf("namespace %q, QPS %v", c.Namespace, c.REST.QPS)
			}
		})
	}
	if _, err := Connect(ConnectOptions{Kubeconfig: path, Context: "three"}); err == nil ||
		!strings.Contains(err.Error(), "three") {
		t.Errorf("a missing context: %v", err)
	}
}
