package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// The model is a minimal store in memory that predicts the state after every step. Times are far apart, so
// that the seconds a test takes do not matter: a lease is an hour, a timeout three hours and ten minutes, and
// the clock jumps by multiples of 25 minutes.
const (
	modelLease   = time.Hour
	modelTimeout = 190 * time.Minute
	modelStart   = 110 * time.Minute // the start deadline
	modelJump    = 25 * time.Minute
	modelRuns    = 120 // no more are created
	modelSteps   = 400
)

type modelRun struct {
	id         uuid.UUID
	deployment string
	state      lifecycle.StateType
	reason     lifecycle.CancelReason
	attempt    int32
	spent      lifecycle.RetriesUsed
	due        time.Duration // by the model's clock
	soon       bool          // due some seconds after: it may be claimed, it need not
	timeoutAt  time.Duration // 0: none
	startBy    time.Duration // 0: no start deadline
	started    bool
	attempts   map[int32]*modelAttempt
}

type modelAttempt struct {
	id      uuid.UUID
	run     *modelRun
	number  int32
	worker  string
	session *modelSession // nil: the lease was released
	leased  time.Duration
	request uuid.UUID

	suspended   bool
	suspendedAt time.Duration

	lifecycle.CurrentState
}

// modelSession is a process of a worker.
type modelSession struct {
	store.SessionRef
	cluster string
	expires time.Duration
	seen    time.Duration
	last    *store.ClaimRequest // the last that took something
}

// forget forgets the last request of a session that the sweep may have removed.
func (s *modelSession) forget(now time.Duration) {
	if now-s.seen >= time.Hour {
		s.last = nil
	}
}

// expired reports whether the lease of an attempt has ended.
func (a *modelAttempt) expired(now time.Duration) bool {
	return a.session == nil || a.session.expires <= now
}

func (a *modelAttempt) active() bool { return a.Phase != lifecycle.PhaseEnded }

// model is what the store should hold, and the dice.
type model struct {
	*world
	dice     *rand.Rand
	now      time.Duration
	runs     []*modelRun
	attempts map[uuid.UUID]*modelAttempt
	sessions []*modelSession
	paused   map[string]bool // deployments; "" is the pool
	deleted  string          // the deployment that is deleted, and can be restored; empty: none
	open     bool            // nothing is limited
	step     int
	claimed  int
}

// limits of the model's world.
var modelDeployments = map[string]struct {
	queue   string
	limit   int
	retries lifecycle.RetryPolicy
	timeout bool
	hasty   bool // it has a start deadline
}{
	"free":   {queue: "high", limit: 100},
	"narrow": {queue: "default", limit: 2, retries: lifecycle.RetryPolicy{Max: 1, InfrastructureMax: 1}},
	"timed":  {queue: "default", limit: 100, timeout: true, retries: lifecycle.RetryPolicy{Max: 2}},
	"hasty": {
		queue: "low", limit: 100, hasty: true,
		retries: lifecycle.RetryPolicy{Max: 1, InfrastructureMax: 1},
	},
	"patient": {queue: "low", limit: 3, retries: lifecycle.RetryPolicy{InfrastructureMax: 2}},
}

var modelQueues = map[string]struct{ priority, limit int }{"high": {1, 4}, "default": {1, 100}, "low": {5, 3}}

const modelPoolLimit = 9

func newModel(t *testing.T, s *storetest.Store, seed uint64) *model {
	m := &model{
		world: &world{s, t}, dice: rand.New(rand.NewPCG(seed, 0)),
		attempts: map[uuid.UUID]*modelAttempt{}, paused: map[string]bool{},
	}
	m.open = m.dice.IntN(2) == 0
	m.pool("p", func(p *store.NewPool) { p.ConcurrencyLimit = m.limit(modelPoolLimit) })
	for _, name := range []string{"high", "low"} {
		q := modelQueues[name]
		m.createQueue(
			store.Queue{
				Pool: "p", Name: name, Priority: int32(q.priority),
				ConcurrencyLimit: m.limit(q.limit),
			},
			actor,
		)
	}
	for name, d := range modelDeployments {
		m.deployment(name, "p", func(to *store.Deployment) {
			to.Queue, to.ConcurrencyLimit, to.Retries = d.queue, m.limit(d.limit), d.retries
			if d.timeout {
				to.Timeout = ptr(modelTimeout)
			}
			if d.hasty {
				to.StartDeadline = ptr(modelStart)
			}
		})
	}
	return m
}

// limit is nil where nothing is limited.
func (m *model) limit(n int) *int32 {
	if m.open {
		return nil
	}
	return ptr(int32(n))
}

// full reports whether so many slots are all that a limit allows.
func (m *model) full(used, limit int) bool { return !m.open && used >= limit }

func pickOne[T any](dice *rand.Rand, items []T) T { return items[dice.IntN(len(items))] }

// TestTheStoreBehavesLikeItsModel takes random steps with a seed that is printed. BERTH_MODEL_SEED repeats
// one, BERTH_MODEL_STEPS sets how many steps there are, BERTH_MODEL_FOR goes on with new seeds for a time.
func TestTheStoreBehavesLikeItsModel(t *testing.T) {
	steps := modelSteps
	if given := os.Getenv("BERTH_MODEL_STEPS"); given != "" {
		steps = must[int](t)(strconv.Atoi(given))
	}
	var until time.Time
	if given := os.Getenv("BERTH_MODEL_FOR"); given != "" {
		until = time.Now().Add(must[time.Duration](t)(time.ParseDuration(given)))
	}
	storetest.EachLayout(t, func(t *testing.T, s *storetest.Store) {
		seed := rand.Uint64()
		if given := os.Getenv("BERTH_MODEL_SEED"); given != "" {
			seed = must[uint64](t)(strconv.ParseUint(given, 10, 64))
		}
		total := 0
		for round := 0; ; round++ {
			if round > 0 {
				seed = rand.Uint64()
			}
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				own := s
				switch {
				case round > 0 && s.Partitions:
					own = storetest.Partitioned(t)
				case round > 0 && s.Postgres:
					own = storetest.PostgreSQL(t)
				case round > 0:
					own = storetest.SQLite(t)
				}
				m := newModel(t, own, seed)
				for m.step = 1; m.step <= steps; m.step++ {
					m.take()
				}
				total += steps
				m.t.Logf("%d steps, %d runs, %d claims", steps, len(m.runs), m.claimed)
			})
			if t.Failed() || !time.Now().Before(until) {
				break
			}
		}
		t.Logf("%d steps in all", total)
	})
}

// take makes one random step and checks the result against the model.
func (m *model) take() {
	m.t.Helper()
	steps := []struct {
		weight int
		name   string
		do     func()
	}{
		{
			8, "create", m.create,
		}, {16, "claim", m.claimSome}, {3, "claim again", m.claimAgain}, {5, "renew", m.renewSome},
		{
			45, "report", m.report,
		}, {4, "cancel", m.cancel}, {4, "retry", m.retry}, {3, "release", m.release}, {3, "abandon", m.abandon},
		{4, "jump", m.jump}, {3, "sweep", m.sweep}, {3, "pause", m.pause}, {2, "retain", m.retain},
		{2, "delete or restore", m.deleteOrRestore},
	}
	sum := 0
	for _, s := range steps {
		sum += s.weight
	}
	roll := m.dice.IntN(sum)
	for _, s := range steps {
		if roll -= s.weight; roll < 0 {
			s.do()
			m.compare(s.name)
			return
		}
	}
}

func (m *model) failf(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("step %d: %s", m.step, fmt.Sprintf(format, args...))
}

func (m *model) create() {
	if len(m.runs) >= modelRuns {
		return
	}
	names := []string{"free", "narrow", "narrow", "timed", "patient", "hasty"}
	name := pickOne(m.dice, names)
	n := 1 + m.dice.IntN(4)
	made, err := m.CreateRuns(m.t.Context(), name, make([]store.NewRun, n), actor)
	if name == m.deleted {
		m.refuses(err, store.NotFound)
		return
	}
	m.check(err)
	for _, r := range made {
		run := &modelRun{
			id: r.ID, deployment: name, state: lifecycle.Scheduled, due: m.now,
			attempts: map[int32]*modelAttempt{},
		}
		if modelDeployments[name].hasty {
			run.startBy = m.now + modelStart
		}
		m.runs = append(m.runs, run)
	}
}

var modelClusters = map[string]string{"w1": "c1", "w2": "c1", "w3": "c2"}

// session is one of the sessions, or a new one: a worker that was restarted knows of nothing.
func (m *model) session() *modelSession {
	if len(m.sessions) > 0 && m.dice.IntN(8) > 0 {
		return pickOne(m.dice, m.sessions)
	}
	worker := pickOne(m.dice, []string{"w1", "w2", "w3"})
	s := &modelSession{
		SessionRef: store.SessionRef{ID: uuid.New(), Pool: "p", Worker: worker}, cluster: modelClusters[worker],
		expires: m.now,
	}
	m.sessions = append(m.sessions, s)
	return s
}

func (m *model) claimSome() {
	s := m.session()
	r := store.ClaimRequest{
		RequestID: uuid.New(), Pool: "p", Worker: s.Worker, ClusterID: s.cluster, Max: 1 + m.dice.IntN(6),
		Lease: modelLease, Session: s.ID,
	}
	expired := map[uuid.UUID]bool{} // true: it must be taken over, false: soon, so that it may be
	for id, a := range m.attempts {
		if !a.active() || a.session == s || !a.expired(m.now) || modelClusters[a.worker] != r.ClusterID {
			continue
		}
		ended := a.leased // when it was released
		if a.session != nil {
			ended = a.session.expires
		}
		expired[id] = a.Started || ended+lifecycle.TakeoverDelay(a.Epoch) <= m.now
	}
	claims := m.claim(r)
	s.forget(m.now)
	s.seen = m.now
	lowest := 0
	for i, c := range claims {
		if c.Takeover {
			m.takenOver(r, s, c, expired)
			continue
		}
		if n := overdue(expired); i < n {
			m.failf("claimed something new while %d attempts could be taken over", n)
		}
		run := m.run(c.RunID)
		m.begin(r, s, run, c)
		lowest = max(lowest, modelQueues[modelDeployments[run.deployment].queue].priority)
	}
	if len(claims) > 0 {
		s.last, s.expires = &r, m.now+modelLease
	}
	m.claimed += len(claims)
	m.nothingBetterIsLeft(len(claims) < r.Max, lowest, overdue(expired))
}

// overdue is how many expired attempts must be taken over.
func overdue(expired map[uuid.UUID]bool) int {
	n := 0
	for _, must := range expired {
		if must {
			n++
		}
	}
	return n
}

func (m *model) run(id uuid.UUID) *modelRun {
	i := slices.IndexFunc(m.runs, func(r *modelRun) bool { return r.id == id })
	if i < 0 {
		m.failf("run %s is not one of ours", id)
	}
	return m.runs[i]
}

func (m *model) takenOver(r store.ClaimRequest, s *modelSession, c store.Claim, expired map[uuid.UUID]bool) {
	a := m.attempts[c.AttemptID]
	if _, ok := expired[c.AttemptID]; a == nil || !ok {
		m.failf("attempt %s was taken over though its lease holds", c.AttemptID)
	}
	delete(expired, c.AttemptID)
	current := a.CurrentState
	current.Run, current.RetriesUsed = a.run.state, a.run.spent
	a.run.spent = lifecycle.DecideTakeover(current).RetriesUsed
	a.Epoch++
	a.worker, a.session, a.leased, a.request = r.Worker, s, m.now, r.RequestID
	if c.Epoch != a.Epoch || c.Attempt != a.number || c.RunID != a.run.id || c.JobUID != a.JobUID ||
		(len(c.Manifest) > 0) != (a.Manifest != "") ||
		c.Cancelling != (a.run.state == lifecycle.Cancelling) {
		m.failf("took over %+v, want %+v", c, a)
	}
}

// begin is a run's first claim, or that of its next attempt.
func (m *model) begin(r store.ClaimRequest, s *modelSession, run *modelRun, c store.Claim) {
	if run.state != lifecycle.Scheduled || run.due > m.now || m.paused[""] || m.paused[run.deployment] {
		m.failf("claimed run %s of %s, which is %s and due at %s of %s", run.id, run.deployment, run.state,
			run.due, m.now)
	}
	run.attempt++
	run.state = lifecycle.Pending
	a := run.attempts[run.attempt]
	if a == nil {
		a = &modelAttempt{id: c.AttemptID, run: run, number: run.attempt}
		run.attempts[run.attempt], m.attempts[a.id] = a, a
	}
	uid := a.JobUID
	a.CurrentState = lifecycle.CurrentState{Phase: lifecycle.PhaseClaimed, Epoch: a.Epoch + 1, JobUID: uid}
	a.worker, a.session, a.leased, a.request = r.Worker, s, m.now, r.RequestID
	if c.AttemptID != a.id || c.Attempt != a.number || c.Epoch != a.Epoch || len(c.Manifest) > 0 {
		m.failf("claimed %+v, want attempt %s, number %d, epoch %d", c, a.id, a.number, a.Epoch)
	}
}

// nothingBetterIsLeft checks that a claim that came back with less than it might have left nothing that was
// free, and no claim left what goes before the lowest it got.
func (m *model) nothingBetterIsLeft(short bool, lowest, expired int) {
	if short && expired > 0 {
		m.failf("%d attempts could have been taken over", expired)
	}
	if m.paused[""] || m.full(m.used(func(*modelRun) bool { return true }), modelPoolLimit) {
		return
	}
	for _, run := range m.runs {
		d := modelDeployments[run.deployment]
		q := modelQueues[d.queue]
		if run.state != lifecycle.Scheduled || run.due > m.now || run.soon || m.paused[run.deployment] ||
			m.full(m.used(func(r *modelRun) bool { return r.deployment == run.deployment }), d.limit) ||
			m.full(
				m.used(func(r *modelRun) bool { return modelDeployments[r.deployment].queue == d.queue }),
				q.limit,
			) {
			continue
		}
		if short || q.priority < lowest {
			m.failf("run %s of %s could have been claimed", run.id, run.deployment)
		}
	}
}

// used counts slots.
func (m *model) used(of func(*modelRun) bool) int {
	n := 0
	for _, a := range m.attempts {
		if a.active() && of(a.run) {
			n++
		}
	}
	return n
}

// claimAgain repeats the last request of a session, whose answer may have been lost.
func (m *model) claimAgain() {
	s := m.session()
	if s.forget(m.now); s.last == nil {
		return
	}
	s.expires, s.seen = m.now+modelLease, m.now
	var want []uuid.UUID
	for id, a := range m.attempts {
		if a.active() && a.session == s && a.request == s.last.RequestID {
			want = append(want, id)
		}
	}
	var got []uuid.UUID
	for _, c := range m.claim(*s.last) {
		if !c.Repeated {
			m.failf("a repeated claim does not say so")
		}
		got = append(got, c.AttemptID)
	}
	byID := func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }
	slices.SortFunc(want, byID)
	slices.SortFunc(got, byID)
	if !slices.Equal(got, want) {
		m.failf("a repeated claim gave %v, want %v", got, want)
	}
}

// someLeases are attempts, now and then with an epoch that is not theirs.
func (m *model) someLeases() (leases []store.Lease, valid []*modelAttempt) {
	for _, run := range m.runs {
		for number := int32(1); number <= int32(len(run.attempts)); number++ {
			a := run.attempts[number]
			if m.dice.IntN(3) > 0 {
				continue
			}
			l := store.Lease{AttemptID: a.id, Epoch: a.Epoch}
			if m.dice.IntN(6) == 0 {
				l.Epoch += int64(m.dice.IntN(3)) - 1
			}
			leases = append(leases, l)
			if a.active() && l.Epoch == a.Epoch {
				valid = append(valid, a)
			}
		}
	}
	return leases, valid
}

// renewSome renews a session, and lists attempts that are its own, that were released, or that are of others.
func (m *model) renewSome() {
	s := m.session()
	leases, valid := m.someLeases()
	partial := m.dice.IntN(3) == 0
	renew := func() (lost, cancels []uuid.UUID, err error) {
		return m.RenewLeases(m.t.Context(), store.Renewal{
			Session: s.SessionRef, Leases: leases, Partial: partial, Lease: modelLease,
		})
	}
	lost, cancels, err := renew()
	if store.IsCode(err, store.SessionUnknown) { // it never claimed
		hello := store.Worker{Name: s.Worker, Pool: s.Pool, ClusterID: s.cluster}
		m.check(m.UpsertWorker(m.t.Context(), hello, s.ID))
		lost, cancels, err = renew()
	}
	m.check(err)

	s.forget(m.now)
	s.expires, s.seen = m.now+modelLease, m.now
	held, wantCancels, listed := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for _, a := range valid {
		if a.session == s && a.run.state == lifecycle.Cancelling {
			wantCancels[a.id] = true
		}
		if a.session == nil && a.worker == s.Worker {
			a.session = s
		}
		held[a.id] = a.session == s
	}
	for _, l := range leases {
		listed[l.AttemptID] = true
		if slices.Contains(lost, l.AttemptID) == held[l.AttemptID] {
			m.failf("renewing %v: held is %v, lost are %v", l, held[l.AttemptID], lost)
		}
		if slices.Contains(cancels, l.AttemptID) != wantCancels[l.AttemptID] {
			m.failf("renewing %v: to cancel are %v, want %v", l, cancels, wantCancels)
		}
	}
	for id, a := range m.attempts {
		if !partial && a.active() && a.session == s && !listed[id] && a.leased+modelLease <= m.now {
			a.session, a.leased = nil, m.now
		}
	}
}

func (m *model) release() {
	leases, valid := m.someLeases()
	m.check(m.ReleaseLeases(m.t.Context(), "w1", leases))
	for _, a := range valid {
		if a.session != nil {
			a.session, a.leased = nil, m.now
		}
	}
}

// abandon ends an attempt whose lease has expired, and fails for any other.
func (m *model) abandon() {
	a := m.anyAttempt()
	if a == nil {
		return
	}
	_, err := m.AbandonRun(m.t.Context(), a.run.id, actor)
	for _, one := range a.run.attempts {
		switch {
		case !one.active():
			continue
		case !one.expired(m.now):
			m.refuses(err, store.LeaseHeld)
			return
		}
		m.check(err)
		m.apply(one, store.Report{
			Lease: store.Lease{
				AttemptID: one.id, Epoch: one.Epoch,
			}, Kind: store.ReportEnded, Outcome: lifecycle.Outcome{Category: lifecycle.Unknown},
		})
		return
	}
	m.refuses(err, store.Conflict)
}

// report says something of one attempt or of several, in the order of an attempt's life or not.
func (m *model) report() {
	var reports []store.Report
	var want []lifecycle.ReportStatus
	for range 1 + m.dice.IntN(4) {
		a := m.anyAttempt()
		if a == nil {
			return
		}
		r := m.aReport(a)
		reports = append(reports, r)
		want = append(want, m.apply(a, r))
	}
	if got := m.says(reports...); !slices.Equal(got, want) {
		m.failf("reports %+v were answered %v, want %v", reports, got, want)
	}
}

// anyAttempt prefers attempts that have not ended.
func (m *model) anyAttempt() *modelAttempt {
	var active, all []*modelAttempt
	for _, run := range m.runs {
		for number := int32(1); number <= int32(len(run.attempts)); number++ {
			a := run.attempts[number]
			all = append(all, a)
			if a.active() {
				active = append(active, a)
			}
		}
	}
	if len(active) > 0 && m.dice.IntN(8) > 0 {
		return pickOne(m.dice, active)
	}
	if len(all) == 0 {
		return nil
	}
	return pickOne(m.dice, all)
}
