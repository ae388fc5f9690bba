package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Through connects to the cluster of a kubeconfig that a Secret holds, which is read once, in the namespace
// of home. The options' own kubeconfig and context are those of home and do not count.
func (home Config) Through(ctx context.Context, secret, key string, o ConnectOptions) (Config, error) {
	client, err := kubernetes.NewForConfig(home.REST)
	if err != nil {
		return Config{}, fmt.Errorf("make a client for the cluster at %s: %w", home.REST.Host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	there, err := client.CoreV1().Secrets(home.Namespace).Get(ctx, secret, metav1.GetOptions{})
	if err != nil {
		return Config{}, fmt.Errorf(
			"read the kubeconfig in secret %s/%s: %w",
			home.Namespace,
			secret,
			hinted(err),
		)
	}
	text, ok := there.Data[key]
	if !ok {
		return Config{}, fmt.Errorf("secret %s/%s has no data key %q", home.Namespace, secret, key)
	}
	raw, err := clientcmd.Load(text)
	if err != nil {
		return Config{}, fmt.Errorf(
			"secret %s/%s does not hold a kubeconfig under %q: not valid",
			home.Namespace,
			secret,
			key,
		) // the cause would quote it
	}
	if err := selfContained(raw); err != nil {
		return Config{}, fmt.Errorf("the kubeconfig in secret %s/%s: %w", home.Namespace, secret, err)
	}
	loader := clientcmd.NewDefaultClientConfig(*raw, &clientcmd.ConfigOverrides{})
	rc, err := loader.ClientConfig()
	if err != nil {
		return Config{}, fmt.Errorf("the kubeconfig in secret %s/%s: %w", home.Namespace, secret, err)
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return Config{}, fmt.Errorf("the kubeconfig in secret %s/%s: %w", home.Namespace, secret, err)
	}
	return o.config(rc, namespace)
}

// selfContained refuses a kubeconfig that would have the worker run a program or read a file of its own.
func selfContained(raw *clientcmdapi.Config) error {
	for name, user := range raw.AuthInfos {
		switch {
		case user.Exec != nil, user.AuthProvider != nil:
			return fmt.Errorf(
				"user %q gets its credentials from a program; put a token or a certificate in",
				name,
			)
		case user.TokenFile != "", user.ClientCertificate != "", user.ClientKey != "":
			return fmt.Errorf(
				"user %q names files; put their content in (kubectl config view --flatten)",
				name,
			)
		}
	}
	for name, cluster := range raw.Clusters {
		if cluster.CertificateAuthority != "" {
			return fmt.Errorf(
				"cluster %q names a file; put its content in (kubectl config view --flatten)",
				name,
			)
		}
	}
	if len(raw.Clusters) == 0 {
		return errors.New("it names no cluster")
	}
	return nil
}
