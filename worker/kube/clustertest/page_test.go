package clustertest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"
)

// page is a proxy before the API server that can answer with a page of HTML in its place.
type page struct {
	config *rest.Config
	broken atomic.Bool
}

func newPage(t *testing.T, upstream *rest.Config, status int) *page {
	t.Helper()
	target, err := url.Parse(upstream.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(upstream)
	if err != nil {
		t.Fatal(err)
	}
	p := &page{}
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.Transport, forward.FlushInterval = transport, -1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.broken.Load() {
			http.Error(w, "<h1>Not here</h1>", status)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = nil
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	p.config = &rest.Config{
		Host: server.URL, QPS: -1, ContentConfig: upstream.ContentConfig, TLSClientConfig: rest.TLSClientConfig{},
		WrapTransport: upstream.WrapTransport,
	}
	return p
}
