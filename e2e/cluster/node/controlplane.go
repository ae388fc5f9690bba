package node

import (
	"fmt"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// apiServer listens in the cluster's own network namespace only. The machine reaches it through Forward.
func apiServer(dir state.Dir) component {
	return component{
		name: "kube-apiserver",
		path: dir.Path("bin", "kube-apiserver"),
		args: []string{
			"--etcd-servers=http://127.0.0.1:2379",
			"--bind-address=0.0.0.0", fmt.Sprintf("--secure-port=%d", state.APIPort),
			"--advertise-address=10.88.0.1",
			"--service-cluster-ip-range=" + state.ServiceCIDR,
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged",
			"--client-ca-file=" + dir.Path("pki", "ca.crt"),
			"--tls-cert-file=" + dir.Path("pki",
				"apiserver.crt"), "--tls-private-key-file=" + dir.Path("pki", "apiserver.key"),
			"--service-account-issuer=https://kubernetes.default.svc." + state.DomainSuffix,
			"--service-account-key-file=" + dir.Path("pki", "serviceaccount.key"),
			"--service-account-signing-key-file=" + dir.Path("pki", "serviceaccount.key"),
			"--kubelet-client-certificate=" + dir.Path("pki", "kubelet-client.crt"),
			"--kubelet-client-key=" + dir.Path("pki", "kubelet-client.key"),
			"--kubelet-preferred-address-types=InternalIP",
			// Controller manager and scheduler complain for as long as there is no authority for front
			// proxies.
			"--requestheader-client-ca-file=" + dir.Path("pki",
				"ca.crt"), "--requestheader-allowed-names=front-proxy",
			"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--max-requests-inflight=2000", "--max-mutating-requests-inflight=1000",
		},
		needs: []string{"etcd"},
		probe: getProbe(fmt.Sprintf("https://127.0.0.1:%d/readyz", state.APIPort)),
	}
}

// controllerManager may ask more often than its defaults allow (20 requests a second), or a cluster under
// test completes three Jobs a second, whatever is tested.
func controllerManager(dir state.Dir) component {
	return component{
		name: "kube-controller-manager",
		path: dir.Path("bin", "kube-controller-manager"),
		args: append(
			asUser(dir, "controller-manager"),
			"--bind-address=127.0.0.1",
			"--leader-elect=false",
			"--use-service-account-credentials",
			"--kube-api-qps=500",
			"--kube-api-burst=1000",
			"--concurrent-job-syncs=20",
			"--cluster-signing-cert-file="+dir.Path("pki", "ca.crt"),
			"--cluster-signing-key-file="+dir.Path("pki", "ca.key"),
			"--root-ca-file="+dir.Path("pki", "ca.crt"),
			"--service-account-private-key-file="+dir.Path("pki", "serviceaccount.key"),
		),
		needs: []string{"kube-apiserver"},
		probe: getProbe("https://127.0.0.1:10257/healthz"),
	}
}

func scheduler(dir state.Dir) component {
	return component{
		name: "kube-scheduler",
		path: dir.Path("bin", "kube-scheduler"),
		args: append(asUser(dir, "scheduler"), "--bind-address=127.0.0.1", "--leader-elect=false",
			"--kube-api-qps=500", "--kube-api-burst=1000"),
		needs: []string{"kube-apiserver"},
		probe: getProbe("https://127.0.0.1:10259/healthz"),
	}
}

// kubeProxy runs once: the nodes share one network namespace, so they share its rules. The limits of the
// connection tracking belong to the machine and are left as they are.
func kubeProxy(dir state.Dir, node state.Node) component {
	return component{
		name: "kube-proxy",
		path: dir.Path("bin", "kube-proxy"),
		args: []string{
			"--kubeconfig=" + dir.Path("pki", "kube-proxy.kubeconfig"), "--hostname-override=" + node.Name,
			"--proxy-mode=iptables", "--cluster-cidr=" + state.ClusterCIDR, "--iptables-localhost-nodeports=false",
			"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
		},
		needs: []string{"kube-apiserver"},
		probe: getProbe("http://127.0.0.1:10256/healthz"),
	}
}

// asUser are the arguments with which a component of the control plane talks to the API server under its own
// name.
func asUser(dir state.Dir, name string) []string {
	kubeconfig := dir.Path("pki", name+".kubeconfig")
	return []string{
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
	}
}
