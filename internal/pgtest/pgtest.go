// Package pgtest starts a PostgreSQL for tests: the machine's own binaries, a directory of its own, a unix
// socket, never as root.
//
// One server serves all tests of a test process; it is started by the first that asks and ends with the
// process, however that ends: a small supervisor holds the read end of a pipe that only the process can write
// to, and stops the server and removes its directory when the pipe closes. Each test gets a database of its
// own.
package pgtest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver

	"github.com/berth-dev/berth/internal/testenv"
)

// shared is the server of this test process. It is the one package variable, for there is no other place that
// lives as long as the process and that every test can reach.
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

// Shared returns the server of this test process. Where the machine has no PostgreSQL the test ends as not
// run.
func Shared(t testing.TB) *Server {
	t.Helper()
	requireBinaries(t)
	shared.once.Do(func() { shared.server, shared.err = start() })
	if shared.err != nil {
		t.Fatalf("start PostgreSQL: %v", shared.err)
	}
	return shared.server
}

// Start returns a server of this test's own, for one that stops and restarts it. It ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	requireBinaries(t)
	s, err := start()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
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

// Database returns the URL of an empty database of this test's own on the shared server. It is dropped with
// the test.
func Database(t testing.TB) string {
	t.Helper()
	return Shared(t).database(t, "template0")
}

// Clone is Database with what fill has put into it. fill runs once per process and key; later databases are
// copies.
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
	db, err := sql.Open("postgres", s.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	if closeErr := db.Close(); err == nil {
		err = closeErr
	}
	return err
}

// URL of a database of the server.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", Path: "/" + database,
		RawQuery: url.Values{"host": {s.socketDir()}, "user": {superuser}, "sslmode": {"disable"}}.Encode(),
	}
	return u.String()
}

func (s *Server) socketDir() string { return filepath.Join(s.dir, "s") }

// CreateDatabase makes an empty database on a server of the test's own and returns its URL.
func (s *Server) CreateDatabase(t testing.TB, name string) string {
	t.Helper()
	if err := s.exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a database: %v", err)
	}
	return s.URL(name)
}

// Restart stops the server, breaking its connections, and starts it again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Resume(t)
}

// Stop stops the server and breaks its connections.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.pgctl("stop", "-m", "immediate"); err != nil {
		t.Fatalf("stop PostgreSQL: %v", err)
	}
}

// Resume starts the server again after Stop.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	if err := s.pgctl("start", "-l", filepath.Join(s.dir, "log")); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		t.Fatalf("start PostgreSQL: %v\n%s", err, log)
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
