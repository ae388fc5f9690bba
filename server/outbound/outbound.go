// Package outbound is how the server calls others: the provider where people sign in, the issuers of tokens, the receivers
// of webhooks. Calls are bounded in time and size and follow no redirect. Where users choose the address, a [Policy] says
// which addresses an operator allows; it is asked when a connection is made, with the address that the name has then.
package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	// headerMax bounds the headers of an answer.
	headerMax = 64 << 10
	// idleTime keeps connections open for a burst of calls, and no longer.
	idleTime = 30 * time.Second
)

// Options of a client.
type Options struct {
	Timeout     time.Duration // of a call, until the whole answer was read
	ResponseMax int64         // bytes of the body that are read; the rest is dropped
	// Authorities are trusted beside those of the system; nil for none.
	Authorities *x509.CertPool
	// Policy refuses addresses that are not allowed; nil: the operator chose the address. With a policy no proxy is
	// used: the address of the proxy would be checked, and not that of the receiver.
	Policy *Policy
}

// NewClient returns a client that calls others.
func NewClient(o Options) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxResponseHeaderBytes = headerMax
	if o.Authorities != nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Authorities}
	}
	if o.Policy != nil {
		transport.Proxy = nil
		transport.IdleConnTimeout = idleTime
		transport.DialContext = o.Policy.dial
	}
	return &http.Client{
		Transport: limited{transport, o},
		// A redirect would carry secrets to another address, or read from there.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Authorities returns the system's certificate authorities and those of a PEM text.
func Authorities(text []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a machine without any
	}
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("it has no PEM certificate")
	}
	return pool, nil
}

// limited bounds the time of calls and the size of answers. It reads the answer, because not every caller in the
// libraries closes what it reads.
type limited struct {
	next    *http.Transport
	options Options
}

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), l.options.Timeout)
	defer cancel()
	if l.options.Policy != nil {
		if err := l.options.Policy.Check(r.URL); err != nil {
			return nil, err
		}
		ctx = context.WithValue(ctx, targetKey{}, targetOf(r.URL))
	}
	response, err := l.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, l.options.ResponseMax))
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (l limited) CloseIdleConnections() { l.next.CloseIdleConnections() }

type targetKey struct{}

// dial connects to a host that the policy allows. The check of the address is part of the connection: a name cannot
// have one address when it is checked and another when it is used.
func (p *Policy) dial(ctx context.Context, network, address string) (net.Conn, error) {
	t, ok := ctx.Value(targetKey{}).(target)
	if !ok {
		return nil, refusedf("connect to %s: it is not known what for", address)
	}
	dialer := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("read the address of %s: %w", t.host, err)
		}
		return p.checkAddress(t, to.Addr())
	}}
	return dialer.DialContext(ctx, network, address)
}
