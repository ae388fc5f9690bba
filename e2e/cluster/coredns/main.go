// Command coredns is the test cluster's name server: CoreDNS with the plugins that the cluster's
// configuration uses, and none of the clients of cloud providers, which would be most of the building.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// In the order in which a question passes them: template denies what is left.
	dnsserver.Directives = []string{"ready", "health", "errors", "loadbalance", "kubernetes", "template"}
	coremain.Run()
}
