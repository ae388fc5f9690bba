package pgtest

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Standby returns a server that replicates the server, as it is now and from now on, and answers queries. It
// ends with the test, before its primary.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	return startFor(t, s)
}

// Promote makes a primary of a standby.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	if err := s.pgctl("promote"); err != nil {
		t.Fatalf("promote the standby: %v", err)
	}
}

// Host is a name of servers of which one at a time is reached, like an address that moves.
type Host struct{ path string }

// NewHost returns a host that leads to the server.
func NewHost(t testing.TB, s *Server) *Host {
	t.Helper()
	dir, err := os.MkdirTemp(shortTempDir(), "berth-host-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	h := &Host{filepath.Join(dir, "h")}
	h.Move(t, s)
	return h
}

// Move lets new connections reach another server. Open ones stay.
func (h *Host) Move(t testing.TB, s *Server) {
	t.Helper()
	next := h.path + ".next"
	if err := os.Symlink(s.socketDir(), next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, h.path); err != nil {
		t.Fatal(err)
	}
}

// URL returns the URL of a database of the server that the host leads to.
func (h *Host) URL(database string) string { return hostURL(database, h.path) }

// URLOf returns the URL of a database of several servers, which are tried in their order.
func URLOf(database string, servers ...*Server) string {
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, s.socketDir())
	}
	return hostURL(database, strings.Join(hosts, ","))
}

func hostURL(database, host string) string {
	u := url.URL{
		Scheme: "postgres", Path: "/" + database,
		RawQuery: url.Values{"host": {host}, "user": {superuser}, "sslmode": {"disable"}}.Encode(),
	}
	return u.String()
}

// AwaitReplay returns when the standby shows all that its primary has written so far.
func (s *Server) AwaitReplay(t testing.TB, primary *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	at := ask(ctx, t, primary, "SELECT pg_current_wal_lsn()::text")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ask(ctx, t, s, "SELECT (pg_last_wal_replay_lsn() >= '"+at+"')::text") != "true" {
		select {
		case <-ctx.Done():
			t.Fatalf("the standby does not reach %s", at)
		case <-tick.C:
		}
	}
}

func ask(ctx context.Context, t testing.TB, s *Server, query string) (answer string) {
	t.Helper()
	db, err := sql.Open("postgres", s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := db.QueryRowContext(ctx, query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}
