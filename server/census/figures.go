package census

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/explain"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

type readyKey struct {
	queue, deployment uuid.UUID
	wait              store.ReadyWait
}

type readyCounts map[readyKey]int64

// Figures are what the metrics show of the whole installation.
type Figures struct {
	At    time.Time // when they were read, by this server
	Facts *store.Stats

	Runs        []Runs
	Waiting     []Waiting
	Attempts    []Waiting // claimed and not started; of no queue
	Ages        []Age
	Queues      []Queue
	Slots       []Slots
	Deployments []Deployment
	// DeploymentsOmitted are without separate figures, because there are too many.
	DeploymentsOmitted int
	Paused             []Paused
	Workers            []Workers
	Schedules          []Schedules
}

// Runs counts the runs of a queue in a state that is not terminal.
type Runs struct {
	Pool, Queue string
	State       lifecycle.StateType
	Count       int64
}

// Waiting counts what waits for a reason.
type Waiting struct {
	Pool, Queue string
	Reason      explain.Code
	Count       int64
	// Oldest is for how long the first has been due, or claimed; 0 where it is not due.
	Oldest time.Duration
}

// Age is for how long the oldest run of a pool has been in a state.
type Age struct {
	Pool   string
	State  lifecycle.StateType
	Oldest time.Duration
}

// Queue is what a queue promises and how long the oldest due run has waited in it.
type Queue struct {
	Pool, Name string
	Oldest     time.Duration
	Objective  time.Duration // 0: none
}

// Slots are those of a pool (Queue empty) or of a queue.
type Slots struct {
	Pool, Queue string
	Used        int64
	Limit       *int32 // nil: no limit
}

// Deployment is how the runs of a deployment are doing.
type Deployment struct {
	Pool, Name string
	Runs       map[lifecycle.StateType]int64 // unfinished
	LastState  lifecycle.StateType           // of the run that ended last; empty: none has
	LastEnd    time.Time
	// LastCompletion is the end of the last run that completed; zero: none has. Failures are since then.
	LastCompletion time.Time
	Failures       int64
	// SlotsSince are the slots of its schedules since then, up to slotsMax; nil for what is paused or has no active schedule.
	SlotsSince *int
}

// Paused is something that is paused.
type Paused struct {
	Kind, Pool, Name string
	For              time.Duration
}

// Workers are those of a pool.
type Workers struct {
	Pool        string
	Alive, Gone int64
	LastSeen    *time.Duration // since the freshest was heard of; nil: there is none
	Versions    map[string]int64
}

// Schedules counts the schedules of a pool in a state.
type Schedules struct {
	Pool  string
	State store.ScheduleState
	Count int64
}

// Unfinished are the states of runs that have not ended.
var Unfinished = []lifecycle.StateType{lifecycle.Scheduled, lifecycle.Pending, lifecycle.Running, lifecycle.Cancelling}

// tally makes figures of facts.
type tally struct {
	facts       *store.Stats
	ready       readyCounts
	pools       map[uuid.UUID]store.PoolStats
	queues      map[uuid.UUID]store.QueueStats
	deployments map[uuid.UUID]store.DeploymentStats
	workers     map[string][]store.Worker
	used        map[uuid.UUID]int64 // slots, of pools, queues and deployments
	codes       map[[2]uuid.UUID]explain.Code
}

func figuresOf(facts *store.Stats, ready readyCounts, slots map[uuid.UUID]int, deployments int) *Figures {
	t := &tally{
		facts: facts, pools: map[uuid.UUID]store.PoolStats{}, queues: map[uuid.UUID]store.QueueStats{},
		deployments: map[uuid.UUID]store.DeploymentStats{}, workers: map[string][]store.Worker{}, used: map[uuid.UUID]int64{},
		codes: map[[2]uuid.UUID]explain.Code{},
	}
	for _, p := range facts.Pools {
		t.pools[p.ID] = p
	}
	t.facts = t.ofPoolsRead()
	facts = t.facts
	for _, q := range facts.Queues {
		t.queues[q.ID] = q
	}
	for _, d := range facts.Deployments {
		t.deployments[d.ID] = d
	}
	for _, w := range facts.Workers {
		t.workers[w.Pool] = append(t.workers[w.Pool], w.Worker())
	}
	for _, l := range facts.Live {
		t.used[l.PoolID] += l.Count
		t.used[l.QueueID] += l.Count
		t.used[l.DeploymentID] += l.Count
	}
	t.ready = t.stillWaiting(ready)

	f := &Figures{Facts: facts}
	f.Runs = t.runs()
	f.Waiting = t.waiting()
	f.Attempts, f.Ages = t.attempts(), t.ages()
	f.Queues, f.Slots = t.promises(), t.slots()
	f.Deployments, f.DeploymentsOmitted = t.perDeployment(slots, deployments)
	f.Paused = t.paused(deployments)
	f.Workers, f.Schedules = t.perPool(), t.schedules()
	return f
}

// ofPoolsRead leaves out queues and deployments of pools that were created after the pools were read.
func (t *tally) ofPoolsRead() *store.Stats {
	facts := *t.facts
	notRead := func(pool uuid.UUID) bool { _, read := t.pools[pool]; return !read }
	facts.Queues = slices.DeleteFunc(slices.Clone(facts.Queues), func(q store.QueueStats) bool { return notRead(q.PoolID) })
	facts.Deployments = slices.DeleteFunc(slices.Clone(facts.Deployments),
		func(d store.DeploymentStats) bool { return notRead(d.PoolID) })
	return &facts
}

// stillWaiting leaves out what was counted in lines that are empty by now.
func (t *tally) stillWaiting(ready readyCounts) readyCounts {
	empty := map[uuid.UUID]bool{}
	held := map[[2]uuid.UUID]bool{}
	for _, line := range t.facts.Lines {
		switch {
		case line.DeploymentID != nil:
			held[[2]uuid.UUID{line.QueueID, *line.DeploymentID}] = true
		case line.FirstDue == nil:
			empty[line.QueueID] = true
		}
	}
	kept := readyCounts{}
	for key, n := range ready {
		if !empty[key.queue] || held[[2]uuid.UUID{key.queue, key.deployment}] {
			kept[key] = n
		}
	}
	return kept
}

// queueKey is a queue with what is counted in it.
type queueKey[T ~string] struct {
	queue uuid.UUID
	what  T
}

// runs counts each queue in each state, so that a queue whose last run has ended shows 0.
func (t *tally) runs() []Runs {
	counts := map[queueKey[lifecycle.StateType]]int64{}
	for key, n := range t.ready {
		counts[queueKey[lifecycle.StateType]{key.queue, lifecycle.Scheduled}] += n
	}
	for _, l := range t.facts.Live {
		counts[queueKey[lifecycle.StateType]{l.QueueID, l.State}] += l.Count
	}
	var all []Runs
	for _, q := range t.facts.Queues {
		for _, state := range Unfinished {
			n := counts[queueKey[lifecycle.StateType]{q.ID, state}]
			all = append(all, Runs{t.pools[q.PoolID].Name, q.Name, state, n})
		}
	}
	return all
}

// code is why due runs of a deployment in a queue wait; uuid.Nil is a deployment without limit and pause.
func (t *tally) code(queue, deployment uuid.UUID) explain.Code {
	d, known := t.deployments[deployment]
	if known && d.Limit == nil && !d.Paused {
		deployment = uuid.Nil
	}
	key := [2]uuid.UUID{queue, deployment}
	if code, known := t.codes[key]; known {
		return code
	}
	q := t.queues[queue]
	p := t.pools[q.PoolID]
	facts := &store.RunFacts{
		Run:     store.Run{Pool: p.Name, Queue: q.Name, Deployment: d.Name},
		Gates:   store.ClaimGates{Pool: p.Gate(t.used[p.ID]), Queue: q.Gate(t.used[q.ID])},
		Workers: t.workers[p.Name], Now: t.facts.Now,
	}
	if deployment != uuid.Nil {
		facts.Gates.Deployment = d.Gate(t.used[d.ID])
	}
	t.codes[key] = explain.DueCode(facts)
	return t.codes[key]
}

func (t *tally) waiting() []Waiting {
	found := map[queueKey[explain.Code]]Waiting{}
	add := func(queue uuid.UUID, reason explain.Code, n int64, oldest time.Duration) {
		w := found[queueKey[explain.Code]{queue, reason}]
		w.Count, w.Oldest = w.Count+n, max(w.Oldest, oldest)
		found[queueKey[explain.Code]{queue, reason}] = w
	}
	for key, n := range t.ready {
		switch key.wait {
		case store.ReadyLater:
			add(key.queue, explain.NotDue, n, 0)
		case store.ReadyRetry:
			add(key.queue, explain.AwaitingRetry, n, 0)
		default:
			add(key.queue, t.code(key.queue, key.deployment), n, 0)
		}
	}
	for _, line := range t.facts.Lines {
		if line.FirstDue == nil || line.FirstDue.Time().After(t.facts.Now) {
			continue
		}
		deployment := uuid.Nil
		if line.DeploymentID != nil {
			deployment = *line.DeploymentID
		}
		add(line.QueueID, t.code(line.QueueID, deployment), 0, t.facts.Now.Sub(line.FirstDue.Time()))
	}
	var all []Waiting
	for _, q := range t.facts.Queues {
		for _, reason := range explain.RunCodes {
			w := found[queueKey[explain.Code]{q.ID, reason}]
			if w.Oldest > 0 {
				w.Count = max(w.Count, 1) // the walk has not come to it yet
			}
			w.Pool, w.Queue, w.Reason = t.pools[q.PoolID].Name, q.Name, reason
			all = append(all, w)
		}
	}
	return all
}

// attempts counts what was claimed and has not started.
func (t *tally) attempts() []Waiting {
	found := map[queueKey[explain.Code]]Waiting{} // by pool
	for _, l := range t.facts.Live {
		if l.State != lifecycle.Pending {
			continue
		}
		key := queueKey[explain.Code]{l.PoolID, explain.StartCode(l, t.workers[t.pools[l.PoolID].Name], t.facts.Now)}
		w := found[key]
		w.Count, w.Oldest = w.Count+l.Count, max(w.Oldest, t.facts.Now.Sub(l.Since.Time()))
		found[key] = w
	}
	var all []Waiting
	for _, p := range t.facts.Pools {
		for _, reason := range explain.AttemptCodes {
			w := found[queueKey[explain.Code]{p.ID, reason}]
			w.Pool, w.Reason = p.Name, reason
			all = append(all, w)
		}
	}
	return all
}

// ages are of the oldest attempt that runs, and of the oldest that is being cancelled.
func (t *tally) ages() []Age {
	oldest := map[queueKey[lifecycle.StateType]]time.Duration{} // by pool
	for _, l := range t.facts.Live {
		key := queueKey[lifecycle.StateType]{l.PoolID, l.State}
		oldest[key] = max(oldest[key], t.facts.Now.Sub(l.Since.Time()))
	}
	var all []Age
	for _, p := range t.facts.Pools {
		for _, state := range []lifecycle.StateType{lifecycle.Running, lifecycle.Cancelling} {
			all = append(all, Age{p.Name, state, oldest[queueKey[lifecycle.StateType]{p.ID, state}]})
		}
	}
	return all
}

func (t *tally) promises() []Queue {
	oldest := map[uuid.UUID]time.Duration{}
	for _, line := range t.facts.Lines {
		if line.FirstDue != nil {
			oldest[line.QueueID] = max(oldest[line.QueueID], t.facts.Now.Sub(line.FirstDue.Time()))
		}
	}
	all := make([]Queue, len(t.facts.Queues))
	for i, q := range t.facts.Queues {
		all[i] = Queue{t.pools[q.PoolID].Name, q.Name, oldest[q.ID], q.Objective()}
	}
	return all
}

func (t *tally) slots() []Slots {
	var all []Slots
	for _, p := range t.facts.Pools {
		all = append(all, Slots{p.Name, "", t.used[p.ID], p.Limit})
	}
	for _, q := range t.facts.Queues {
		all = append(all, Slots{t.pools[q.PoolID].Name, q.Name, t.used[q.ID], q.Limit})
	}
	return all
}

func (t *tally) perDeployment(slots map[uuid.UUID]int, most int) (all []Deployment, omitted int) {
	shown := t.facts.Deployments[:min(most, len(t.facts.Deployments))]
	place := map[uuid.UUID]int{}
	for i, d := range shown {
		place[d.ID] = i
		one := Deployment{
			Pool: t.pools[d.PoolID].Name, Name: d.Name, Runs: map[lifecycle.StateType]int64{}, LastState: d.LastState,
			Failures: d.Failures,
		}
		if d.LastEnd != nil {
			one.LastEnd = d.LastEnd.Time()
		}
		if n, ok := slots[d.ID]; ok {
			one.SlotsSince = &n
		}
		if d.LastCompletion != nil {
			one.LastCompletion = d.LastCompletion.Time()
		}
		all = append(all, one)
	}
	for key, n := range t.ready {
		if i, ok := place[key.deployment]; ok {
			all[i].Runs[lifecycle.Scheduled] += n
		}
	}
	for _, l := range t.facts.Live {
		if i, ok := place[l.DeploymentID]; ok {
			all[i].Runs[l.State] += l.Count
		}
	}
	return all, len(t.facts.Deployments) - len(shown)
}

// paused lists everything that is paused; of deployments and schedules as many as have separate figures.
func (t *tally) paused(deployments int) []Paused {
	var all []Paused
	add := func(kind, pool, name string, p store.PauseStats) {
		if !p.Paused {
			return
		}
		one := Paused{Kind: kind, Pool: pool, Name: name}
		if p.Pause.V != nil {
			one.For = t.facts.Now.Sub(p.Pause.V.At)
		}
		all = append(all, one)
	}
	for _, p := range t.facts.Pools {
		add("pool", p.Name, p.Name, p.PauseStats)
	}
	for _, q := range t.facts.Queues {
		add("queue", t.pools[q.PoolID].Name, q.Name, q.PauseStats)
	}
	for _, w := range t.facts.Workers {
		add("worker", w.Pool, w.Name, w.PauseStats)
	}
	for _, d := range t.facts.Deployments[:min(deployments, len(t.facts.Deployments))] {
		add("deployment", t.pools[d.PoolID].Name, d.Name, d.PauseStats)
	}
	n := 0
	for _, s := range t.facts.Schedules {
		if s.Pause.V != nil && n < deployments {
			n++
			add("schedule", s.Pool, s.Deployment+"/"+s.Name, store.PauseStats{Paused: true, Pause: s.Pause})
		}
	}
	return all
}

// perPool counts the workers of each pool, also of pools without any.
func (t *tally) perPool() []Workers {
	all := map[string]Workers{}
	for _, p := range t.facts.Pools {
		all[p.Name] = Workers{Pool: p.Name, Versions: map[string]int64{}}
	}
	for _, worker := range t.facts.Workers {
		w, known := all[worker.Pool]
		if !known { // its pool was deleted
			continue
		}
		since := max(t.facts.Now.Sub(worker.LastSeenAt.Time()), 0)
		if w.LastSeen == nil || *w.LastSeen > since {
			w.LastSeen = &since
		}
		if since <= store.WorkerAliveFor {
			w.Alive++
			w.Versions[worker.Version]++
		} else {
			w.Gone++
		}
		all[worker.Pool] = w
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Workers) int { return cmp.Compare(a.Pool, b.Pool) })
}

// schedules counts each pool in each state, so that a problem that is over shows 0.
func (t *tally) schedules() []Schedules {
	counts := map[[2]string]int64{}
	for _, s := range t.facts.Schedules {
		counts[[2]string{s.Pool, string(s.State)}]++
	}
	var all []Schedules
	for _, p := range t.facts.Pools {
		for _, state := range []store.ScheduleState{
			store.ScheduleActive, store.SchedulePaused, store.ScheduleFailing, store.ScheduleWaiting, store.ScheduleEnded,
		} {
			all = append(all, Schedules{p.Name, state, counts[[2]string{p.Name, string(state)}]})
		}
	}
	return all
}
