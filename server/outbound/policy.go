package outbound

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Policy is what an operator allows to call. The zero value allows nothing.
type Policy struct{ entries []entry }

// entry is one thing that is allowed.
type entry struct {
	host      string       // a name, *.NAME or *; empty: any
	port      uint16       // 0: any
	addresses netip.Prefix // addresses that the host may have; the zero value: public ones
	plain     bool         // http is allowed, too
}

// RefusedError says that a policy does not allow a call.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

func refusedf(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

const plainPrefix = "http://"

// ParsePolicy reads what is allowed, an entry for each text: HOST, HOST:PORT, *.DOMAIN or * for hosts with public
// addresses, HOST=CIDR for a host with addresses in a range, CIDR for any host with these. With http:// before it,
// an entry allows calls without TLS, too.
func ParsePolicy(texts []string) (*Policy, error) {
	p := &Policy{}
	for _, text := range texts {
		e, err := parseEntry(text)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		p.entries = append(p.entries, e)
	}
	return p, nil
}

var errEntry = errors.New("want HOST[:PORT], *.DOMAIN, *, HOST[:PORT]=CIDR or CIDR, such as hooks.slack.com or " +
	"alerts.internal=10.0.0.0/8, with http:// before it to allow calls without TLS")

func parseEntry(text string) (entry, error) {
	rest, plain := strings.CutPrefix(strings.ToLower(strings.TrimSpace(text)), plainPrefix)
	e := entry{plain: plain}
	host, cidr, ranged := strings.Cut(rest, "=")
	if !ranged && strings.Contains(rest, "/") {
		host, cidr, ranged = "", rest, true
	}
	if ranged {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			return e, errEntry
		}
		e.addresses = prefix.Masked()
		if host == "" && !strings.Contains(rest, "=") {
			return e, nil
		}
	}
	if name, port, ok := strings.Cut(host, ":"); ok {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 {
			return e, errEntry
		}
		host, e.port = name, uint16(number)
	}
	if !isHostPattern(host) {
		return e, errEntry
	}
	e.host = host
	return e, nil
}

// isHostPattern accepts names, addresses of version 4, *.NAME and *.
func isHostPattern(host string) bool {
	if host == "*" {
		return true
	}
	name := strings.TrimPrefix(host, "*.")
	return name != "" && !strings.HasPrefix(name, ".") && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	})
}

// Empty reports whether nothing is allowed.
func (p *Policy) Empty() bool { return p == nil || len(p.entries) == 0 }

// target is what is called.
type target struct {
	plain bool // without TLS
	host  string
	port  uint16
}

func targetOf(u *url.URL) target {
	t := target{plain: u.Scheme == "http", host: strings.ToLower(u.Hostname()), port: 443}
	if t.plain {
		t.port = 80
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		t.port = uint16(port)
	}
	return t
}

// Check reports whether a URL may be allowed, as far as its text tells: what address its name has is found out when it
// is called.
func (p *Policy) Check(u *url.URL) error {
	if u.Scheme != "https" && u.Scheme != "http" {
		return refusedf("want an https URL")
	}
	t := targetOf(u)
	if address, err := netip.ParseAddr(t.host); err == nil {
		return p.checkAddress(t, address)
	}
	if !slices.ContainsFunc(p.entries, func(e entry) bool { return e.names(t) }) {
		return refused(t)
	}
	return nil
}

func refused(t target) error {
	if t.plain {
		return refusedf("the server may not call the host %s without TLS: use https, or let an operator allow it with "+
			"--webhook-allow http://HOST", t.host)
	}
	return refusedf("the server may not call the host %s: an operator has to allow it with --webhook-allow", t.host)
}

// checkAddress decides about the address of a host, just before it is connected to.
func (p *Policy) checkAddress(t target, address netip.Addr) error {
	named := false
	for _, e := range p.entries {
		if !e.names(t) {
			continue
		}
		if e.covers(address) {
			return nil
		}
		named = named || e.host != ""
	}
	if named && !isPublic(address.WithZone("").Unmap()) {
		return refusedf("the host %s has an address that is not public: an operator has to allow it with "+
			"--webhook-allow HOST=CIDR", t.host)
	}
	return refused(t)
}

// names reports whether an entry is about a target.
func (e entry) names(t target) bool {
	return (e.plain || !t.plain) && (e.host == "" || matchesHost(e.host, t.host)) && (e.port == 0 || e.port == t.port)
}

// covers reports whether an entry allows an address.
func (e entry) covers(address netip.Addr) bool {
	address = address.WithZone("").Unmap()
	if e.addresses.IsValid() {
		return e.addresses.Contains(address)
	}
	return isPublic(address)
}

func matchesHost(pattern, host string) bool {
	host = strings.TrimSuffix(host, ".")
	if pattern == "*" {
		return true
	}
	if domain, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, domain)
	}
	return host == strings.TrimSuffix(pattern, ".")
}

// isPublic reports whether an address is one of the public internet. What is left out: this machine, private and shared
// networks, link-local addresses (where clouds keep credentials), multicast, documentation, and the ranges that carry
// an IPv4 address inside, which a gateway may translate into any of these.
func isPublic(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is4In6() {
		return false
	}
	if a.Is6() && !public6().Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// public6 has the addresses of version 6 that are given out: neither unique local, nor NAT64, nor any that are reserved.
func public6() netip.Prefix { return netip.MustParsePrefix("2000::/3") }

// special are the ranges within the others that have a special meaning (RFC 6890 and its successors).
func special() []netip.Prefix {
	var ranges []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		ranges = append(ranges, netip.MustParsePrefix(text))
	}
	return ranges
}
