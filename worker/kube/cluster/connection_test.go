package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// tlsServer is a server that speaks HTTP/2 over TLS, as API servers do, and counts its connections.
type tlsServer struct {
	*httptest.Server
	connections atomic.Int64
}

func newTLSServer(t *testing.T, streams int, handler http.Handler) *tlsServer {
	t.Helper()
	s := &tlsServer{Server: httptest.NewUnstartedServer(handler)}
	s.EnableHTTP2 = true
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *tlsServer) config(t *testing.T) Config {
	t.Helper()
	rc := &rest.Config{Host: s.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	config, err := ConnectOptions{}.config(rc, "default")
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// fetch makes so many requests at once, by as many clients of one Config.
func fetch(t *testing.T, ctx context.Context, config Config, requests int) *sync.WaitGroup {
	t.Helper()
	var clients []*http.Client
	for range 3 {
		client, err := rest.HTTPClientFor(config.REST)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, client)
	}
	var group sync.WaitGroup
	for i := range requests {
		group.Go(func() {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, config.REST.Host, nil)
			if err != nil {
				t.Error(err)
				return
			}
			response, err := clients[i%len(clients)].Do(r)
			if err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			response.Body.Close()
		})
	}
	return &group
}

// TestManyRequestsAtOnceOpenOneConnection makes as many as a connection carries before the server has said how many: 100.
func TestManyRequestsAtOnceOpenOneConnection(t *testing.T) {
	s := newTLSServer(t, 250, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	fetch(t, t.Context(), s.config(t), 100).Wait()
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestAnotherConnectionIsOpenedOnlyWhenOneIsFull(t *testing.T) {
	const streams, perConnection = 600, 100
	var open atomic.Int64
	all, ctx := make(chan struct{}), t.Context()
	s := newTLSServer(t, perConnection, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open.Add(1) == streams {
			close(all)
		}
		<-all
	}))
	fetch(t, ctx, s.config(t), streams).Wait()
	if n := s.connections.Load(); n > streams/perConnection+1 {
		t.Errorf("%d connections for %d streams of which one carries %d", n, streams, perConnection)
	}
}

func TestARequestThatWaitsForAConnectionEndsWithItsContext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // never answers a handshake
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	config, err := ConnectOptions{}.config(&rest.Config{
		Host: fmt.Sprintf("https://%s", listener.Addr()), TLSClientConfig: rest.TLSClientConfig{Insecure: true},
	}, "default")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	fetch(t, ctx, config, 20).Wait()
}
