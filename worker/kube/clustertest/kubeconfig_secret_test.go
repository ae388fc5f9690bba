package clustertest

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/berth-dev/berth/worker/kube"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// kubeconfigSecret puts a changed copy of the test's kubeconfig into a Secret.
func (s *site) kubeconfigSecret(name string, change func(*clientcmdapi.Config)) {
	s.t.Helper()
	raw, err := clientcmd.LoadFromFile(os.Getenv("E2E_KUBECONFIG"))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := clientcmdapi.FlattenConfig(raw); err != nil {
		s.t.Fatal(err)
	}
	change(raw)
	text, err := clientcmd.Write(*raw)
	if err != nil {
		s.t.Fatal(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Data:       map[string][]byte{"kubeconfig": text, "junk": []byte("token: xyzzy\n\t-")},
	}
	if _, err := s.client.CoreV1().Secrets(s.namespace).Create(s.ctx(), secret, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func TestConnectBySecretReachesTheCluster(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.kubeconfigSecret("elsewhere", func(*clientcmdapi.Config) {})
	config, err := s.config.ConnectBySecret(s.ctx(), "elsewhere", "kubeconfig",
		cluster.ConnectOptions{Namespace: s.namespace})
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Reach(s.ctx()); err != nil {
		t.Error(err)
	}
	if config.ClusterID != s.config.ClusterID || config.Namespace != s.namespace {
		t.Errorf("cluster %s, namespace %s; want %s and %s", config.ClusterID, config.Namespace,
			s.config.ClusterID, s.namespace)
	}
}

func TestAKubeconfigThatIsNotSelfContainedIsRefused(t *testing.T) {
	s := newSite(t, kube.Options{})
	each := func(change func(*clientcmdapi.AuthInfo)) func(*clientcmdapi.Config) {
		return func(raw *clientcmdapi.Config) {
			for _, user := range raw.AuthInfos {
				change(user)
			}
		}
	}
	for name, test := range map[string]struct {
		change    func(*clientcmdapi.Config)
		key, want string
	}{
		"program": {each(func(u *clientcmdapi.AuthInfo) {
			u.Exec = &clientcmdapi.ExecConfig{Command: "sh", APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: "Never"}
		}), "kubeconfig", "from a program"},
		"file":      {each(func(u *clientcmdapi.AuthInfo) { u.TokenFile = "/etc/passwd" }), "kubeconfig", "refers to files"},
		"other-key": {func(*clientcmdapi.Config) {}, "config", `no key "config"`},
		"junk":      {func(*clientcmdapi.Config) {}, "junk", "not a valid kubeconfig"},
	} {
		s.kubeconfigSecret(name, test.change)
		_, err := s.config.ConnectBySecret(s.ctx(), name, test.key, cluster.ConnectOptions{})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "xyzzy") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	if _, err := s.config.ConnectBySecret(s.ctx(), "none", "kubeconfig", cluster.ConnectOptions{}); err == nil {
		t.Error("a missing Secret was accepted")
	}
}
