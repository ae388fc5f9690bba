package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// ConnectOptions says which cluster to talk to. Without any, that is the cluster that the process runs in,
// and else the current context of the kubeconfig that kubectl would use.
type ConnectOptions struct {
	Kubeconfig string // path of a kubeconfig file
	Context    string // of the kubeconfig; default is its current one
	Namespace  string // default namespace; default is the pod's, or that of the context
	ClusterID  string // default is a hash of the cluster's certificate authority
	UserAgent  string
}

// Config is a cluster that can be talked to.
type Config struct {
	REST *rest.Config
	// ClusterID is the same for everybody who talks to this cluster.
	ClusterID string
	// Namespace is for Jobs that name none.
	Namespace string
}

const serviceAccountNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// Connect finds out how to talk to the cluster; it does not talk to it yet (Config.Reach does).
func Connect(o ConnectOptions) (Config, error) {
	rc, namespace, err := restConfig(o)
	if err != nil {
		return Config{}, err
	}
	return o.config(rc, namespace)
}

// config is the Config for a cluster that has been found.
func (o ConnectOptions) config(rc *rest.Config, namespace string) (Config, error) {
	rc.QPS = -1 // API priority and fairness is the limit, on the server
	rc.ContentType = "application/vnd.kubernetes.protobuf"
	rc.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	rc.UserAgent = o.UserAgent
	if rc.UserAgent == "" {
		rc.UserAgent = rest.DefaultKubernetesUserAgent()
	}
	config := Config{REST: rc, ClusterID: o.ClusterID, Namespace: namespace}
	if o.Namespace != "" {
		config.Namespace = o.Namespace
	}
	if config.Namespace == "" {
		config.Namespace = "default"
	}
	if config.ClusterID == "" {
		var err error
		if config.ClusterID, err = clusterID(rc); err != nil {
			return Config{}, err
		}
	}
	return config, nil
}

// Reach asks the API server for its version, so that a wrong address or key is found out at once.
func (c Config) Reach(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.REST)
	if err != nil {
		return fmt.Errorf("reach cluster at %s: %w", c.REST.Host, err)
	}
	if err := client.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Error(); err != nil {
		return fmt.Errorf("reach cluster at %s: %w", c.REST.Host, err)
	}
	return nil
}

func restConfig(o ConnectOptions) (*rest.Config, string, error) {
	if o.Kubeconfig == "" && o.Context == "" {
		rc, err := rest.InClusterConfig()
		if err == nil {
			namespace, err := os.ReadFile(serviceAccountNamespace)
			if err != nil {
				return nil, "", fmt.Errorf("read the pod's namespace: %w", err)
			}
			return rc, strings.TrimSpace(string(namespace)), nil
		}
		if !errors.Is(err, rest.ErrNotInCluster) {
			return nil, "", fmt.Errorf("connect to the cluster around this pod: %w", err)
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		rules,
		&clientcmd.ConfigOverrides{CurrentContext: o.Context},
	)
	rc, err := loader.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf(
			"no cluster to talk to (set --kubeconfig, --kube-context or KUBECONFIG, or run in a pod): %w",
			err,
		)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read the namespace of the kubeconfig's context: %w", err)
	}
	return rc, namespace, nil
}

// clusterID hashes what is the same for everybody who talks to the cluster, from within or without: its
// certificate authority, or where there is none the server's address.
func clusterID(rc *rest.Config) (string, error) {
	authority := rc.CAData
	if len(authority) == 0 && rc.CAFile != "" {
		var err error
		if authority, err = os.ReadFile(rc.CAFile); err != nil {
			return "", fmt.Errorf("read the cluster's certificate authority: %w", err)
		}
	}
	identity := strings.TrimSpace(string(authority))
	if identity == "" {
		identity = rc.Host
	}
	sum := sha256.Sum256([]byte(identity))
	return hex.EncodeToString(sum[:8]), nil
}
