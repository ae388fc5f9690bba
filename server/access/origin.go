package access

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/problem"
)

// OriginGuard protects a server without keys from web pages. A page that a developer has open must not be
// able to start a job on the developer's machine, neither by a cross-site request nor through a host name
// that resolves to the machine (DNS rebinding).
type OriginGuard struct{ hosts []string }

// NewOriginGuard returns a guard that allows the loopback names and the given hosts, without ports.
func NewOriginGuard(allowed []string) *OriginGuard {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	for _, host := range allowed {
		hosts = append(hosts, strings.ToLower(strings.Trim(host, "[]")))
	}
	return &OriginGuard{hosts: hosts}
}

// Check refuses a request to an unknown host or from a page of another site. page is true if the request is
// for a page of the UI, to which other sites may link.
func (g *OriginGuard) Check(r *http.Request, page bool) error {
	if !g.serves(r) {
		return problem.Newf(
			problem.HostRefused,
			"host %q is not allowed: use 127.0.0.1 or localhost, or start the server with --allowed-host",
			r.Host,
		)
	}
	if origin := r.Header.Get("Origin"); origin != "" && !sameOrigin(origin, r.Host) {
		return problem.Newf(problem.OriginRefused, "cross-site requests are not allowed (origin %q)", origin)
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return nil
	}
	if page && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		return nil // a link to the UI
	}
	return problem.Newf(problem.OriginRefused, "cross-site requests are not allowed")
}

func (g *OriginGuard) serves(r *http.Request) bool {
	host := hostname(r.Host)
	if slices.Contains(g.hosts, host) {
		return true
	}
	// An IP address cannot be rebound as a name can. Kubelets probe by the address that they connect to.
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
