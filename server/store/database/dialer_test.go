package database

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
)

// hole forwards connections to a socket until it swallows what is sent, as a machine does that has vanished.
type hole struct {
	address string
	closed  sync.WaitGroup
	mu      sync.Mutex
	conns   []net.Conn
	swallow chan struct{} // closed when nothing comes through any longer
}

func dig(t *testing.T, socket string) *hole {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hole{address: listener.Addr().String(), swallow: make(chan struct{})}
	h.closed.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the test has ended
			}
			h.forward(client, socket)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		h.mu.Lock()
		for _, c := range h.conns {
			_ = c.Close()
		}
		h.mu.Unlock()
		h.closed.Wait()
	})
	return h
}

func (h *hole) forward(client net.Conn, socket string) {
	server, err := net.Dial("unix", socket)
	if err != nil {
		_ = client.Close()
		return
	}
	h.mu.Lock()
	h.conns = append(h.conns, client, server)
	h.mu.Unlock()
	for from, to := range map[net.Conn]net.Conn{client: server, server: client} {
		h.closed.Go(func() {
			_, _ = io.Copy(swallower{to, h.swallow}, from)
			select {
			case <-h.swallow: // it does not say that the other end has gone
			default:
				_ = to.Close()
			}
		})
	}
}

type swallower struct {
	net.Conn
	swallow <-chan struct{}
}

func (s swallower) Write(b []byte) (int, error) {
	select {
	case <-s.swallow:
		return len(b), nil
	default:
		return s.Conn.Write(b)
	}
}

// TestAQueryEndsWhenItsServerHasVanished: neither the statement timeout, which is PostgreSQL's, nor the context ends a
// read of a connection whose other end is gone.
func TestAQueryEndsWhenItsServerHasVanished(t *testing.T) {
	t.Parallel()
	direct, err := url.Parse(pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	h := dig(t, filepath.Join(direct.Query().Get("host"), ".s.PGSQL.5432"))
	through := url.URL{
		Scheme: "postgres", Host: h.address, Path: direct.Path, RawQuery: "user=berth&sslmode=disable&connect_timeout=1",
	}
	db, err := Open(t.Context(), Options{URL: through.String(), PeopleTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // its connections are broken
	ctx := WithUse(t.Context(), People)
	var got string
	if err := db.Reader().Get(ctx, &got, "SELECT 'quay'"); err != nil {
		t.Fatal(err)
	}
	close(h.swallow)
	ended := make(chan error, 1)
	go func() { ended <- db.Reader().Get(ctx, &got, "SELECT 'quay'") }()
	select {
	case err := <-ended:
		if !IsCode(err, Unavailable) && !IsCode(err, QueryTimeout) {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
}
