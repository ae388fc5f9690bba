package apiclient_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/berth-dev/berth/server/api/apiclient"
)

func TestTransport(t *testing.T) {
	t.Run("given authorities are trusted and HTTP/2 is negotiated", func(t *testing.T) {
		server := newTLSServer(t)
		authorities := x509.NewCertPool()
		authorities.AddCert(server.Certificate())

		resp, err := get(t, apiclient.NewTransport(authorities), server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusNoContent {
			t.Errorf("got %s %s, want HTTP/2.0 204", resp.Proto, resp.Status)
		}
	})

	t.Run("without authorities a private certificate is rejected", func(t *testing.T) {
		if _, err := get(t, apiclient.NewTransport(nil), newTLSServer(t).URL); err == nil {
			t.Error("a certificate of an unknown authority was accepted")
		}
	})
}

func newTLSServer(t *testing.T) *httptest.Server {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, transport *http.Transport, url string) (*http.Response, error) {
	t.Cleanup(transport.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(request)
	if err == nil {
		err = resp.Body.Close()
	}
	return resp, err
}
