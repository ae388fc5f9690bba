package store_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func (w *world) situation(id uuid.UUID) *store.RunFacts {
	w.t.Helper()
	return w.getRunFacts(id)
}

func TestRunFactsExplainAScheduledRun(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p", func(p *store.NewPool) { p.ConcurrencyLimit = ptr(int32(5)) })
		w.deployment("d", "p", func(d *store.Deployment) {
			d.ConcurrencyLimit, d.StartDeadline, d.Timeout = ptr(int32(2)), ptr(time.Hour), ptr(2*time.Hour)
			d.Retries = lifecycle.RetryPolicy{Max: 3}
		})
		w.deployment("e", "p")
		first, second, third, free := w.run("d"), w.run("d"), w.run("d"), w.run("e")
		fourth := w.run("d")
		claims := w.claim(request("p", "w", 10))
		if len(claims) != 3 {
			t.Fatalf("claimed %d", len(claims))
		}
		s := w.situation(fourth.ID)
		if s.Gates.Deployment.Used != 2 || !s.Gates.Deployment.Full() || s.Gates.Pool.Used != 3 ||
			s.Gates.Pool.Full() ||
			s.Gates.Queue.Full() {
			t.Errorf("the gates are %+v", s.Gates)
		}
		held := s.Gates.Deployment.Holders
		if len(held) != 2 || held[0].Deployment != "d" || held[0].Name != first.Name || held[0].Run != first.ID ||
			held[0].Pool != "p" || held[1].Name != second.Name || s.Gates.Pool.Holders != nil {
			t.Errorf("held by %+v", s.Gates)
		}
		if len(s.AheadOf) != 1 || s.AheadOf[held[0].DeploymentID] != 1 || len(s.Usual) != 0 {
			t.Errorf("ahead are %v, usual is %v", s.AheadOf, s.Usual)
		}
		if s.AheadInQueue != 1 || len(s.Attempts) != 0 || s.LeaseExpiresAt != nil || s.StartDeadline == nil ||
			s.TimeoutAt != nil ||
			s.Policy.Max != 3 {
			t.Errorf("waiting: %+v", s)
		}
		if len(s.Workers) != 1 || s.Workers[0].ActiveAttempts != 3 ||
			s.Now.Sub(s.Workers[0].LastSeenAt) > store.WorkerAliveFor {
			t.Errorf("workers %+v", s.Workers)
		}
		w.createQueue(store.Queue{Pool: "p", Name: "express", Priority: 1}, actor)
		w.updateQueue("p", "default", store.QueueUpdate{Priority: ptr(int32(2))}, actor)
		w.deployment("x", "p", func(d *store.Deployment) { d.Queue = "express" })
		w.runs("x", 3)
		if s := w.situation(third.ID); s.AheadInOtherQueues != 3 {
			t.Errorf("%d go before it, want those of the other queue", s.AheadInOtherQueues)
		}
		if s := w.situation(third.ID); s.AheadInQueue != 0 {
			t.Errorf("%d are before the first that waits", s.AheadInQueue)
		}
		if s := w.situation(first.ID); len(s.Attempts) != 1 || s.LeaseExpiresAt == nil ||
			s.Run.State.Type != lifecycle.Pending {
			t.Errorf("claimed: %+v", s)
		}
		c := claims[0]
		w.accepts(manifest(c), submitted(c), running(c), failed(c, lifecycle.App))
		if s := w.situation(first.ID); s.RetriesUsed.App != 1 || s.TimeoutAt == nil ||
			s.LeaseExpiresAt != nil ||
			len(s.Attempts) != 1 {
			t.Errorf("after a failure: %+v", s)
		}
		gates := w.listClaimGates([]uuid.UUID{first.ID, fourth.ID, free.ID, uuid.New()})
		if len(gates) != 2 || gates[[3]string{"p", "default", "e"}].Full() ||
			gates[[3]string{"p", "default", "d"}].Deployment.Used != 1 ||
			gates[[3]string{"p", "default", "d"}].Workers != store.WorkersClaim {
			t.Errorf("gates %+v", gates)
		}
		w.updatePool("p", store.PoolUpdate{Pause: &store.PauseChange{Paused: true, Reason: "moving"}}, "grace")
		w.updatePool("p", store.PoolUpdate{Description: ptr("closed")}, "linus")
		w.updateQueue("p", "default", store.QueueUpdate{Pause: &store.PauseChange{Paused: true}}, "barbara")
		if s := w.situation(free.ID); s.Gates.Pool.Pause.By != "grace" || s.Gates.Pool.Pause.At.IsZero() ||
			s.Gates.Pool.Pause.Reason != "moving" || s.Gates.Queue.Pause.By != "barbara" || s.Gates.Deployment.Pause != nil {
			t.Errorf("paused by %+v", s.Gates)
		}
		_, err := w.GetRunFacts(t.Context(), uuid.New())
		w.refuses(err, store.NotFound)
	})
}

func TestRunsAheadAreCountedForAList(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("one", "p", func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(1)) })
		w.deployment("free", "p")
		first := w.run("one")
		if gates := w.listClaimGates([]uuid.UUID{first.ID}); gates[[3]string{"p", "default", "one"}].Workers != store.NoWorker {
			t.Errorf("without a worker: %+v", gates)
		}
		w.claim(request("p", "w", 1))
		second, third := w.run("one"), w.run("one")
		w.runs("free", store.AheadListedMax)
		last := w.run("free")
		ahead, err := w.ListAhead(t.Context(), []uuid.UUID{first.ID, second.ID, third.ID, last.ID})
		w.check(err)
		want := map[uuid.UUID]int{second.ID: 0, third.ID: 1, last.ID: store.AheadListedMax}
		if !maps.Equal(ahead, want) {
			t.Errorf("ahead are %v, want %v", ahead, want)
		}
	})
}

func TestRunFactsSayHowLongHoldersAndRunsAheadUsuallyTake(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p", func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(1)) })
		w.deployment("other", "p")
		complete := func(took time.Duration, roll bool) {
			w.run("d")
			c := w.claim(request("p", "w", 1))[0]
			w.accepts(running(c))
			w.Advance(took)
			w.accepts(succeeded(c))
			if roll {
				w.check(w.RollUpRuns(t.Context()))
			}
		}
		complete(time.Hour, true) // eight days ago, at the end
		w.Advance(8 * 24 * time.Hour)
		complete(2*time.Minute, true)
		complete(2*time.Minute, false)
		w.run("d")
		w.claim(request("p", "w", 1))
		w.runs("d", 2)
		w.runs("other", 3)
		s := w.situation(w.run("d").ID)
		d := s.Gates.Deployment.ID
		if usual := s.Usual[d]; len(s.Usual) != 1 || usual.Runs != 2 || usual.P50 < 100*time.Second || usual.P50 > 140*time.Second {
			t.Errorf("usual: %+v", s.Usual)
		}
		if s.AheadInQueue != 5 || s.AheadOf[d] != 2 || len(s.AheadOf) != 2 {
			t.Errorf("%d ahead, %v", s.AheadInQueue, s.AheadOf)
		}
	})
}
