package day

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

var (
	rate    = flag.Int("rate", 100, "runs a second")
	lasts   = flag.Duration("for", 40*time.Second, "how long runs are made on the base, and half as long without it")
	base    = flag.Int("base", 20_000, "finished runs before: those of the last base/rate seconds, which is what retention keeps")
	output  = flag.Int("output", 50<<10, "bytes that each run prints")
	workers = flag.Int("workers", 100, "workers")
	takes   = flag.Duration("takes", time.Second, "how long a run takes")
)

// BenchmarkDay has workers run so many runs a second, first without a base and then on one, with PostgreSQL killed in the
// middle. One operation is the whole. The figures of base are:
//
//	runs/s           at which the runs ended: less than the rate means that the machine does not hold it
//	p99-sec/op       due → claimed, but for runs that were due while PostgreSQL was down and in the seconds after it
//	WAL-B/op         of a run, without the statements about output, until PostgreSQL is killed
//	WAL-output-B/op  of these
//	x-size           of all tables at the end, to that in the middle: retention removes as much as is made
//	once-share       of the runs that were made: completed, by one job
func BenchmarkDay(b *testing.B) {
	keep := max(time.Duration(*base / *rate)*time.Second, 3**lasts)
	s := newSite(b, keep)
	var empty float64
	b.Run("base", func(b *testing.B) {
		for b.Loop() {
			first := s.phase(b, "empty", *lasts/2, nil)
			empty = s.claimed99(b, first)
			s.fillBase(b, *base)
			s.onBase(b)
		}
	})
	b.Run("empty", func(b *testing.B) { b.ReportMetric(empty, "p99-sec/op") })
}

// onBase measures on the base that is there.
func (s *site) onBase(b *testing.B) {
	b.Helper()
	var size float64
	s.exec(b, "SELECT pg_stat_statements_reset()")
	lsn, begun := s.figure(b, lsnSQL), time.Now()
	p := s.phase(b, "base", *lasts, func() {
		ran := s.figure(b, "SELECT COUNT(*) FROM runs WHERE ended_at BETWEEN $1 AND $2", begun, time.Now())
		all, ofOutput := s.figure(b, lsnSQL)-lsn, s.figure(b, outputWALSQL)
		b.ReportMetric((all-ofOutput)/ran, "WAL-B/op")
		b.ReportMetric(ofOutput/ran, "WAL-output-B/op")
		size = s.figure(b, sizeSQL)
		s.postgres.Restart(b)
	})
	b.ReportMetric(p.rate, "runs/s")
	b.ReportMetric(s.claimed99(b, p), "p99-sec/op")
	b.ReportMetric(s.figure(b, sizeSQL)/size, "x-size")
	completed := s.figure(b, "SELECT COUNT(*) FROM runs WHERE created_at >= $1 AND state_type = 'COMPLETED'", p.begun)
	b.ReportMetric((completed-float64(s.cluster.doubled()))/float64(p.made), "once-share")
}

const (
	lsnSQL  = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
	sizeSQL = `SELECT SUM(pg_total_relation_size(oid)) FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`
	outputWALSQL = "SELECT COALESCE(SUM(wal_bytes), 0) FROM pg_stat_statements WHERE query ~ 'log_chunks|outputs'"
)

// phase is what was measured of runs that were made at the rate.
type phase struct {
	begun  time.Time
	made   int
	rate   float64   // at which they ended
	killed time.Time // zero: PostgreSQL was not
}

// calm is how long after PostgreSQL was killed the time until a claim counts again.
const calm = 10 * time.Second

// phase makes runs for a time, calls middle in the middle of it, and waits for their end.
func (s *site) phase(b *testing.B, name string, lasts time.Duration, middle func()) phase {
	b.Helper()
	p := phase{begun: time.Now()}
	made := make(chan int, 1)
	go func() { made <- s.create(b, name, p.begun, lasts) }()
	if middle != nil {
		<-time.After(lasts / 2)
		p.killed = time.Now()
		middle()
	}
	p.made = <-made
	for s.figure(b, "SELECT (SELECT COUNT(*) FROM ready) + (SELECT COUNT(*) FROM live)") > 0 {
		if time.Since(p.begun) > 3*lasts+time.Minute {
			b.Fatalf("phase %s: runs are left at three times its length", name)
		}
		<-time.After(100 * time.Millisecond)
	}
	p.rate = float64(p.made) / s.figure(b,
		"SELECT EXTRACT(EPOCH FROM MAX(ended_at) - MIN(created_at)) - $2 FROM runs WHERE created_at >= $1", p.begun, takes.Seconds())
	return p
}

// create makes runs over the API, at the rate. What fails it repeats, with the same idempotency keys.
func (s *site) create(b *testing.B, name string, begun time.Time, lasts time.Duration) (made int) {
	const every = 100 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for time.Since(begun) < lasts {
		<-tick.C
		want := min(int(time.Since(begun).Seconds()*float64(*rate))-made, 1000)
		if want <= 0 {
			continue
		}
		var body api.RunsCreate
		for i := range want {
			key := fmt.Sprintf("%s-%d-%d", name, begun.UnixNano(), made+i)
			body.Runs = append(body.Runs, api.RunsCreateItem{IdempotencyKey: &key})
		}
		for {
			answer, err := s.admin.CreateRunsWithResponse(b.Context(), "d", body)
			if err == nil && answer.JSON200 != nil {
				break
			}
			if b.Context().Err() != nil {
				return made
			}
			<-tick.C
		}
		made += want
	}
	return made
}

// claimed99 is the 99th percentile of due → claimed, in seconds.
func (s *site) claimed99(b *testing.B, p phase) float64 {
	b.Helper()
	return s.figure(b, `
		SELECT EXTRACT(EPOCH FROM percentile_disc(0.99) WITHIN GROUP (ORDER BY a.claimed_at - r.due_at))
		FROM runs r
		JOIN attempts a ON a.run_id = r.id AND a.number = 1
		WHERE r.created_at >= $1 AND NOT r.due_at BETWEEN $2 AND $3`, p.begun, p.killed.Add(-time.Second), p.killed.Add(calm))
}
