package store_test

import (
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// hinted waits for a hint.
func (w *world) hinted(what string, s *store.Subscription) {
	w.t.Helper()
	select {
	case <-s.C():
	case <-time.After(20 * time.Second):
		w.t.Fatalf("no hint of %s", what)
	}
}

// quiet takes the hints that are there.
func quiet(s *store.Subscription) {
	select {
	case <-s.C():
	default:
	}
}

func TestHintsReachSubscribersOfTheSameServer(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p", func(p *store.NewPool) { p.Paused = true })
		w.deployment("d", "p")
		pool := w.Subscribe(store.PoolTopic("p"))
		defer pool.Close()
		run := w.run("d")
		w.hinted("a new run", pool)
		events := w.Subscribe(store.RunTopic(run.ID))
		defer events.Close()
		w.updatePool("p", store.PoolUpdate{Pause: &store.PauseChange{Paused: false}}, actor)
		w.hinted("a pool that was resumed", pool)
		c := w.claimOne("w")
		w.hinted("a claim", events)
		w.cancelRun(run.ID, actor)
		w.hinted("a cancel", pool)
		quiet(events)
		w.check(w.AppendLogs(ctx, []store.LogChunk{{Lease: leaseOf(c), Text: "x"}}))
		w.hinted("output", events)
		w.accepts(failed(c, lifecycle.CancelledEnd))
		w.hinted("an end", events)
		w.hinted("a free slot", pool)

		later := w.run("d", func(n *store.NewRun) { n.ScheduledTime = ptr(w.Now().Add(time.Hour)) })
		w.sweep()
		quiet(pool)
		w.Advance(time.Hour)
		w.sweep()
		w.hinted("a run that has become due", pool)
		if c := w.claimOne("w"); c.RunID != later.ID {
			t.Errorf("claimed %s", c.RunID)
		}
		quiet(pool)
		w.Advance(leaseTime + time.Second)
		w.sweep()
		w.hinted("a lease that has run out", pool)
		pool.Close()
		pool.Close()
	})
}

func TestHintsReachSubscribersOfOtherServers(t *testing.T) {
	t.Parallel()
	w := &world{storePG(t), t}
	other := &world{w.OpenAgain(t), t}
	w.pool("p")
	w.deployment("d", "p")
	pool := other.Subscribe(store.PoolTopic("p"))
	defer pool.Close()
	w.RunInBackground(t)
	other.RunInBackground(t)
	w.hinted("the listener's start", pool) // all subscribers are woken once it listens
	quiet(pool)
	run := w.run("d")
	w.hinted("a run created on another server", pool)
	events := other.Subscribe(store.RunTopic(run.ID))
	defer events.Close()
	w.claimOne("w")
	w.hinted("a claim on another server", events)
}

// TestARunThatBecomesDueWakesAsManyClaimsAsItNeeds: runs that are due later are announced by no write.
func TestARunThatBecomesDueWakesAsManyClaimsAsItNeeds(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("p")
		w.deployment("free", "p")
		w.deployment("limited", "p", func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(1)) })
		later := func(deployment string) {
			w.run(deployment, func(n *store.NewRun) { n.ScheduledTime = ptr(w.Now().Add(time.Hour)) })
		}
		later("free")
		later("free")
		later("limited")
		later("limited")
		w.sweep()
		var waiting []*store.Subscription
		for range 10 {
			s := w.SubscribeClaims("p")
			defer s.Close()
			waiting = append(waiting, s)
		}
		w.Advance(time.Hour)
		w.sweep()
		woken := 0
		for _, s := range waiting {
			select {
			case <-s.C():
				woken++
			default:
			}
		}
		if woken != 3 { // the second of the limited ones waits for the first
			t.Errorf("%d claims were woken for 3 runs that can start", woken)
		}
	})
}
