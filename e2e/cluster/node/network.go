package node

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// prepareNetwork gives the network namespace what it needs: a loopback interface that also carries the nodes'
// addresses, and forwarding between pods. Pods are attached point to point, each behind its own device,
// so that everything between them is routed and passes kube-proxy's rules; a bridge would need a kernel
// module for that.
//
// There is no way from here to the machine's network or beyond: the cluster reaches no registry and no name
// server, and an image that was not loaded fails at once, the same way everywhere.
func prepareNetwork(nodes []state.Node) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback interface: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("set the loopback interface up: %w", err)
	}
	for _, node := range nodes {
		address, err := netlink.ParseAddr(node.IP + "/32")
		if err != nil {
			return fmt.Errorf("address of %s: %w", node.Name, err)
		}
		if err := netlink.AddrAdd(loopback, address); err != nil {
			return fmt.Errorf("add address %s of %s: %w", node.IP, node.Name, err)
		}
	}
	if err := routeServices(loopback, nodes[0]); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("allow forwarding: %w", err)
	}
	return nil
}

// routeServices lets processes of the control plane reach Services, such as the webhooks of a controller in the cluster:
// kube-proxy's rules see only packets that have a route.
func routeServices(loopback netlink.Link, first state.Node) error {
	_, services, err := net.ParseCIDR(state.ServiceCIDR)
	if err != nil {
		return fmt.Errorf("parse the range of Services: %w", err)
	}
	route := &netlink.Route{LinkIndex: loopback.Attrs().Index, Dst: services, Src: net.ParseIP(first.IP)}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("add a route to %s: %w", services, err)
	}
	return nil
}
