package state

import "fmt"

// A Node is one machine of the cluster as Kubernetes sees it: a kubelet and a container runtime. All nodes
// share the cluster's network namespace, each has its own address in it and its own range of pod addresses.
type Node struct {
	Name    string
	IP      string // on the loopback interface of the cluster's network namespace
	PodCIDR string
}

// Addresses of the cluster's own network. Each cluster has a network namespace to itself, so they are the
// same in all of them and cannot collide with anything on the machine.
const (
	ClusterCIDR  = "10.88.0.0/16" // nodes and pods
	ServiceCIDR  = "10.96.0.0/16"
	ServiceIP    = "10.96.0.1" // of the API server, the first of ServiceCIDR
	DNSIP        = "10.96.0.10"
	APIPort      = 6443 // inside the namespace
	DomainSuffix = "cluster.local"
)

// Nodes returns the nodes that the configuration asks for, at least one.
func (c Config) Nodes() []Node {
	nodes := make([]Node, max(1, c.NodeCount))
	for i := range nodes {
		nodes[i] = Node{
			Name:    fmt.Sprintf("node-%d", i+1),
			IP:      fmt.Sprintf("10.88.0.%d", i+1),
			PodCIDR: fmt.Sprintf("10.88.%d.0/24", i+1),
		}
	}
	return nodes
}

// ContainerdSocket is where the container runtime of the node listens.
func (d Dir) ContainerdSocket(node Node) string { return d.Path(node.Name, "containerd.sock") }
