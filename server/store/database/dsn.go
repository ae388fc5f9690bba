package database

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// postgresDefaultPort is the port of a host of a URL that names none.
const postgresDefaultPort = "5432"

// parsePostgresURL reads a URL in the forms of libpq, and adds what this package relies on. Several hosts are
// tried in their order until one is what target_session_attrs asks for, by default the target. An error does not contain the URL, which may contain a password.
func parsePostgresURL(raw, target string) (*url.URL, error) {
	u, err := splitHosts(raw)
	if err != nil {
		return nil, errors.New(
			"not a valid URL: want postgres://USER:PASSWORD@HOST:5432/DATABASE, with several hosts as " +
				"HOST1:5432,HOST2:5432, and special characters of the password percent-encoded")
	}
	q := u.Query()
	q.Set("timezone", "UTC")
	// One round trip a statement, and the only way through a pooler. []byte is an array in binary form
	// (param.go).
	q.Set("binary_parameters", "yes")
	setDefault(q, "connect_timeout", "10")
	setDefault(q, "application_name", "berth")
	setDefault(q, "target_session_attrs", target)
	if !strings.HasPrefix(q.Get("host"), "/") {
		setDefault(q, "sslmode", "prefer")
	}
	u.RawQuery = q.Encode()
	return u, nil
}

// splitHosts parses a URL whose authority has several hosts, or the directory of a socket: libpq takes them,
// net/url does not. They become the parameters host and port, which the driver reads as lists.
func splitHosts(raw string) (*url.URL, error) {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		return nil, errors.New("no scheme")
	}
	authority, path := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, path = rest[:end], rest[end:]
	}
	user, hosts := "", authority
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		user, hosts = authority[:at+1], authority[at+1:]
	}
	if !strings.ContainsAny(hosts, ",%") {
		return url.Parse(raw)
	}
	u, err := url.Parse(scheme + "://" + user + path)
	if err != nil {
		return nil, err
	}
	names, ports, err := parseHosts(hosts)
	if err != nil {
		return nil, err
	}
	if u.Path == "" {
		u.Path = "/" // without it String leaves out the slashes of the empty host
	}
	q := u.Query()
	setDefault(q, "host", strings.Join(names, ","))
	if ports != nil {
		setDefault(q, "port", strings.Join(ports, ","))
	}
	u.RawQuery = q.Encode()
	return u, nil
}

// parseHosts reads host[:port],host[:port]. The ports are nil when no host has one.
func parseHosts(list string) (names, ports []string, err error) {
	hasPort := false
	for host := range strings.SplitSeq(list, ",") {
		port := ""
		bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
		if strings.Contains(host, ":") && !bracketed {
			if host, port, err = net.SplitHostPort(host); err != nil {
				return nil, nil, err
			}
		}
		name, err := url.PathUnescape(strings.Trim(host, "[]"))
		if err != nil {
			return nil, nil, err
		}
		if name == "" {
			return nil, nil, fmt.Errorf("empty host")
		}
		hasPort = hasPort || port != ""
		if port == "" {
			port = postgresDefaultPort
		}
		names, ports = append(names, name), append(ports, port)
	}
	if !hasPort {
		ports = nil
	}
	return names, ports, nil
}

func setDefault(q url.Values, key, value string) {
	if !q.Has(key) {
		q.Set(key, value)
	}
}
