package server

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// clockWorld is a server's loops on a database whose clock can be moved.
type clockWorld struct {
	t     *testing.T
	db    *storetest.Store
	s     *server
	clock *databaseClock
	local time.Duration // that has passed on this machine, beside the time of the test
	log   bytes.Buffer
}

func onEachClock(t *testing.T, test func(w *clockWorld)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *storetest.Store) {
		w := &clockWorld{t: t, db: db}
		w.s = &server{store: db.Store, Options: Options{
			KeepRuns: 20 * 24 * time.Hour, KeepLogs: KeepForever, KeepAudit: KeepForever, Lease: time.Minute,
			Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
		}}
		w.starts()
		test(w)
	}, storetest.WallClock) // the loops compare it with the machine's
}

// starts begins to watch the clock, as a server that starts does.
func (w *clockWorld) starts() {
	w.clock = w.s.newDatabaseClock()
	w.clock.local = func() time.Time { return time.Now().Add(w.local) }
}

// passes lets time pass for all; jumps moves the database's clock only.
func (w *clockWorld) passes(d time.Duration) { w.db.Advance(d); w.local += d }
func (w *clockWorld) jumps(d time.Duration)  { w.db.Advance(d) }

// looks runs the loops as often as a server does in some minutes.
func (w *clockWorld) looks() {
	w.t.Helper()
	expire := w.s.expire(w.clock, metric.NewRetention(prometheus.NewRegistry()))
	sweep := w.s.sweep(w.clock)
	for range 3 {
		if err := expire(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		if err := sweep(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		w.passes(time.Minute)
	}
}

// startedRun is a run whose attempt runs, with a timeout of an hour.
func (w *clockWorld) startedRun() (uuid.UUID, store.Claim) {
	w.t.Helper()
	ctx := w.t.Context()
	template := store.TemplateDocument{Document: json.RawMessage(`{"job_configuration":{` + storetest.Manifest + `},"variables":{}}`)}
	_, err := w.db.CreatePool(ctx, store.NewPool{Name: "p", Type: "process", Template: template}, "test")
	check(w.t, err)
	hour := time.Hour
	_, _, err = w.db.UpsertDeployment(ctx, store.Deployment{Name: "d", Pool: "p", Timeout: &hour}, "test")
	check(w.t, err)
	run, _, err := w.db.CreateRun(ctx, store.NewRun{Deployment: "d"}, "test")
	check(w.t, err)
	claims, err := w.db.Claim(ctx, store.ClaimRequest{RequestID: uuid.New(), Pool: "p", Worker: "w", ClusterID: "c",
		Max: 1, Lease: 1000 * time.Hour})
	check(w.t, err)
	w.reports(claims[0], store.Report{Kind: store.ReportRunning})
	return run.ID, claims[0]
}

func (w *clockWorld) reports(c store.Claim, r store.Report) {
	w.t.Helper()
	r.Lease = store.Lease{AttemptID: c.AttemptID, Epoch: c.Epoch}
	_, err := w.db.Report(w.t.Context(), "w", []store.Report{r})
	check(w.t, err)
}

func (w *clockWorld) exists(run uuid.UUID) bool {
	w.t.Helper()
	_, err := w.db.GetRun(w.t.Context(), run)
	if err != nil && !store.IsCode(err, store.NotFound) {
		w.t.Fatal(err)
	}
	return err == nil
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAClockThatJumpsRemovesNothing(t *testing.T) {
	const month = 30 * 24 * time.Hour
	onEachClock(t, func(w *clockWorld) {
		run, claim := w.startedRun()
		w.reports(claim, store.Report{Kind: store.ReportEnded, Outcome: lifecycle.Outcome{Succeeded: true}})
		w.looks()

		w.jumps(month)
		w.looks()
		if !w.exists(run) {
			t.Fatal("removed after a jump forward")
		}
		if !strings.Contains(w.log.String(), "the database's clock has jumped") {
			t.Errorf("the jump is not logged: %s", w.log.String())
		}
		w.passes(2 * time.Hour) // a failover to a clock that stays wrong
		w.looks()
		if !w.exists(run) {
			t.Fatal("removed by a clock that stays a month ahead of the server's")
		}
		w.starts()
		w.looks()
		if !w.exists(run) {
			t.Fatal("removed by a server that started under the wrong clock")
		}
		w.jumps(-month)
		w.looks()
		if !w.exists(run) {
			t.Fatal("removed after the jump back")
		}

		w.passes(month)
		w.looks()
		if w.exists(run) {
			t.Error("not removed when its time had come")
		}
	})
}

// TestADatabaseThatAnswersSlowlyIsNoJump: the time that a look takes is not one of the clock.
func TestADatabaseThatAnswersSlowlyIsNoJump(t *testing.T) {
	onEachClock(t, func(w *clockWorld) {
		w.looks()
		read := w.clock.read
		for _, late := range []time.Duration{10 * time.Minute, 0} { // before and after the time was read
			w.clock.read = func(ctx context.Context) (time.Time, error) {
				w.passes(late)
				now, err := read(ctx)
				w.passes(10*time.Minute - late)
				return now, err
			}
			w.looks()
		}
		if !w.clock.removes() || strings.Contains(w.log.String(), "jumped") {
			t.Errorf("a slow database was taken for a jump: %s", w.log.String())
		}
	})
}

// TestASmallJumpRemovesNothingForAnHour: one that is less than what two machines may differ by.
func TestASmallJumpRemovesNothingForAnHour(t *testing.T) {
	onEachClock(t, func(w *clockWorld) {
		run, claim := w.startedRun()
		w.reports(claim, store.Report{Kind: store.ReportEnded, Outcome: lifecycle.Outcome{Succeeded: true}})
		w.s.KeepRuns = 20 * time.Minute
		w.looks()
		w.jumps(30 * time.Minute)
		w.looks()
		if !w.exists(run) {
			t.Fatal("removed after a jump of half an hour")
		}
		w.passes(time.Hour)
		w.looks()
		if w.exists(run) {
			t.Error("not removed an hour later")
		}
	})
}

func TestAClockThatJumpsForwardAndBackEndsNoRunByItsTimeout(t *testing.T) {
	onEachClock(t, func(w *clockWorld) {
		run, _ := w.startedRun()
		state := func() lifecycle.StateType {
			got, err := w.db.GetRun(t.Context(), run)
			check(t, err)
			return got.State.Type
		}
		w.looks()
		w.jumps(2 * time.Hour)
		w.looks()
		w.jumps(-2 * time.Hour)
		w.looks()
		if got := state(); got != lifecycle.Running {
			t.Fatalf("the run is %s after a jump forward and back", got)
		}
		w.passes(10 * time.Minute)
		w.jumps(2 * time.Hour) // the clock was wrong before, and is right now
		w.looks()
		w.passes(5 * time.Minute)
		w.looks()
		if got := state(); got != lifecycle.Cancelling {
			t.Errorf("the run is %s, five minutes after its timeout by a steady clock", got)
		}
	})
}
