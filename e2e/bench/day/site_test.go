package day

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/worker"
)

// site is PostgreSQL, a server and its workers.
type site struct {
	postgres *pgtest.Server
	db       *sql.DB // to look with
	store    *store.Store
	admin    *apiclient.ClientWithResponses
	cluster  *cluster
	url      string
}

func newSite(b *testing.B, keep time.Duration) *site {
	b.Helper()
	s := &site{postgres: pgtest.Start(b), cluster: newCluster(*takes, text(*output))}
	database := s.postgres.CreateDatabase(b, "day")
	s.db = expect(sql.Open("postgres", database))(b)
	b.Cleanup(func() {
		if err := s.db.Close(); err != nil {
			b.Error(err)
		}
	})
	s.db.SetMaxIdleConns(0) // PostgreSQL is killed in between
	for _, setting := range []string{
		"shared_preload_libraries = 'pg_stat_statements'", "shared_buffers = '1GB'", "max_wal_size = '8GB'",
	} {
		s.exec(b, "ALTER SYSTEM SET "+setting)
	}
	s.postgres.Restart(b)
	s.exec(b, "CREATE EXTENSION pg_stat_statements")

	admin, workers := expect(apikey.New())(b).Text, expect(apikey.New())(b).Text
	s.serve(b, server.Options{
		Listen: "127.0.0.1:0", DatabaseURL: database, Migrate: server.MigrateAuto, Version: "day",
		Logger: slog.New(slog.DiscardHandler), BootstrapAdminKey: admin, BootstrapWorkerKey: workers, RateLimit: -1,
		EnsurePools: []server.PoolSpec{{Name: "p", Type: "process"}}, KeepRuns: keep, KeepLogs: keep,
		RetainEvery: retainEvery, OutputArchive: archive.Config{URL: "file://" + b.TempDir()},
	})
	s.admin = expect(apiclient.NewClientWithResponses(s.url,
		apiclient.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+admin)
			return nil
		})))(b)
	s.store = expect(store.Open(b.Context(), store.Options{URL: database, MaxConns: 2}))(b)
	b.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			b.Error(err)
		}
	})
	err := s.store.InTx(b.Context(), func(tx *store.Tx) error {
		_, _, err := tx.UpsertDeployment(b.Context(), store.Deployment{Name: "d", Pool: "p"}, "ada")
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	s.work(b, workers)
	return s
}

const retainEvery = 5 * time.Second

// serve runs a server until the benchmark ends.
func (s *site) serve(b *testing.B, o server.Options) {
	b.Helper()
	address := make(chan server.Address, 1)
	o.Ready = func(a server.Address) { address <- a }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, o) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Errorf("server: %v", err)
		}
	})
	select {
	case a := <-address:
		s.url = a.URL
	case err := <-ended:
		ended <- nil
		b.Fatalf("the server has not started: %v", err)
	}
}

// work runs the workers until the benchmark ends.
func (s *site) work(b *testing.B, key string) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all errgroup.Group
	for i := range *workers {
		all.Go(func() error {
			return worker.Run(ctx, worker.Options{
				ServerURL: s.url, APIKey: key, Pool: "p", Name: fmt.Sprint("w", i), Limit: 10**rate / *workers + 10,
				Runtime: &runtime{cluster: s.cluster}, Logger: slog.New(slog.DiscardHandler),
			})
		})
	}
	b.Cleanup(func() {
		cancel()
		if err := all.Wait(); err != nil {
			b.Errorf("worker: %v", err)
		}
	})
}

func (s *site) exec(b *testing.B, statement string, args ...any) {
	b.Helper()
	if _, err := s.db.ExecContext(b.Context(), statement, args...); err != nil {
		b.Fatalf("%v\n%s", err, statement)
	}
}

func (s *site) figure(b *testing.B, query string, args ...any) (n float64) {
	b.Helper()
	if err := s.db.QueryRowContext(b.Context(), query, args...).Scan(&n); err != nil {
		b.Fatalf("%v\n%s", err, query)
	}
	return n
}

func expect[T any](v T, err error) func(b *testing.B) T {
	return func(b *testing.B) T {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
}

// text is output of a size as workloads print it.
func text(size int) []byte {
	var lines []byte
	for i := 0; len(lines) < size; i++ {
		lines = fmt.Appendf(lines, "2026-01-01T06:00:%02dZ INFO loader: batch %d read %d rows from part-%05d.parquet in %d ms\n",
			i%60, i, i*7919%65536, i*31%977, i*131%1999)
	}
	return lines[:size]
}
