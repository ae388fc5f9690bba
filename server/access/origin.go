package access

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/problem"
)

// OriginGuard protects a server without keys from web pages: a page that a developer has open must not be
// able to start a job on the developer's machine, by posting to it or by a host name that resolves to it (DNS
// rebinding).
type OriginGuard struct{ hosts []string }

// NewOriginGuard makes a Guard that serves the loopback names and the hosts named, without ports.
func NewOriginGuard(allowed []string) *OriginGuard {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	for _, host := range allowed {
		hosts = append(hosts, strings.ToLower(strings.Trim(host, "[]")))
	}
	return &OriginGuard{hosts: hosts}
}

// Check refuses a request whose host is not ours or that another site's page has sent. page says whether what
// is asked for is a page that people may follow a link to.
func (g *OriginGuard) Check(r *http.Request, page bool) error {
	if !g.serves(r) {
		return problem.Newf(
			problem.HostRefused,
			"host %q is not served; use 127.0.0.1 or localhost, or name it with `berth server --allowed-host`",
			r.Host,
		)
	}
	if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r.Host) {
		return problem.Newf(problem.OriginRefused, "requests from the page %q are refused", origin)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return nil
	}
	if page && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		return nil // a link to the UI
	}
	return problem.Newf(problem.OriginRefused, "requests from another site's page are refused")
}

func (g *OriginGuard) serves(r *http.Request) bool {
	host := hostname(r.Host)
	if slices.Contains(g.hosts, host) {
		return true
	}
	// An address can not be rebound as a name can, so the one that was connected to is ours. Kubelets probe
	// by it.
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	connected := net.ParseIP(hostname(local.String()))
	return connected != nil && connected.Equal(net.ParseIP(host))
}

func sameOrigin(origin, host string) bool {
	parsed, err := url.Parse(origin)
	return err == nil && (parsed.Scheme == "http" || parsed.Scheme == "https") &&
		strings.EqualFold(parsed.Host, host)
}

func hostname(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
