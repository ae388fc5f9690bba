package local

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/berth-dev/berth/e2e/cluster/pki"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// writeCredentials makes the cluster's authority, and a key for everyone in it under the name that
// Kubernetes' own roles are bound to. Components reach the API server inside the cluster's network namespace;
// people reach it from outside.
func writeCredentials(dir state.Dir, config state.Config) error {
	if err := os.MkdirAll(dir.Path("pki"), 0o700); err != nil {
		return fmt.Errorf("write credentials: %w", err)
	}
	authority, err := pki.NewAuthority("berth-cluster")
	if err != nil {
		return err
	}
	if err := writeServerKeys(dir, config, authority); err != nil {
		return err
	}
	inside := fmt.Sprintf("https://127.0.0.1:%d", state.APIPort)
	users := []struct{ file, user, group string }{
		{"admin", "admin", "system:masters"},
		{"controller-manager", "system:kube-controller-manager", ""},
		{"scheduler", "system:kube-scheduler", ""},
		{"kube-proxy", "system:kube-proxy", ""},
	}
	for _, node := range config.Nodes() {
		users = append(users,
			struct{ file, user, group string }{node.Name, "system:node:" + node.Name, "system:nodes"})
	}
	for _, user := range users {
		if err := writeKubeconfig(dir.Path("pki", user.file+".kubeconfig"), inside, authority, user.user, user.group); err != nil {
			return err
		}
	}
	return writeKubeconfig(dir.Kubeconfig(), fmt.Sprintf("https://127.0.0.1:%d", config.Port), authority,
		"admin", "system:masters")
}

// writeServerKeys writes what the API server and the controller manager serve and sign with.
func writeServerKeys(dir state.Dir, config state.Config, authority *pki.Authority) error {
	const service = "kubernetes.default.svc"
	server, err := authority.Server("kube-apiserver", "127.0.0.1", "localhost", state.ServiceIP,
		config.Nodes()[0].IP, "kubernetes", "kubernetes.default", service, service+"."+state.DomainSuffix)
	if err != nil {
		return err
	}
	client, err := authority.Client("kube-apiserver", "system:masters")
	if err != nil {
		return err
	}
	for name, pair := range map[string]pki.Pair{"ca": authority.Pair, "apiserver": server, "kubelet-client": client} {
		if err := pair.Write(dir.Path("pki", name)); err != nil {
			return err
		}
	}
	_, key, err := pki.NewKey()
	if err != nil {
		return err
	}
	if err := os.WriteFile(dir.Path("pki", "serviceaccount.key"), key, 0o600); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

// writeKubeconfig writes a file that needs no other: certificates and key are in it.
func writeKubeconfig(path, server string, authority *pki.Authority, user, group string) error {
	pair, err := authority.Client(user, group)
	if err != nil {
		return err
	}
	const name = "berth"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: authority.Cert}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.Cert, ClientKeyData: pair.Key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}
