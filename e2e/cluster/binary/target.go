package binary

import "fmt"

// KubernetesVersion is the version that the kube module pins; the API server reports it, and clients parse
// it.
const KubernetesVersion = "v1.34.4"

// A target is a program that can be built.
type target struct {
	name     string
	dir      string // the module's directory, below the builder's source
	pkg      string // the package to build
	ldflags  string
	duration string // for people who wait
}

// find returns the target called name.
func find(name string) (target, error) {
	const version = "k8s.io/component-base/version"
	switch name {
	case "kube":
		stamp := fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=1 -X %[1]s.gitMinor=34", version,
			KubernetesVersion)
		return target{name, "kube", ".", "-s -w" + stamp, "about 3 minutes on 4 cores"}, nil
	case "etcd":
		return target{name, "etcd", "go.etcd.io/etcd/server/v3", "-s -w", "half a minute"}, nil
	case "coredns":
		return target{name, "coredns", ".", "-s -w", "half a minute"}, nil
	case "kwok":
		return target{name, "kwok", "sigs.k8s.io/kwok/cmd/kwok", "-s -w", "a minute"}, nil
	case "kueue":
		return target{name, "kueue", "sigs.k8s.io/kueue/cmd/kueue", "-s -w", "about 2 minutes on 4 cores"}, nil
	case "kind":
		return target{name, "kind", "sigs.k8s.io/kind", "-s -w", "half a minute"}, nil
	case "pause":
		return target{name, "pause", ".", "-s -w", "a second"}, nil
	}
	return target{}, fmt.Errorf("there is no program called %q to build", name)
}
