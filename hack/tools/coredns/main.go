// Command coredns is CoreDNS with the plugins a small cluster's DNS needs and
// no others: the stock program also carries the clients of four clouds.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
)

// The order is the order of a query's way through the plugins, as upstream has it.
func init() {
	dnsserver.Directives = []string{
		"reload", "health", "ready", "prometheus", "errors",
		"cache", "loadbalance", "kubernetes", "loop", "forward",
	}
}

func main() { coremain.Run() }
