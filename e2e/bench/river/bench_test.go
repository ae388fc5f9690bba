package river

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/berth-dev/berth/internal/pgtest"
)

const (
	conns       = 10 // as many as the store has in its benchmarks
	insertBatch = 1000
	// As River's own benchmark has it: what gives the most jobs a second.
	workers       = 2000
	fetchCooldown = 2 * time.Millisecond
	fetchPoll     = 20 * time.Millisecond
)

type noArgs struct{}

func (noArgs) Kind() string { return "no_op" }

// noWork is done at once.
type noWork struct {
	river.WorkerDefaults[noArgs]
}

func (noWork) Work(context.Context, *river.Job[noArgs]) error { return nil }

// BenchmarkBulkCreate inserts jobs a thousand at a time, by COPY. One operation is one job.
func BenchmarkBulkCreate(b *testing.B) {
	client, _ := open(b)
	b.ResetTimer()
	insert(b, client, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

func open(b *testing.B) (*river.Client[pgx.Tx], *pgxpool.Pool) {
	b.Helper()
	ctx := b.Context()
	pool, err := pgxpool.New(ctx, fmt.Sprintf("%s&pool_max_conns=%d", pgtest.Database(b), conns))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err == nil {
		_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		b.Fatal(err)
	}
	registered := river.NewWorkers()
	river.AddWorker(registered, noWork{})
	client, err := river.NewClient(driver, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers: registered, Logger: slog.New(slog.DiscardHandler), FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll,
	})
	if err != nil {
		b.Fatal(err)
	}
	return client, pool
}

func insert(b *testing.B, client *river.Client[pgx.Tx], n int) {
	b.Helper()
	jobs := make([]river.InsertManyParams, insertBatch)
	for i := range jobs {
		jobs[i].Args = noArgs{}
	}
	for ; n > 0; n -= insertBatch {
		if _, err := client.InsertManyFast(b.Context(), jobs[:min(n, insertBatch)]); err != nil {
			b.Fatal(err)
		}
	}
}
