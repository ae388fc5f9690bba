package release

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/kube/fake"
)

func TestNewRefusesToGuessACluster(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "missing"))
	_, err := New(Options{Target: Target{Name: "berth", Namespace: "ns"}})
	if !errors.Is(err, ErrNoCluster) || !strings.Contains(err.Error(), "--kubeconfig") {
		t.Errorf("error = %v, want ErrNoCluster with the flag to set", err)
	}
}

// unreachable fails as Helm's client does.
type unreachable struct{ fake.PrintingKubeClient }

func (unreachable) IsReachable() error {
	return fmt.Errorf("Kubernetes cluster unreachable: %w", &url.Error{
		Op: "Get", URL: "https://10.0.0.1:6443/version", Err: errors.New("connection refused"),
	})
}

func TestAnUnreachableClusterIsNamedBeforeTheReleaseIsRead(t *testing.T) {
	c := newTestClient(t)
	c.config.KubeClient = &unreachable{}
	_, installed := c.Install(t.Context(), nil)
	_, upgraded := c.Upgrade(t.Context(), UpgradeOptions{})
	_, status := c.Status(t.Context())
	const want = "cannot reach the cluster at https://10.0.0.1:6443: connection refused; " +
		"check the kubeconfig and the network"
	for action, err := range map[string]error{
		"install": installed, "upgrade": upgraded, "status": status,
		"uninstall": c.Uninstall(t.Context(), UninstallOptions{}),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%s: error = %v, want %q", action, err, want)
		}
	}
}
