package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/berth-dev/berth/e2e/storm/journal"
	"github.com/berth-dev/berth/e2e/storm/proxy"
	"github.com/berth-dev/berth/internal/pgtest"
)

const (
	databaseName = "storm"
	diskBytes    = 3 << 30
)

// site is the installation: PostgreSQL, servers, and the connections between them.
type site struct {
	config   config
	journal  *journal.Journal
	dir      string
	binary   string
	postgres *pgtest.Server
	disk     *pgtest.Disk // nil: the machine mounts none, as noDisk says
	noDisk   error
	db       *sql.DB // beside the proxy, for what a storm does and reads itself
	database *proxy.Proxy
	servers  []*server
	ahead    time.Duration // of the database's clock
}

// server is a berth server behind an address that stays when it is started again.
type server struct {
	front *proxy.Proxy

	mu      sync.Mutex // held while the server is away
	program *program
}

// openSite starts PostgreSQL and the servers.
func openSite(ctx context.Context, c config, j *journal.Journal) (*site, error) {
	s := &site{config: c, journal: j}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *site) open(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "berth-storm-"); err != nil {
		return err
	}
	if s.config.logs != "" {
		if err := os.MkdirAll(s.config.logs, 0o755); err != nil {
			return err
		}
	}
	s.binary = filepath.Join(s.dir, "berth")
	build := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "github.com/berth-dev/berth/cmd/berth")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build berth: %w\n%s", err, out)
	}
	if err := s.startPostgres(ctx); err != nil {
		return err
	}
	for range s.config.servers {
		front, err := proxy.Listen("tcp", "")
		if err != nil {
			return err
		}
		s.servers = append(s.servers, &server{front: front})
	}
	for i := range s.servers {
		if err := s.startServer(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) startPostgres(ctx context.Context) (err error) {
	s.disk, s.noDisk = pgtest.NewDisk(diskBytes)
	if s.postgres, err = pgtest.Launch(s.disk); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := s.createDatabase(ctx); err != nil {
		return err
	}
	if s.db, err = sql.Open("postgres", s.postgres.URL(databaseName)); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(4)
	migrate := exec.CommandContext(ctx, s.binary, "migrate", "up", "--database-url", s.postgres.URL(databaseName))
	migrate.Env = []string{"HOME=" + s.dir}
	if out, err := migrate.CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w\n%s", err, out)
	}
	if err := s.createClock(ctx); err != nil {
		return err
	}
	s.database, err = proxy.Listen("unix", s.postgres.Socket())
	return err
}

func (s *site) createDatabase(ctx context.Context) error {
	db, err := sql.Open("postgres", s.postgres.URL("postgres"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "CREATE DATABASE "+databaseName)
	return errors.Join(err, db.Close())
}

// databaseURL is that of the servers, through the proxy.
func (s *site) databaseURL() string {
	return fmt.Sprintf("postgres://berth@%s/%s?sslmode=disable&connect_timeout=5", s.database.Addr(), databaseName)
}

// startServer starts a server.
func (s *site) startServer(ctx context.Context, i int) error {
	target := s.servers[i]
	target.mu.Lock()
	defer target.mu.Unlock()
	return s.startLocked(ctx, i, target)
}

// restartServer ends a server with a signal, and starts it a while later.
func (s *site) restartServer(ctx context.Context, i int, signal syscall.Signal, after time.Duration) error {
	target := s.servers[i]
	target.mu.Lock()
	defer target.mu.Unlock()
	err := target.program.end(signal)
	pause(ctx, after)
	return errors.Join(err, s.startLocked(ctx, i, target))
}

// startLocked starts a server that is locked. It is not ready while PostgreSQL cannot be reached, and is started again until
// it is.
func (s *site) startLocked(ctx context.Context, i int, target *server) error {
	for {
		p, err := s.startProgram(ctx, fmt.Sprint("server-", i), "server", "--listen", "127.0.0.1:0", "--auth", "none",
			"--database-url", s.databaseURL(), "--lease", s.config.lease.String(), "--rate-limit", "0",
			"--database-connections", "12", "--database-people-connections", "6")
		if err == nil {
			target.program = p
			target.front.SetTarget("tcp", strings.TrimPrefix(p.url, "http://"))
			return nil
		}
		if !pause(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// stopServers ends all servers in order.
func (s *site) stopServers() error {
	var err error
	for _, target := range s.servers {
		target.mu.Lock()
		if target.program != nil {
			err = errors.Join(err, target.program.end(syscall.SIGTERM))
		}
		target.mu.Unlock()
	}
	return err
}

// close ends all that the site has started.
func (s *site) close() error {
	err := s.stopServers()
	for _, target := range s.servers {
		err = errors.Join(err, target.front.Close())
	}
	if s.database != nil {
		err = errors.Join(err, s.database.Close())
	}
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	if s.postgres != nil {
		err = errors.Join(err, s.postgres.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// pause waits; it returns false if the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
