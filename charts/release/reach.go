package release

import (
	"errors"
	"fmt"
	"net/url"
	"os"

	"helm.sh/helm/v3/pkg/cli"
)

// ErrNoCluster is returned when no cluster is configured.
var ErrNoCluster = errors.New("no cluster is configured")

// checkConfigured refuses settings that name no cluster. The libraries would try this host instead.
func checkConfigured(settings *cli.EnvSettings) error {
	raw, err := settings.RESTClientGetter().ToRawKubeConfigLoader().RawConfig()
	switch {
	case err != nil:
		return fmt.Errorf("read the kubeconfig: %w", err)
	case len(raw.Clusters) > 0, settings.KubeAPIServer != "", os.Getenv("KUBERNETES_SERVICE_HOST") != "":
		return nil
	}
	return fmt.Errorf("%w: set --kubeconfig, --kube-context or KUBECONFIG to one", ErrNoCluster)
}

// reach makes one request to the cluster, so that later errors are about the release.
func (c *Client) reach() error {
	err := c.config.KubeClient.IsReachable()
	var call *url.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &call):
		return fmt.Errorf("cannot reach the cluster at %s: %w; check the kubeconfig and the network",
			host(call.URL), call.Err)
	}
	return fmt.Errorf("cannot reach the cluster: %w; check the kubeconfig and the network", err)
}

// host is the address in a URL.
func host(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return address
	}
	return parsed.Scheme + "://" + parsed.Host
}
