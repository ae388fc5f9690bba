package store_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestAClaimReturnsTheValuesThatTheRunWasCreatedWith(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p", func(p *store.NewPool) { p.Template.StoredNames = []string{"region", "absent"} })
		w.upsertVariable("region", json.RawMessage(`{"b": 1.0, "a": "<x>"}`), actor)
		w.upsertVariable("mine", json.RawMessage(`1`), actor)
		w.upsertVariable("unused", json.RawMessage(`2`), actor)
		before := func(d *store.Deployment) {
			d.Version, d.Tags, d.Timeout = "v1", []string{"a", "b"}, ptr(time.Hour)
			d.JobVariables, d.FrozenVariables = json.RawMessage(`{"image": "one", "memory": 1.50}`), []string{
				"image",
			}
		}
		w.deployment("d", "p", before)
		run := w.run("d", func(n *store.NewRun) {
			n.Parameters, n.JobVariables = json.RawMessage(`{"z": 1, "a": 1e3}`), json.RawMessage(
				`{"cpu": "1"}`)
			n.StoredNames, n.Tags = []string{"mine"}, []string{"b", "c"}
		})
		w.deployment("d", "p", before, func(d *store.Deployment) { // changed after the run was created
			d.Version, d.JobVariables, d.FrozenVariables = "v2", json.RawMessage(
				`{"image": "two", "env.MODE": "safe"}`), []string{"env.MODE"}
		})
		c := w.claimOne("w")
		if c.RunID != run.ID || c.Attempt != 1 || c.Epoch != 1 || c.Deployment != "d" || c.Pool != "p" ||
			c.Queue != "default" ||
			c.Takeover ||
			c.Cancelling {
			t.Errorf("claimed %+v", c)
		}
		for what, pair := range map[string][2]string{
			"version":    {c.DeploymentVersion, "v1"},
			"parameters": {string(c.Parameters), `{"z": 1, "a": 1e3}`},
			"deployment": {string(c.DeploymentVariables), `{"image": "one", "memory": 1.50}`},
			"run":        {string(c.RunVariables), `{"cpu": "1"}`},
			"frozen":     {string(c.Frozen), `{"/env/MODE":"safe"}`},
			"stored":     {string(c.Stored), `{"mine":1,"region":{"b":1.0,"a":"<x>"}}`},
			"tags":       {fmt.Sprint(c.Tags), "[a b c]"},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s is %s, want %s", what, pair[0], pair[1])
			}
		}
		if c.TimeoutLeft == nil || *c.TimeoutLeft != time.Hour {
			t.Errorf("timeout left is %v", c.TimeoutLeft)
		}
		w.isIn(run.ID, "PENDING Claimed")
		same(t, "history", w.history(run.ID), []string{"SCHEDULED Scheduled", "SCHEDULED Scheduled", "PENDING Claimed"})
	})
}

func TestAClaimUsesTheNewestTemplateAndFixesTheInput(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		v2 := w.updateTemplate("p",
			store.TemplateDocument{Document: json.RawMessage(`{"version": 2}`), StoredNames: []string{"x"}},
			nil, actor)
		w.upsertVariable("x", json.RawMessage(`"old"`), actor)
		c := w.claimOne("w")
		if c.TemplateVersionID != v2.ID || c.TemplateVersion != 2 {
			t.Errorf("claimed with version %d", c.TemplateVersion)
		}
		w.updateTemplate("p", store.TemplateDocument{Document: json.RawMessage(`{"version": 3}`)}, nil, actor)
		w.upsertVariable("x", json.RawMessage(`"new"`), actor)
		w.Advance(leaseTime + time.Second)
		if again := w.claimOne("other"); again.TemplateVersion != 2 || string(again.Stored) != `{"x":"old"}` {
			t.Errorf("the takeover has version %d and %s", again.TemplateVersion, again.Stored)
		}
	})
}

func TestARunIsNotClaimedBeforeItIsDue(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.run("d", func(n *store.NewRun) { n.ScheduledTime = ptr(w.Now().Add(time.Hour)) })
		if claims := w.claim(request("p", "w", 10)); len(claims) != 0 {
			t.Fatalf("claimed %d", len(claims))
		}
		w.Advance(time.Hour + time.Second)
		w.claimOne("w")
	})
}

func TestClaimsFollowPriorityThenDueTime(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		for name, priority := range map[string]int32{"high": 1, "low": 9} {
			w.createQueue(store.Queue{Pool: "p", Name: name, Priority: priority}, actor)
		}
		in := func(queue string) func(*store.Deployment) { return func(d *store.Deployment) { d.Queue = queue } }
		w.deployment("low", "p", in("low"))
		w.deployment("high", "p", in("high"))
		w.deployment("default", "p") // the same priority as high
		now := w.Now()
		due := func(name string, ago time.Duration) {
			w.run(name, func(n *store.NewRun) {
				n.ScheduledTime, n.Name = ptr(now.Add(-ago)), fmt.Sprintf("%s-%s", name, ago)
			})
		}
		due("low", 9*time.Hour)
		due("high", time.Hour)
		due("default", 2*time.Hour)
		due("high", 3*time.Hour)
		var order []string
		for range 2 {
			for _, c := range w.claim(request("p", "w", 2)) {
				order = append(order, c.RunName)
			}
		}
		same(t, "order", order, []string{"high-3h0m0s", "default-2h0m0s", "high-1h0m0s", "low-9h0m0s"})
	})
}

func TestClaimsRespectLimitsAndPauses(t *testing.T) {
	tests := []struct {
		name   string
		pool   func(*store.NewPool)
		deploy func(*store.Deployment)
		queue  store.Queue
		want   int
	}{
		{name: "no limit", want: 5},
		{
			name: "a pool's limit", pool: func(p *store.NewPool) { p.ConcurrencyLimit = ptr(int32(3)) },
			want: 3,
		},
		{
			name: "a pool's limit of none at all",
			pool: func(p *store.NewPool) { p.ConcurrencyLimit = ptr(int32(0)) },
		},
		{name: "a paused pool", pool: func(p *store.NewPool) { p.Paused = true }},
		{
			name:   "a deployment's limit",
			deploy: func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(2)) }, want: 2,
		},
		{
			name:   "a deployment's limit of none at all",
			deploy: func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(0)) },
		},
		{name: "a paused deployment", deploy: func(d *store.Deployment) { d.Paused = true }},
		{name: "a queue's limit", queue: store.Queue{ConcurrencyLimit: ptr(int32(4))}, want: 4},
		{name: "a queue's limit of none at all", queue: store.Queue{ConcurrencyLimit: ptr(int32(0))}},
		{name: "a paused queue", queue: store.Queue{Paused: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				var poolChanges []func(*store.NewPool)
				if test.pool != nil {
					poolChanges = append(poolChanges, test.pool)
				}
				w.pool("p", poolChanges...)
				queue := test.queue // both databases run at once
				queue.Pool, queue.Name = "p", "q"
				w.createQueue(queue, actor)
				w.deployment("d", "p", func(d *store.Deployment) {
					d.Queue = "q"
					if test.deploy != nil {
						test.deploy(d)
					}
				})
				w.runs("d", 5)
				var claims []store.Claim
				for range 5 {
					claims = append(claims, w.claim(request("p", "w", 2))...)
				}
				if len(claims) != test.want {
					t.Fatalf("claimed %d, want %d", len(claims), test.want)
				}
				if test.want == 0 || test.want == 5 {
					return
				}
				w.accepts(succeeded(claims[0])) // its slot is free in the very next claim
				if next := w.claim(request("p", "w", 5)); len(next) != 1 {
					t.Errorf("after one has ended claimed %d, want 1", len(next))
				}
			})
		})
	}
}

func TestConcurrentClaimsNeverExceedALimit(t *testing.T) {
	onEachLayout(t, func(w *world) {
		const poolLimit, smallLimit, total, workers = 7, 3, 120, 12
		w.pool("p", func(p *store.NewPool) { p.ConcurrencyLimit = ptr(int32(poolLimit)) })
		w.deployment("small", "p", func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(smallLimit)) })
		w.deployment("free", "p")
		w.runs("small", total/2)
		w.runs("free", total/2)
		servers := []*world{w}
		if w.Postgres {
			servers = append(servers, &world{w.OpenAgain(w.t), w.t}, &world{w.OpenAgain(w.t), w.t})
		}
		var inPool, inSmall, done atomic.Int32
		var workersDone sync.WaitGroup
		for i := range workers {
			server := servers[i%len(servers)]
			workersDone.Go(func() {
				for done.Load() < total {
					claims, err := server.Claim(w.t.Context(), request("p", fmt.Sprint("w", i), 1+i%4))
					if err != nil {
						t.Errorf("claim: %v", err)
						return
					}
					for _, c := range claims {
						if n := inPool.Add(1); n > poolLimit {
							t.Errorf("%d at once in a pool with a limit of %d", n, poolLimit)
						}
						if c.Deployment == "small" {
							if n := inSmall.Add(1); n > smallLimit {
								t.Errorf("%d at once of a deployment with a limit of %d", n, smallLimit)
							}
						}
					}
					for _, c := range claims {
						inPool.Add(
							-1) // before the server frees the slot, so that what is counted is never too many
						if c.Deployment == "small" {
							inSmall.Add(-1)
						}
						results, err := server.Report(w.t.Context(), "w", []store.Report{succeeded(c)})
						if err != nil || results[0].Status != store.ReportAccepted {
							t.Errorf("report: %v %v", results, err)
							return
						}
						done.Add(1)
					}
				}
			})
		}
		workersDone.Wait()
		if n := done.Load(); n != total {
			t.Errorf("%d runs have ended, want %d", n, total)
		}
		if n := w.used("p"); n != 0 {
			t.Errorf("%d slots are still used", n)
		}
	})
}

func TestBlockedRunsDoNotHideAFreeOne(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("blocked", "p", func(d *store.Deployment) { d.ConcurrencyLimit = ptr(int32(1)) })
		w.deployment("paused", "p", func(d *store.Deployment) { d.Paused = true })
		w.deployment("free", "p")
		w.runs("blocked", 5001)
		w.runs("paused", 5000)
		w.claimOne("w") // the one slot of blocked
		free := w.run("free")
		if c := w.claimOne("w"); c.RunID != free.ID {
			t.Errorf("claimed a run of %s", c.Deployment)
		}
	})
}

func TestManyBlockedDeploymentsDoNotHideAFreeOne(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.check(w.InTx(w.t.Context(), func(tx *store.Tx) error {
			for i := range 400 {
				name := fmt.Sprint("paused-", i)
				if _, _, err := tx.UpsertDeployment(w.t.Context(), store.Deployment{Name: name, Pool: "p", Paused: true}, actor); err != nil {
					return err
				}
				if _, _, err := tx.CreateRun(w.t.Context(), store.NewRun{Deployment: name}, actor); err != nil {
					return err
				}
			}
			return nil
		}))
		w.deployment("free", "p")
		free := w.run("free")
		if c := w.claimOne("w"); c.RunID != free.ID {
			t.Errorf("claimed a run of %s", c.Deployment)
		}
	})
}

func TestARepeatedRequestReturnsTheSameClaims(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		w.run("d")
		w.run("d")
		r := request("p", "w", 2)
		first := w.claim(r)
		again := w.claim(r)
		if len(first) != 2 || len(again) != 2 || leaseOf(first[0]) != leaseOf(again[0]) ||
			leaseOf(first[1]) != leaseOf(again[1]) {
			t.Fatalf("first %v\nthen %v", first, again)
		}
		w.accepts(succeeded(first[0]))
		if left := w.claim(r); len(left) != 1 || left[0].AttemptID != first[1].AttemptID {
			t.Errorf("what has ended is not handed out again: %v", left)
		}
		stopping := r
		stopping.Max = 0
		if left := w.claim(stopping); len(left) != 1 {
			t.Errorf("a worker that stops gets %d attempts of its last request", len(left))
		}
		if other := w.claim(request("p", "w", 2)); len(other) != 1 {
			t.Errorf("another request claimed %d, want the one that is left", len(other))
		}
	})
}

func TestConcurrentEqualRequestsReturnTheSameClaims(t *testing.T) {
	for _, n := range []int{23, 4} { // with runs for all who ask, and for one of them
		t.Run(fmt.Sprint(n, " runs"), func(t *testing.T) {
			onEachLayout(t, func(w *world) {
				w.pool("p")
				w.deployment("d", "p")
				w.runs("d", n)
				w.accepts(
					succeeded(w.claim(request("p", "w", 1))[0])) // from here on it is known that nothing is limited
				r := request("p", "w", 3)
				answers := make([][]store.Claim, 8)
				var callers sync.WaitGroup
				for i := range answers {
					callers.Go(func() {
						var err error
						if answers[i], err = w.Claim(w.t.Context(), r); err != nil {
							t.Error(err)
						}
					})
				}
				callers.Wait()
				for _, a := range answers {
					if len(a) != 3 || leaseOf(a[0]) != leaseOf(answers[0][0]) {
						t.Errorf("answers differ: %v and %v", a, answers[0])
					}
				}
				if n := w.used("p"); n != 3 {
					t.Errorf("%d slots are used", n)
				}
			})
		})
	}
}

func TestAnEmptyClaimRecordsThatTheWorkerIsAlive(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		if claims := w.claim(request("p", "w", 0)); len(claims) != 0 {
			t.Fatalf("claimed %d with max 0", len(claims))
		}
		workers := w.listWorkers("p")
		if len(workers) != 1 || workers[0].Name != "w" || w.Now().Sub(workers[0].LastSeenAt) > time.Minute {
			t.Errorf("workers are %+v", workers)
		}
	})
}

func TestAClaimInAnUnknownPoolFails(t *testing.T) {
	onEachLayout(t, func(w *world) {
		_, err := w.Claim(w.t.Context(), request("nowhere", "w", 1))
		w.refuses(err, store.NotFound)
	})
}

func TestAnExpiredLeaseIsTakenOverUnderTheNextEpoch(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		c := w.claimOne("first")
		w.accepts(manifest(c), submitted(c))
		if claims := w.claim(request("p", "second", 10)); len(claims) != 0 {
			t.Fatal("taken over while the lease holds")
		}
		w.Advance(leaseTime + time.Second)
		elsewhere := request("p", "second", 10)
		elsewhere.ClusterID = "another"
		if claims := w.claim(elsewhere); len(claims) != 0 {
			t.Fatal("taken over from another cluster")
		}
		taken := w.claimOne("second")
		if taken.AttemptID != c.AttemptID || taken.Attempt != 1 || taken.Epoch != 2 || !taken.Takeover ||
			taken.Cancelling {
			t.Errorf("took over %+v", taken)
		}
		if string(taken.Manifest) != `{"kind": "Job"}` || taken.JobUID != submitted(c).JobUID {
			t.Errorf("took over with manifest %s and Job %s", taken.Manifest, taken.JobUID)
		}
		same(t, "what the first says", w.says(running(c)), []store.ReportStatus{store.ReportStale})
		lost, _, err := w.renew("first", leaseOf(c))
		w.check(err)
		same(t, "what the first has lost", lost, []uuid.UUID{c.AttemptID})
		w.accepts(running(taken), succeeded(taken))
		w.isIn(run.ID, "COMPLETED Completed")
		if n := len(w.listAttempts(run.ID)); n != 1 {
			t.Errorf("the run has %d attempts", n)
		}
	})
}

func TestATakeoverTakesNoSlotInAPausedOrFullPool(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p", func(p *store.NewPool) { p.ConcurrencyLimit = ptr(int32(1)) })
		w.deployment("d", "p")
		w.runs("d", 2)
		w.claimOne("first")
		w.updatePool("p", store.PoolUpdate{Pause: &store.PauseChange{Paused: true}}, actor)
		w.Advance(leaseTime + time.Second)
		if c := w.claimOne("second"); !c.Takeover {
			t.Error("not a takeover")
		}
		if n := w.used("p"); n != 1 {
			t.Errorf("%d slots are used", n)
		}
	})
}

func TestARestartedWorkerTakesOverOnlyTheAttemptsItDoesNotHold(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		c := w.claimOne("w")
		w.Advance(leaseTime + time.Second)
		if claims := w.claim(request("p", "w", 10)); len(claims) != 0 {
			t.Fatal("it took over what it holds")
		}
		again := w.claim(restarted(request("p", "w", 10)))
		if len(again) != 1 || again[0].AttemptID != c.AttemptID || again[0].Epoch != 2 || !again[0].Takeover {
			t.Errorf("after a restart it got %+v", again)
		}
	})
}

func TestAnExpiredLeaseCanBeRenewedUntilItIsTakenOver(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.one()
		c := w.claimOne("w")
		w.Advance(time.Hour)
		lost, _, err := w.renew("w", leaseOf(c))
		w.check(err)
		if len(lost) != 0 {
			t.Fatal("lost though no worker took it over")
		}
		if claims := w.claim(request("p", "other", 10)); len(claims) != 0 {
			t.Error("taken over after it was renewed")
		}
	})
}

func TestOneOfManyWorkersTakesAnAttemptOver(t *testing.T) {
	onEachLayout(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.runs("d", 10)
		if n := len(w.claim(request("p", "dead", 10))); n != 10 {
			t.Fatalf("claimed %d", n)
		}
		w.Advance(leaseTime + time.Second)
		var mu sync.Mutex
		holders := map[uuid.UUID]int64{}
		// take notes whose attempts are, and returns how many have a holder.
		take := func(claims []store.Claim) int {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range claims {
				if _, twice := holders[c.AttemptID]; twice || c.Epoch != 2 {
					t.Errorf("attempt %s has a second holder, epoch %d", c.AttemptID, c.Epoch)
				}
				holders[c.AttemptID] = c.Epoch
			}
			return len(holders)
		}
		var heirs sync.WaitGroup
		for i := range 8 {
			heirs.Go(func() {
				// A claim skips the sessions that another one takes from, so that it may come again.
				for taken := 0; taken < 10; {
					claims, err := w.Claim(w.t.Context(), request("p", fmt.Sprint("heir", i), 4))
					if err != nil {
						t.Error(err)
						return
					}
					taken = take(claims)
				}
			})
		}
		heirs.Wait()
	})
}

// TestNoTwoWorkersAreGivenTheSameEpoch: with leases that end at once, workers take an attempt over from each other again and
// again, also before the answer to a claim is read.
func TestNoTwoWorkersAreGivenTheSameEpoch(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p")
		w.runs("d", 20)
		for _, c := range w.claim(request("p", "dead", 20)) {
			w.accepts(submitted(c), running(c))
		}
		w.Advance(leaseTime + time.Second)
		var mu sync.Mutex
		holders := map[store.Lease]string{}
		var heirs sync.WaitGroup
		for i := range 8 {
			heirs.Go(func() {
				for range 60 {
					r := request("p", fmt.Sprint("heir", i), 10)
					r.Lease = time.Microsecond
					claims, err := w.Claim(w.t.Context(), r)
					if err != nil {
						w.t.Error(err)
					}
					mu.Lock()
					for _, c := range claims {
						if other, given := holders[leaseOf(c)]; given {
							w.t.Errorf("epoch %d of attempt %s was given to %s and to %s", c.Epoch, c.AttemptID, other, r.Worker)
						}
						holders[leaseOf(c)] = r.Worker
					}
					mu.Unlock()
				}
			})
		}
		heirs.Wait()
		if len(holders) <= 20 {
			w.t.Errorf("%d takeovers in all: nothing was taken over from an heir", len(holders))
		}
	})
}

func TestATakeoverOfACancellingRunTellsTheWorkerToCancel(t *testing.T) {
	onEachLayout(t, func(w *world) {
		run := w.one()
		c := w.claimOne("dead")
		w.accepts(manifest(c), submitted(c), running(c))
		w.cancelRun(run.ID, actor)
		w.Advance(leaseTime + time.Second)
		taken := w.claimOne("heir")
		if !taken.Cancelling || !taken.Takeover {
			t.Fatalf("took over %+v", taken)
		}
		w.accepts(failed(taken, lifecycle.CancelledEnd))
		w.isIn(run.ID, "CANCELLED Cancelled")
	})
}
