package apiclient

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

const (
	// connectTimeout bounds the TCP connection and, separately, the TLS handshake.
	connectTimeout = 10 * time.Second
	// responseTimeout bounds the wait for response headers. It exceeds the longest long poll of the server.
	responseTimeout = 60 * time.Second
	// keepAlive is the interval of TCP probes, which detect a peer that vanished.
	keepAlive = 15 * time.Second
	// idleTimeout is shorter than the idle timeout of the server and of common load balancers, so that a
	// request is not sent on a connection that the other side is closing.
	idleTimeout = 30 * time.Second
	// idleConnections limits the idle HTTP/1.1 connections; HTTP/2 needs one.
	idleConnections = 16
)

// NewTransport returns the HTTP transport of the worker and the command line. It trusts authorities, or the
// system's certificate authorities if nil, requires TLS 1.2, negotiates HTTP/2 and honors the proxy
// environment variables. It does not limit the time to read a body, because logs may be followed for hours:
// callers limit that by context.
func NewTransport(authorities *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectTimeout, KeepAlive: keepAlive}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities},
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: responseTimeout,
		ForceAttemptHTTP2:     true, // a custom dialer or TLS configuration turns HTTP/2 off otherwise
		MaxIdleConns:          idleConnections,
		MaxIdleConnsPerHost:   idleConnections,
		IdleConnTimeout:       idleTimeout,
	}
}
