// Package pgtest starts PostgreSQL for tests: the binaries of the machine in a temporary directory, on a unix
// socket, never as root.
//
// One server serves all tests of a test process. The first test that needs it starts it, and it ends with the
// process, however that ends: a supervisor holds the read end of a pipe that only the process can write to,
// and stops the server and removes its directory when the pipe closes. Each test gets its own database.
package pgtest

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver

	"github.com/berth-dev/berth/internal/testenv"
)

// shared is the server of this test process: a package variable, because it lives as long as the process and
// every test must reach it.
var shared struct {
	once      sync.Once
	server    *Server
	err       error
	databases atomic.Int64
	mu        sync.Mutex
	templates map[string]*template
}

type template struct {
	once sync.Once
	name string
	err  error
}

// Shared returns the server of this test process. Without PostgreSQL on the machine the test is reported as
// not run.
func Shared(t testing.TB) *Server {
	t.Helper()
	requireBinaries(t)
	shared.once.Do(func() { shared.server, shared.err = start(nil, nil) })
	if shared.err != nil {
		t.Fatalf("start PostgreSQL: %v", shared.err)
	}
	return shared.server
}

// Start returns a server for this test alone, which may stop and restart it. It ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	return startFor(t, nil)
}

func startFor(t testing.TB, primary *Server) *Server {
	t.Helper()
	requireBinaries(t)
	s, err := start(primary, nil)
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return s
}

func requireBinaries(t testing.TB) {
	t.Helper()
	if _, err := binaries(); err != nil {
		testenv.Missing(t, "no PostgreSQL server on this machine: apt-get install postgresql")
	}
}

// Database returns the URL of a new, empty database on the shared server. It is dropped when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	return Shared(t).database(t, "template0")
}

// Clone is Database with the contents that fill writes. fill runs once per process and key; later databases
// are copies.
func Clone(t testing.TB, key string, fill func(ctx context.Context, url string) error) string {
	t.Helper()
	s := Shared(t)
	shared.mu.Lock()
	if shared.templates == nil {
		shared.templates = map[string]*template{}
	}
	made := shared.templates[key]
	if made == nil {
		made = &template{name: fmt.Sprintf("template_%d", len(shared.templates))}
		shared.templates[key] = made
	}
	shared.mu.Unlock()
	made.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if made.err = s.exec(ctx, "CREATE DATABASE "+made.name+" TEMPLATE template0"); made.err == nil {
			made.err = fill(ctx, s.URL(made.name))
		}
	})
	if made.err != nil {
		t.Fatalf("prepare the template database: %v", made.err)
	}
	return s.database(t, made.name)
}

func (s *Server) database(t testing.TB, from string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", shared.databases.Add(1))
	if err := s.exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+from+" STRATEGY FILE_COPY"); err != nil {
		// before PostgreSQL 15 there is no strategy to choose
		if err := s.exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+from); err != nil {
			t.Fatalf("create a database: %v", err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return s.URL(name)
}

func (s *Server) exec(ctx context.Context, statement string) error {
	return Exec(ctx, s.URL("postgres"), statement)
}

// Exec runs a statement in a database.
func Exec(ctx context.Context, url, statement string) error {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	return err
}

// URL returns the URL of a database of the server.
func (s *Server) URL(database string) string {
	return hostURL(database, s.socketDir())
}

// socketDir is the host of the server in a URL; of no server it is "".
func (s *Server) socketDir() string {
	if s == nil {
		return ""
	}
	return filepath.Join(s.dir, "s")
}

// CreateDatabase creates an empty database and returns its URL.
func (s *Server) CreateDatabase(t testing.TB, name string) string {
	t.Helper()
	if err := s.exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	return s.URL(name)
}

// Restart stops the server, which breaks its connections, and starts it again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Resume(t)
}

// Stop stops the server and breaks its connections.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.Kill(); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
}

// Resume starts the server again after Stop.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	if err := s.StartAgain(); err != nil {
		t.Fatalf("start PostgreSQL: %v\n%s", err, s.Log())
	}
}

// Binary returns the path of a program that comes with the server.
func Binary(t testing.TB, name string) string {
	t.Helper()
	requireBinaries(t)
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}
