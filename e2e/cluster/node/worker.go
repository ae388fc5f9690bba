package node

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"syscall"
	"text/template"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

//go:embed files
var files embed.FS

// PauseImage is the image that holds a pod's namespaces.
const PauseImage = "localhost/berth/pause:1"

func containerd(dir state.Dir, node state.Node) component {
	return component{
		name:  named("containerd", node),
		path:  "containerd",
		args:  []string{"--config=" + dir.Path(node.Name, "containerd.toml")},
		probe: dialProbe(dir.ContainerdSocket(node)),
	}
}

func kubelet(dir state.Dir, node state.Node) component {
	return component{
		name: named("kubelet", node),
		path: dir.Path("bin", "kubelet"),
		args: []string{
			"--config=" + dir.Path(node.Name,
				"kubelet.yaml"), "--kubeconfig=" + dir.Path("pki", node.Name+".kubeconfig"),
			"--root-dir=" + dir.Path(node.Name,
				"kubelet"), "--hostname-override=" + node.Name, "--node-ip=" + node.IP,
		},
		needs: []string{"kube-apiserver", named("containerd", node)},
		probe: getProbe("http://" + node.IP + ":10248/healthz"),
	}
}

// named gives the components of the first node their plain names and tells those of others apart.
func named(component string, node state.Node) string {
	if node.Name == "node-1" {
		return component
	}
	return component + "-" + node.Name
}

// writeNodeFiles writes the configuration of a node's container runtime, network and kubelet.
func writeNodeFiles(dir state.Dir, node state.Node) error {
	values := map[string]any{
		"Node": node, "Dir": dir.Path(node.Name), "Socket": dir.ContainerdSocket(node), "CA": dir.Path("pki", "ca.crt"),
		"PauseImage": PauseImage, "Snapshotter": Snapshotter(dir), "Cgroup": "/" + dir.Cgroup() + "/" + node.Name,
		"DNS": state.DNSIP, "Domain": state.DomainSuffix,
	}
	for source, target := range map[string]string{
		"containerd.toml": dir.Path(node.Name, "containerd.toml"),
		"cni.conflist":    dir.Path(node.Name, "cni", "10-pods.conflist"),
		"kubelet.yaml":    dir.Path(node.Name, "kubelet.yaml"),
		"resolv.conf":     dir.Path(node.Name, "resolv.conf"),
	} {
		if err := writeTemplate(source, target, values); err != nil {
			return fmt.Errorf("write files of %s: %w", node.Name, err)
		}
	}
	return nil
}

func writeTemplate(source, target string, values any) error {
	parsed, err := template.New(source).Option("missingkey=error").ParseFS(files, "files/"+source)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, values); err != nil {
		return err
	}
	return os.WriteFile(target, text.Bytes(), 0o644)
}

// Snapshotter returns the way in which layers are stacked: overlays, or copies where the directory is itself
// on an overlay (in a container), which cannot carry another.
func Snapshotter(dir state.Dir) string {
	const overlay = 0x794c7630
	var stat syscall.Statfs_t
	if err := syscall.Statfs(string(dir), &stat); err == nil && stat.Type == overlay {
		return "native"
	}
	return "overlayfs"
}
