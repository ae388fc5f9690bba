// Package openid is how Berth reaches OpenID Connect providers: the one where people sign in, and the issuers whose
// tokens are exchanged for keys. Calls are bounded in time and size, follow no redirect, and use TLS outside this
// machine. The protocol itself is up to the libraries that use the client.
package openid

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// CallTimeout bounds a call of a provider, for which a request of a user waits.
	CallTimeout = 10 * time.Second
	// ClockSkew is how far the clocks of server and provider may differ.
	ClockSkew = time.Minute
	// responseMax bounds what is read of an answer.
	responseMax = 1 << 20
)

// Algorithms are the signing algorithms that are accepted. All are asymmetric: with HS256, whoever knows the
// secret could sign, and with none whoever sends a token.
func Algorithms() []string {
	return []string{
		string(jose.RS256), string(jose.RS384), string(jose.RS512),
		string(jose.PS256), string(jose.PS384), string(jose.PS512),
		string(jose.ES256), string(jose.ES384), string(jose.ES512), string(jose.EdDSA),
	}
}

// NewClient returns a client for providers. authorities are trusted beside those of the system; nil for none.
func NewClient(authorities *x509.CertPool) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if authorities != nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities}
	}
	return &http.Client{
		Transport: limited{transport},
		// A redirect would carry secrets and codes to another address, or read keys from there.
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

// limited bounds the time of calls and the size of answers. It reads the whole answer, because not every caller
// in the libraries closes what it reads.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), CallTimeout)
	defer cancel()
	response, err := l.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, responseMax))
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (l limited) CloseIdleConnections() {
	if closer, ok := l.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// CheckURL wants https, or http on this machine.
func CheckURL(text string) error {
	parsed, err := url.Parse(text)
	switch {
	case err != nil || parsed.Host == "":
		return errors.New("want a URL such as https://login.example.com")
	case parsed.Scheme == "https":
		return nil
	case parsed.Scheme == "http" && isLoopback(parsed.Hostname()):
		return nil
	}
	return errors.New("want https; http is for addresses of this machine only")
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
