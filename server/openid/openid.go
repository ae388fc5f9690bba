// Package openid is how Berth reaches OpenID Connect providers: the one where people sign in, and the issuers whose
// tokens are exchanged for keys, with TLS outside this machine. The protocol itself is up to the libraries that use the
// client.
package openid

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/berth-dev/berth/server/outbound"
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
	return outbound.NewClient(outbound.Options{Timeout: CallTimeout, ResponseMax: responseMax, Authorities: authorities})
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
