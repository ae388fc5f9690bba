// Package cluster connects to a Kubernetes cluster: it finds its address and credentials (Connect), makes
// clients whose requests are counted (NewClient), and says what an error of the API server means and what to
// do about it (ClassifyCreateError, WithHint). It also has the tasks that an installation needs beside
// running Jobs: keys in a Secret, stopping a Deployment.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// CallTimeout bounds one request to the API server.
const CallTimeout = 30 * time.Second

// ConnectOptions choose the cluster. The zero value means the cluster that this process runs in, or else the
// current context of the kubeconfig that kubectl would use.
type ConnectOptions struct {
	Kubeconfig string // path of a kubeconfig file
	Context    string // of the kubeconfig; default is its current one
	Namespace  string // default namespace; default is the pod's, or that of the context
	ClusterID  string // default is what Identify finds
	UserAgent  string
}

// Config says how to reach a cluster.
type Config struct {
	REST *rest.Config
	// ClusterID is what the cluster is to be called; empty if Identify finds an ID.
	ClusterID string
	// Namespace is used for Jobs that name none.
	Namespace string
}

const serviceAccountNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// Connect determines how to reach the cluster. It makes no request; Config.Reach and Config.Identify do.
func Connect(o ConnectOptions) (Config, error) {
	rc, namespace, err := restConfig(o)
	if err != nil {
		return Config{}, err
	}
	return o.config(rc, namespace)
}

// config completes the Config of a cluster.
func (o ConnectOptions) config(rc *rest.Config, namespace string) (Config, error) {
	rc.QPS = -1 // the API server's priority and fairness is the limit
	rc.ContentType = "application/vnd.kubernetes.protobuf"
	rc.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	rc.UserAgent = o.UserAgent
	if rc.UserAgent == "" {
		rc.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	rc.Wrap(newConnectionTurn().wrap) // of all clients: they share their connections
	rc.Wrap(func(next http.RoundTripper) http.RoundTripper { return &foreignTransport{next} })

	config := Config{REST: rc, ClusterID: o.ClusterID, Namespace: namespace}
	if o.Namespace != "" {
		config.Namespace = o.Namespace
	}
	if config.Namespace == "" {
		config.Namespace = "default"
	}
	return config, nil
}

// Reach requests the API server's version, so that a wrong address or credential shows at once.
func (c Config) Reach(ctx context.Context) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := client.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Error(); err != nil {
		return fmt.Errorf("reach cluster at %s: %w", c.REST.Host, WithHint(err))
	}
	return nil
}

// client returns a client whose requests are not counted.
func (c Config) client() (*kubernetes.Clientset, error) {
	client, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return nil, fmt.Errorf("configure a client for the cluster at %s: %w", c.REST.Host, err)
	}
	return client, nil
}

func restConfig(o ConnectOptions) (*rest.Config, string, error) {
	if o.Kubeconfig == "" && o.Context == "" {
		rc, err := rest.InClusterConfig()
		if err == nil {
			namespace, err := os.ReadFile(serviceAccountNamespace)
			if err != nil {
				return nil, "", fmt.Errorf("read the namespace of this pod: %w", err)
			}
			return rc, strings.TrimSpace(string(namespace)), nil
		}
		if !errors.Is(err, rest.ErrNotInCluster) {
			return nil, "", fmt.Errorf("connect to the cluster that this pod runs in: %w", err)
		}
	}

	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.Context}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
	rc, err := loader.ClientConfig()
	switch {
	case clientcmd.IsEmptyConfig(err):
		return nil, "", errors.New("no cluster is configured: " +
			"set --kubeconfig, --kube-context or KUBECONFIG to one, or run in a pod")
	case err != nil:
		return nil, "", fmt.Errorf("read the kubeconfig: %w", err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read the namespace of the kubeconfig's context: %w", err)
	}
	return rc, namespace, nil
}
