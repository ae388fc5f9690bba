package cluster

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ConnectBySecret connects to the cluster of a kubeconfig in a Secret. The Secret is read once, from the
// namespace of home, the cluster that the worker runs in. The options' kubeconfig and context are ignored.
func (home Config) ConnectBySecret(
	ctx context.Context, secret, key string, o ConnectOptions,
) (Config, error) {
	name := home.Namespace + "/" + secret
	text, err := home.secretKey(ctx, secret, key)
	if err != nil {
		return Config{}, fmt.Errorf("read the kubeconfig in secret %s: %w", name, err)
	}
	raw, err := clientcmd.Load(text)
	if err != nil {
		// The cause is left out because it would quote the Secret.
		return Config{}, fmt.Errorf("secret %s: the value of key %q is not a valid kubeconfig", name, key)
	}
	if err := selfContained(raw); err != nil {
		return Config{}, fmt.Errorf("kubeconfig in secret %s: %w", name, err)
	}

	loader := clientcmd.NewDefaultClientConfig(*raw, &clientcmd.ConfigOverrides{})
	rc, err := loader.ClientConfig()
	if err != nil {
		return Config{}, fmt.Errorf("kubeconfig in secret %s: %w", name, err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return Config{}, fmt.Errorf("kubeconfig in secret %s: %w", name, err)
	}
	return o.config(rc, namespace)
}

func (home Config) secretKey(ctx context.Context, secret, key string) ([]byte, error) {
	client, err := home.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	current, err := client.CoreV1().Secrets(home.Namespace).Get(ctx, secret, metav1.GetOptions{})
	if err != nil {
		return nil, WithHint(err)
	}
	text, ok := current.Data[key]
	if !ok {
		return nil, fmt.Errorf("it has no key %q", key)
	}
	return text, nil
}

// selfContained refuses a kubeconfig that would have the worker run a program or read its files.
func selfContained(raw *clientcmdapi.Config) error {
	for name, user := range raw.AuthInfos {
		switch {
		case user.Exec != nil, user.AuthProvider != nil:
			return fmt.Errorf("user %q gets credentials from a program: use a token or certificate", name)
		case user.TokenFile != "", user.ClientCertificate != "", user.ClientKey != "":
			return fmt.Errorf("user %q refers to files: embed them (kubectl config view --flatten)", name)
		}
	}
	for name, cluster := range raw.Clusters {
		if cluster.CertificateAuthority != "" {
			return fmt.Errorf("cluster %q refers to a file: embed it (kubectl config view --flatten)", name)
		}
	}
	if len(raw.Clusters) == 0 {
		return errors.New("it names no cluster")
	}
	return nil
}
