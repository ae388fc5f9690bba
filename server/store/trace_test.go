package store_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

const traceLease = time.Minute

func (w *world) traceAll() { w.WatchTraces(func(uuid.UUID) bool { return true }) }

func (w *world) acquireTraces() ([]store.TracedEnd, []uuid.UUID) {
	w.t.Helper()
	ends, taken, err := w.AcquireTracedEnds(w.t.Context(), 10, traceLease)
	w.check(err)
	return ends, taken
}

// TestTheEndOfAnAttemptIsKeptForItsSpans until they were sent: whoever took it and is gone, another takes it as it was.
func TestTheEndOfAnAttemptIsKeptForItsSpans(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		c := w.claimOne("w")
		w.accepts(running(c), failed(c, lifecycle.App)) // before anyone watches
		w.traceAll()
		run := w.run("d", func(n *store.NewRun) { n.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" })
		w.Advance(3 * time.Second)
		c = w.claimOne("w")
		m := manifest(c)
		m.RenderedAt = ptr(w.Now().Add(time.Hour)) // by a clock that is ahead
		w.accepts(m, submitted(c), running(c), succeeded(c))

		first, taken := w.acquireTraces()
		if len(first) != 1 || len(taken) != 1 {
			t.Fatalf("kept %+v", first)
		}
		e, a := first[0], first[0].Attempt
		if e.RunID != run.ID || e.State != lifecycle.Completed || e.Deployment != "d" || e.Pool != "p" || e.Queue != "default" ||
			e.Traceparent == "" || e.RerunAt != nil || a == nil || a.Number != 1 || !a.Outcome.Succeeded || a.JobName != "job" {
			t.Errorf("kept %+v with %+v", e, a)
		}
		if waited := a.ClaimedAt.Sub(e.DueAt); waited < 3*time.Second || waited > time.Minute {
			t.Errorf("it waited for %s, want 3s", waited)
		}
		if a.RenderedAt == nil || a.RenderedAt.Before(a.ClaimedAt) || a.RenderedAt.After(e.RecordedAt) {
			t.Errorf("rendered at %v, claimed %v, recorded %v", a.RenderedAt, a.ClaimedAt, e.RecordedAt)
		}
		if none, _ := w.acquireTraces(); len(none) != 0 {
			t.Errorf("taken twice: %+v", none)
		}
		w.Advance(traceLease + time.Second)
		again, _ := w.acquireTraces()
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("what another server takes (-first +again):\n%s", diff)
		}

		w.check(w.ReleaseTracedEnds(t.Context(), taken, time.Second))
		w.Advance(2 * time.Second)
		if again, _ = w.acquireTraces(); len(again) != 1 {
			t.Errorf("given back, but not taken again: %+v", again)
		}
		w.check(w.DeleteTracedEnds(t.Context(), taken))
		w.Advance(traceLease + time.Second)
		if again, _ = w.acquireTraces(); len(again) != 0 {
			t.Errorf("sent, but kept: %+v", again)
		}
	})
}

func TestOnlyWhatIsSampledIsKept(t *testing.T) {
	onEach(t, func(w *world) {
		first := w.one()
		second := w.run("d")
		w.WatchTraces(func(run uuid.UUID) bool { return run == second.ID })
		for range 2 {
			c := w.claim(request("p", "w", 1))[0]
			w.accepts(running(c), succeeded(c))
		}
		if ends, _ := w.acquireTraces(); len(ends) != 1 || ends[0].RunID != second.ID {
			t.Errorf("kept %+v, not %s", ends, first.ID)
		}
	})
}

// TestEachAttemptHasAnEnd, and a run that is retried by hand has a second one, which says since when it went on.
func TestEachAttemptHasAnEnd(t *testing.T) {
	onEach(t, func(w *world) {
		run := w.one()
		w.traceAll()
		c := w.claimOne("w")
		w.accepts(running(c), failed(c, lifecycle.NodeLost)) // which is tried again
		w.Advance(10 * time.Minute)
		c = w.claimOne("w")
		w.accepts(running(c), failed(c, lifecycle.App))
		w.Advance(time.Minute)
		retried := w.Now()
		must[*store.Run](t)(w.RetryRun(t.Context(), run.ID, actor))
		w.Advance(time.Minute)
		_, err := w.CancelRun(t.Context(), run.ID, actor)
		w.check(err)

		ends, _ := w.acquireTraces()
		if len(ends) != 3 {
			t.Fatalf("%d ends, want 3: %+v", len(ends), ends)
		}
		if e := ends[0]; e.Attempt == nil || e.Attempt.Number != 1 || e.State != "" || e.RerunAt != nil {
			t.Errorf("first %+v", e)
		}
		if e := ends[1]; e.Attempt == nil || e.Attempt.Number != 2 || e.State != lifecycle.Failed || e.RerunAt != nil ||
			!e.DueAt.After(ends[0].RecordedAt) {
			t.Errorf("second %+v", e)
		}
		if e := ends[2]; e.Attempt != nil || e.State != lifecycle.Cancelled || e.RerunAt == nil ||
			e.RerunAt.Sub(retried).Abs() > 10*time.Second {
			t.Errorf("third %+v, retried at %s", e, retried)
		}
	})
}

func TestWhatWaitsForTooLongIsDropped(t *testing.T) {
	onEach(t, func(w *world) {
		w.one()
		w.traceAll()
		end := func() {
			c := w.claimOne("w")
			w.accepts(running(c), succeeded(c))
			w.run("d")
		}
		end()
		w.Advance(2 * time.Hour)
		end()
		end()
		for _, want := range []struct {
			age     time.Duration
			most    int
			dropped int64
		}{{3 * time.Hour, 10, 0}, {time.Hour, 10, 1}, {time.Hour, 1, 1}, {time.Hour, 1, 0}} {
			if n, err := w.DropTracedEnds(t.Context(), want.age, want.most); err != nil || n != want.dropped {
				t.Errorf("dropped %d older than %s or beyond %d (%v), want %d", n, want.age, want.most, err, want.dropped)
			}
		}
	})
}

// TestNoMoreEndsWaitThanMay however many came since the last look: the oldest go, a step of 10,000 after the other.
func TestNoMoreEndsWaitThanMay(t *testing.T) {
	onEach(t, func(w *world) {
		w.one()
		w.traceAll()
		c := w.claimOne("w")
		w.accepts(running(c), succeeded(c))
		w.past(func(db *sql.DB) error {
			const more = 20_050
			copied := `
INSERT INTO trace_ends (id, run_id, attempt, due_at, recorded_at, state_type, category, ended_at, last_event, taken_until)
SELECT %s, run_id, attempt, due_at, recorded_at, state_type, category, ended_at, last_event, taken_until
FROM trace_ends, %s`
			id, numbers := "gen_random_uuid()", fmt.Sprintf("generate_series(1, %d) AS n", more)
			if !w.Postgres {
				id = "randomblob(16)"
				numbers = fmt.Sprintf("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT i FROM n)", more)
			}
			_, err := db.ExecContext(t.Context(), fmt.Sprintf(copied, id, numbers))
			return err
		})
		if n, err := w.DropTracedEnds(t.Context(), time.Hour, 50); err != nil || n != 20_001 || w.rows("trace_ends") != 50 {
			t.Errorf("dropped %d (%v), %d wait", n, err, w.rows("trace_ends"))
		}
	})
}
