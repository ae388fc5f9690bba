package river

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/berth-dev/berth/server/store/cycletest"
	"github.com/berth-dev/berth/server/store/storetest"
)

const contestRounds = 3

// BenchmarkCycle has the store, River with its whole client, and pgbench take runs from due to completed, in turns: in
// rounds, a hundred at a time, by four workers beside each other. A round is long enough that River's client, which is
// started for it, is at its full speed for most of it. One operation is the contest.
func BenchmarkCycle(b *testing.B) {
	const runs = 20_000
	contest(b, runs, berth(b, cycletest.Process()), riverClient(b), pgbench(b, cycletest.Process()))
}

// BenchmarkKubernetesCycle does the same with all that a Kubernetes worker reports, for which River has no counterpart.
// The tables as they were at first are there instead: pgbench writes what their code wrote.
func BenchmarkKubernetesCycle(b *testing.B) {
	const runs = 8_000
	contest(b, runs, berth(b, cycletest.Kubernetes()), pgbench(b, cycletest.Kubernetes()), firstLayout(b))
}

// contest runs a contest in the first part of the benchmark. The others report what was measured with it.
func contest(b *testing.B, runs int, all ...cycletest.Contestant) {
	b.Helper()
	ours := all[0].Name
	var standings map[string]*cycletest.Standing
	b.Run(ours, func(b *testing.B) {
		for b.Loop() {
			standings = cycletest.Contest(b, contestRounds, runs, all...)
		}
		standings[ours].Report(b)
		for _, c := range all {
			if c.Name != ours {
				least, middle, greatest := standings[ours].Ratios(standings[c.Name])
				b.ReportMetric(least, "least-x-"+c.Name)
				b.ReportMetric(middle, "x-"+c.Name)
				b.ReportMetric(greatest, "most-x-"+c.Name)
			}
		}
	})
	for _, c := range all {
		if c.Name != ours {
			b.Run(c.Name, func(b *testing.B) { standings[c.Name].Report(b) })
		}
	}
}

func berth(b *testing.B, path cycletest.Path) cycletest.Contestant {
	b.Helper()
	s := storetest.PostgreSQL(b, storetest.WallClock)
	cycletest.Fill(b, s, 0)
	return cycletest.Contestant{
		Name:    "berth",
		Prepare: func(n int) { cycletest.Create(b, s, n) },
		Run:     cycletest.Timed(b, func(n int) error { return path.Run(b.Context(), s, n) }),
	}
}

func pgbench(b *testing.B, path cycletest.Path) cycletest.Contestant {
	b.Helper()
	s := storetest.PostgreSQL(b, storetest.WallClock)
	cycletest.Fill(b, s, 0)
	script := path.Script(b, s)
	return cycletest.Contestant{
		Name:    "pgbench",
		Prepare: func(n int) { cycletest.Create(b, s, n) },
		Run:     func(n int) time.Duration { return cycletest.Pgbench(b, s.URL, script, n) },
	}
}

func firstLayout(b *testing.B) cycletest.Contestant {
	b.Helper()
	l := cycletest.NewFirstLayout(b)
	return cycletest.Contestant{
		Name:    "first-layout",
		Prepare: func(n int) { l.Create(b, n) },
		Run:     func(n int) time.Duration { return l.Run(b, n) },
	}
}

// riverClient is River's client, which is started for a round, and stopped after it so that it does not disturb the others.
func riverClient(b *testing.B) cycletest.Contestant {
	b.Helper()
	client, pool := open(b)
	want := 0
	return cycletest.Contestant{
		Name:    "river",
		Prepare: func(n int) { insert(b, client, n) },
		Run: func(n int) time.Duration {
			took, err := complete(b.Context(), client, n)
			if err != nil {
				b.Fatal(err)
			}
			want += n
			if n := completed(b, pool); n != want {
				b.Fatalf("%d of %d jobs are completed", n, want)
			}
			return took
		},
	}
}

// complete starts the client and stops it when n jobs are completed. It returns how long they took, without the stop.
func complete(ctx context.Context, client *river.Client[pgx.Tx], n int) (time.Duration, error) {
	done, unsubscribe := client.SubscribeConfig(&river.SubscribeConfig{
		Kinds: []river.EventKind{river.EventKindJobCompleted}, ChanSize: n + 1,
	})
	defer unsubscribe()
	begun := time.Now()
	if err := client.Start(ctx); err != nil {
		return 0, err
	}
	for range n {
		<-done
	}
	took := time.Since(begun)
	return took, client.Stop(ctx)
}

type queryRower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func completed(b *testing.B, pool queryRower) (n int) {
	b.Helper()
	const query = "SELECT COUNT(*) FROM river_job WHERE state = $1"
	if err := pool.QueryRow(b.Context(), query, rivertype.JobStateCompleted).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}
