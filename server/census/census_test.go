package census

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/explain"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/database"
)

// source answers what a test says.
type source struct {
	mu    sync.Mutex // tests change what it answers while it is read
	facts store.Stats
	steps [][]store.ReadyCount // of the walk, in turn
	step  int
	err   error
	slow  time.Duration
	reads int
}

func (s *source) GetStats(ctx context.Context) (*store.Stats, error) {
	s.mu.Lock()
	s.reads++
	slow := s.slow
	s.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	facts := s.facts
	facts.Now = time.Now()
	return &facts, s.err
}

func (s *source) ListScheduleSlots(context.Context, int) ([]store.ScheduleSlots, error) {
	return nil, nil
}

func (s *source) CountReady(
	_ context.Context, after store.ReadyKey, _ int64,
) ([]store.ReadyCount, *store.ReadyKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after == (store.ReadyKey{}) {
		s.step = 0
	}
	counts := s.steps[min(s.step, len(s.steps)-1)]
	s.step++
	if s.step >= len(s.steps) {
		return counts, nil, nil
	}
	return counts, &store.ReadyKey{Run: uuid.New()}, nil
}

// change makes it answer otherwise from now on.
func (s *source) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// timesRead is how often the facts were read.
func (s *source) timesRead() (n int) {
	s.change(func() { n = s.reads })
	return n
}

// world is a pool with a queue and two deployments, one of which has a limit of 1.
type world struct {
	source
	free, limited uuid.UUID
}

func newWorld() *world {
	w := &world{free: uuid.New(), limited: uuid.New()}
	pool := store.PoolStats{ID: uuid.New(), Name: "p"}
	queue := store.QueueStats{ID: uuid.New(), PoolID: pool.ID, Name: "q"}
	one := int32(1)
	due := database.Time(time.Now())
	w.facts = store.Stats{
		Pools: []store.PoolStats{pool}, Queues: []store.QueueStats{queue},
		Deployments: []store.DeploymentStats{
			{ID: w.free, PoolID: pool.ID, Name: "a"}, {ID: w.limited, PoolID: pool.ID, Name: "b", Limit: &one},
		},
		Lines: []store.LineStats{{QueueID: queue.ID, FirstDue: &due}, {QueueID: queue.ID, DeploymentID: &w.limited, FirstDue: &due}},
	}
	w.steps = [][]store.ReadyCount{{w.count(w.free, store.ReadyDue, 3), w.count(w.limited, store.ReadyDue, 2)}}
	return w
}

func (w *world) count(deployment uuid.UUID, wait store.ReadyWait, n int64) store.ReadyCount {
	return store.ReadyCount{QueueID: w.facts.Queues[0].ID, DeploymentID: deployment, Wait: wait, Count: n}
}

func (w *world) worker() {
	w.facts.Workers = []store.WorkerStats{{Pool: "p", Name: "w", LastSeenAt: database.Time(time.Now().Add(time.Minute))}}
}

func (w *world) figures() *Figures {
	ready := readyCounts{}
	for _, step := range w.steps {
		for _, n := range step {
			ready[readyKey{n.QueueID, n.DeploymentID, n.Wait}] += n.Count
		}
	}
	facts := w.facts
	facts.Now = time.Now().Add(time.Minute)
	return figuresOf(&facts, ready, nil, 1)
}

func TestWaitingRunsAreCountedByTheReasonThatExplainNames(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world)
		want   map[explain.Code]int64
	}{
		"no worker lives": {func(*world) {}, map[explain.Code]int64{explain.NoWorker: 5}},
		"a worker lives":  {(*world).worker, map[explain.Code]int64{explain.AwaitingClaim: 5}},
		"a limit is reached": {func(w *world) {
			w.worker()
			w.facts.Live = []store.LiveStats{{
				PoolID: w.facts.Pools[0].ID, QueueID: w.facts.Queues[0].ID, DeploymentID: w.limited, State: lifecycle.Running, Count: 1,
			}}
		}, map[explain.Code]int64{explain.AwaitingClaim: 3, explain.DeploymentFull: 2}},
		"a deployment is paused": {func(w *world) {
			w.worker()
			w.facts.Deployments[1].Paused = true
		}, map[explain.Code]int64{explain.AwaitingClaim: 3, explain.DeploymentPaused: 2}},
		"the pool is paused": {func(w *world) {
			w.facts.Pools[0].Paused = true
		}, map[explain.Code]int64{explain.PoolPaused: 5}},
		"some are not due": {func(w *world) {
			w.worker()
			w.steps = append(w.steps, []store.ReadyCount{w.count(w.free, store.ReadyLater, 4), w.count(w.free, store.ReadyRetry, 1)})
		}, map[explain.Code]int64{explain.AwaitingClaim: 5, explain.NotDue: 4, explain.AwaitingRetry: 1}},
		"what was counted is claimed by now": {func(w *world) {
			w.worker()
			w.facts.Lines = w.facts.Lines[1:]
			w.facts.Lines = append(w.facts.Lines, store.LineStats{QueueID: w.facts.Queues[0].ID})
		}, map[explain.Code]int64{explain.AwaitingClaim: 2}},
	} {
		w := newWorld()
		c.change(w)
		f := w.figures()
		for _, waiting := range f.Waiting {
			if waiting.Count != c.want[waiting.Reason] {
				t.Errorf("%s: %d runs wait for %s, want %d", name, waiting.Count, waiting.Reason, c.want[waiting.Reason])
			}
			due := waiting.Count > 0 && waiting.Reason != explain.NotDue && waiting.Reason != explain.AwaitingRetry
			if due != (waiting.Oldest >= time.Minute) {
				t.Errorf("%s: the oldest that waits for %s does for %s", name, waiting.Reason, waiting.Oldest)
			}
		}
		if len(f.Deployments) != 1 || f.DeploymentsOmitted != 1 {
			t.Errorf("%s: %d deployments, %d omitted", name, len(f.Deployments), f.DeploymentsOmitted)
		}
	}
}

func TestAttemptsThatDoNotStartAreCountedByReason(t *testing.T) {
	w := newWorld()
	w.worker()
	live := func(diagnosis string, phase store.Phase, expired bool, cluster string) store.LiveStats {
		return store.LiveStats{
			PoolID: w.facts.Pools[0].ID, QueueID: w.facts.Queues[0].ID, DeploymentID: w.free, State: lifecycle.Pending, Count: 1,
			Diagnosis: diagnosis, Phase: phase, LeaseExpired: expired, ClusterID: cluster, Since: database.Time(time.Now()),
		}
	}
	w.facts.Live = []store.LiveStats{
		live("", store.PhaseClaimed, false, ""), live("", store.PhasePending, false, ""),
		live(`no node can run the pod: none has enough`, store.PhasePending, false, ""),
		live(`container "main": cannot pull image "x"`, store.PhasePending, false, ""),
		live("the namespace's resource quota does not allow the pod", store.PhasePending, false, ""),
		live("the Job is suspended", store.PhasePending, false, ""), live("a volume cannot be mounted: x", store.PhasePending, false, ""),
		live("", store.PhasePending, true, "lost"), live("", store.PhasePending, true, ""),
	}
	want := map[explain.Code]int64{explain.Starting: 2}
	for _, code := range explain.AttemptCodes {
		want[code] = max(want[code], 1)
	}
	for _, a := range w.figures().Attempts {
		if a.Count != want[a.Reason] || a.Oldest < time.Minute {
			t.Errorf("%d attempts wait for %s since %s, want %d", a.Count, a.Reason, a.Oldest, want[a.Reason])
		}
	}
}

// run runs a census beside a test, in a bubble.
func run(t *testing.T, s Source, check func(*Census)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Source: s, Now: time.Now, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Deployments: 10})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		check(c)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAScrapeReadsNothingWhileFiguresAreFresh(t *testing.T) {
	w := newWorld()
	run(t, w, func(c *Census) {
		if w.timesRead() != 0 {
			t.Error("it reads before it is asked")
		}
		for range 10 {
			if c.Latest() == nil {
				t.Fatal("there are no figures")
			}
		}
		if w.timesRead() != 1 {
			t.Errorf("ten scrapes read %d times", w.timesRead())
		}
		time.Sleep(freshFor)
		c.Latest()
		if w.timesRead() != 2 {
			t.Errorf("a scrape later read %d times in all", w.timesRead())
		}
	})
}

func TestASlowDatabaseDoesNotHoldUpAScrape(t *testing.T) {
	w := newWorld()
	run(t, w, func(c *Census) {
		c.Latest()
		w.change(func() { w.slow = 20 * time.Second })
		for range 4 {
			time.Sleep(freshFor)
			began := time.Now()
			if c.Latest() == nil {
				t.Error("the last figures are gone")
			}
			if took := time.Since(began); took > scrapeWait {
				t.Errorf("a scrape took %s", took)
			}
		}
	})
}

func TestFiguresThatCannotBeReadAreLeftOutAfterAMinute(t *testing.T) {
	w := newWorld()
	run(t, w, func(c *Census) {
		c.Latest()
		w.change(func() { w.err = errors.New("no database") })
		time.Sleep(30 * time.Second)
		if c.Latest() == nil || c.Age() < 30*time.Second {
			t.Errorf("after half a minute: %v, %s old", c.Latest(), c.Age())
		}
		time.Sleep(time.Minute)
		if c.Latest() != nil || c.Age() < 90*time.Second {
			t.Errorf("after a minute and a half: %v, %s old", c.Latest(), c.Age())
		}
		w.change(func() { w.err = nil })
		time.Sleep(time.Second)
		if c.Latest() == nil || c.Age() > freshFor {
			t.Errorf("with the database again: %v, %s old", c.Latest(), c.Age())
		}
	})
}

func TestAWalkOfManyStepsEndsWithoutFurtherScrapes(t *testing.T) {
	w := newWorld()
	for range 9 {
		w.steps = append(w.steps, []store.ReadyCount{w.count(w.free, store.ReadyDue, 10)})
	}
	run(t, w, func(c *Census) {
		waiting := func() (n int64) {
			for _, r := range c.Latest().Runs {
				n += r.Count
			}
			return n
		}
		if n := waiting(); n != 5 {
			t.Errorf("the first step counts %d", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.timesRead(); n != 10 {
			t.Errorf("the walk took %d steps", n)
		}
		if n := waiting(); n != 95 {
			t.Errorf("the walk counts %d", n)
		}
		w.change(func() { w.steps = w.steps[:1] }) // the others have been claimed
		time.Sleep(freshFor)
		waiting()
		time.Sleep(time.Minute)
		if n := waiting(); n != 5 {
			t.Errorf("the next walk counts %d", n)
		}
	})
}

func TestSlotsCountFromTheLastCompletionAndNotThroughAPause(t *testing.T) {
	w := newWorld()
	w.facts.Now = time.Date(2026, 1, 2, 12, 0, 30, 0, time.UTC)
	list := slotList{{DeploymentID: w.free, Spec: database.JSON(`{"cron":"0 * * * *"}`), Since: database.Time(w.facts.Now.Add(-90 * time.Hour))}}
	var c slotCounts
	read := func() int {
		t.Helper()
		if err := c.read(t.Context(), list, &w.facts, 10); err != nil {
			t.Fatal(err)
		}
		w.facts.Now = w.facts.Now.Add(time.Minute)
		return c.counts[w.free]
	}
	if n := read(); n != 90 {
		t.Errorf("%d slots, want 90", n)
	}
	completed := database.Time(w.facts.Now.Add(-3 * time.Hour))
	w.facts.Deployments[0].LastCompletion = &completed
	if n := read(); n != 3 {
		t.Errorf("%d slots since the last completion, want 3", n)
	}
	active := list
	list = nil
	if n := read(); n != 0 {
		t.Errorf("%d slots while it is paused", n)
	}
	list = active
	w.facts.Now = w.facts.Now.Add(time.Hour)
	if n := read(); n != 1 {
		t.Errorf("%d slots since it was resumed, want 1", n)
	}
}

type slotList []store.ScheduleSlots

func (l slotList) GetStats(context.Context) (*store.Stats, error) { return nil, nil }

func (l slotList) ListScheduleSlots(context.Context, int) ([]store.ScheduleSlots, error) {
	return l, nil
}

func (l slotList) CountReady(
	context.Context, store.ReadyKey, int64,
) ([]store.ReadyCount, *store.ReadyKey, error) {
	return nil, nil, nil
}

// TestAPoolThatIsCreatedWhileFiguresAreRead has none yet: series without the name of a pool would exist twice.
func TestAPoolThatIsCreatedWhileFiguresAreRead(t *testing.T) {
	w := newWorld()
	for range 2 {
		pool := uuid.New()
		w.facts.Queues = append(w.facts.Queues, store.QueueStats{ID: uuid.New(), PoolID: pool, Name: "default"})
		w.facts.Deployments = append([]store.DeploymentStats{{ID: uuid.New(), PoolID: pool, Name: "a"}}, w.facts.Deployments...)
	}
	f := w.figures()
	if len(f.Queues) != 1 || f.Queues[0].Pool != "p" {
		t.Errorf("queues %+v", f.Queues)
	}
	if len(f.Deployments) != 1 || f.Deployments[0].Pool != "p" || f.DeploymentsOmitted != 1 {
		t.Errorf("deployments %+v, and %d", f.Deployments, f.DeploymentsOmitted)
	}
	if slices.ContainsFunc(f.Runs, func(r Runs) bool { return r.Pool == "" }) {
		t.Errorf("runs %+v", f.Runs)
	}
}
