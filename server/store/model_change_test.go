package store_test

import (
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func (m *model) aReport(a *modelAttempt) store.Report {
	r := store.Report{Lease: store.Lease{AttemptID: a.id, Epoch: a.Epoch}}
	if m.dice.IntN(12) == 0 {
		r.Epoch -= 1
	}
	r.Kind = pickOne(m.dice, []store.ReportKind{
		store.ReportManifest, store.ReportManifest, store.ReportSubmitted, store.ReportSubmitted, store.ReportPending,
		store.ReportRunning, store.ReportRunning, store.ReportEnded, store.ReportEnded, store.ReportHandedBack,
	})
	switch r.Kind {
	case store.ReportManifest:
		r.Manifest = []byte(`{"kind":"Job"}`)
	case store.ReportSubmitted:
		r.JobUID = "uid-" + a.id.String()
		if m.dice.IntN(8) == 0 {
			r.JobUID = "another"
		}
	case store.ReportPending:
		r.Diagnosis = pickOne(m.dice, []string{"no node", "pulling"})
	case store.ReportEnded:
		r.Outcome = pickOne(m.dice, []lifecycle.Outcome{
			{
				Succeeded: true,
			}, {Category: lifecycle.App, ExitCode: ptr(int32(1))}, {Category: lifecycle.App, ExitCode: ptr(int32(2))},
			{
				Category: lifecycle.NodeLost,
			}, {Category: lifecycle.OOM}, {Category: lifecycle.Quota}, {Category: lifecycle.Config},
			{Category: lifecycle.CancelledEnd}, {},
		})
	}
	return r
}

// hashed stands for a manifest.
const hashed = "a hash"

// apply applies the decision of package lifecycle to the model. The tests of lifecycle verify the decisions.
func (m *model) apply(a *modelAttempt, r store.Report) lifecycle.ReportStatus {
	run := a.run
	s := a.CurrentState
	s.Run, s.CancelReason, s.Policy, s.RetriesUsed = run.state, run.reason, modelDeployments[run.deployment].retries, run.spent
	f := lifecycle.Report{
		Kind: r.Kind, Epoch: r.Epoch, JobUID: r.JobUID, Diagnosis: r.Diagnosis,
		Outcome: r.Outcome,
	}
	if r.Kind == store.ReportManifest {
		f.Manifest = hashed
	}
	d := lifecycle.Decide(s, f)
	if !d.Changed {
		return d.Status
	}
	m.countSuspension(a, d.Phase)
	a.Phase = d.Phase
	if a.JobUID == "" {
		a.JobUID = r.JobUID
	}
	if r.Kind == store.ReportManifest {
		a.Manifest = hashed
	}
	if r.Kind == store.ReportRunning {
		a.Started, run.started = true, true
		if run.timeoutAt == 0 && modelDeployments[run.deployment].timeout {
			run.timeoutAt = m.now + modelTimeout
		}
	}
	if d.HandedBack {
		a.HandedBack = true
		run.attempt, run.spent = a.number-1, d.RetriesUsed
		if d.RetryAfter > 0 {
			run.due, run.soon = m.now, true
		}
	}
	if d.Outcome != nil {
		a.Outcome, run.spent = d.Outcome.Outcome, d.Outcome.RetriesUsed
		if d.Outcome.Retry {
			run.due, run.soon = m.now, d.Outcome.RetryAfter > 0
		}
	}
	if d.State != nil {
		run.state = d.State.Type
	}
	return d.Status
}

// countSuspension moves the timeout of a run whose Job is not suspended any longer.
func (m *model) countSuspension(a *modelAttempt, next lifecycle.Phase) {
	switch {
	case a.Phase == lifecycle.PhaseRunning && next == lifecycle.PhasePending:
		a.suspended, a.suspendedAt = true, m.now
	case a.suspended && next != lifecycle.PhasePending:
		if a.run.timeoutAt != 0 {
			a.run.timeoutAt += m.now - a.suspendedAt
		}
		a.suspended = false
	}
}

// timedOut reports whether the time of a run that is not suspended has passed.
func (r *modelRun) timedOut(now time.Duration) bool {
	a := r.attempts[r.attempt]
	return r.timeoutAt != 0 && r.timeoutAt <= now && (a == nil || !a.suspended)
}

func (m *model) anyRun() *modelRun {
	if len(m.runs) == 0 {
		return nil
	}
	return pickOne(m.dice, m.runs)
}

func (m *model) cancel() {
	run := m.anyRun()
	if run == nil {
		return
	}
	_, err := m.CancelRun(m.t.Context(), run.id, actor)
	if run.state.Terminal() && run.state != lifecycle.Cancelled {
		m.refuses(err, store.RunFinished)
		return
	}
	m.check(err)
	m.cancelled(run, lifecycle.CancelRequested)
}

func (m *model) cancelled(run *modelRun, reason lifecycle.CancelReason) {
	if state, ok := lifecycle.DecideCancel(run.state, reason, actor, ""); ok {
		if run.state == lifecycle.Scheduled { // the attempt that was handed back, if any, is forgotten
			if a := run.attempts[run.attempt+1]; a != nil {
				delete(run.attempts, a.number)
				delete(m.attempts, a.id)
			}
		}
		run.state, run.reason = state.Type, reason
	}
}

func (m *model) retry() {
	run := m.anyRun()
	if run == nil {
		return
	}
	_, err := m.RetryRun(m.t.Context(), run.id, actor)
	if run.deployment == m.deleted {
		m.refuses(err, store.Conflict)
		return
	}
	if !run.state.Terminal() {
		m.refuses(err, store.RunNotFinished)
		return
	}
	m.check(err)
	run.state, run.reason, run.spent, run.timeoutAt = lifecycle.Scheduled, lifecycle.NotCancelled, lifecycle.RetriesUsed{}, 0
	run.startBy = 0
	run.due, run.soon = m.now, false
}

// deleteOrRestore deletes a deployment with its live runs, or brings the deleted one back.
func (m *model) deleteOrRestore() {
	if m.deleted != "" {
		m.restores(store.DeletedDeployment, m.deleted)
		if d := m.getDeployment(m.deleted); d.Paused != m.paused[m.deleted] {
			m.failf("the restored deployment %s has paused = %v", m.deleted, d.Paused)
		}
		m.deleted = ""
		return
	}
	m.deleted = pickOne(m.dice, []string{"free", "narrow", "timed", "hasty", "patient"})
	m.check(m.DeleteDeployment(m.t.Context(), m.deleted, store.DeleteOptions{Force: true}, actor))
	for _, run := range m.runs {
		if run.deployment == m.deleted {
			m.cancelled(run, lifecycle.CancelRequested)
		}
	}
}

func (m *model) jump() {
	d := modelJump * time.Duration(1+m.dice.IntN(4))
	m.now += d
	m.Advance(d)
	for _, run := range m.runs {
		run.soon = false
	}
}

func (m *model) sweep() {
	m.check(m.Sweep(m.t.Context()))
	for _, run := range m.runs {
		if run.startBy != 0 && run.startBy <= m.now && !run.started && !run.state.Terminal() &&
			run.state != lifecycle.Cancelling {
			m.cancelled(run, lifecycle.CancelExpired)
		}
		if run.timedOut(m.now) && !run.state.Terminal() && run.state != lifecycle.Cancelling {
			m.cancelled(run, lifecycle.CancelTimeout)
		}
	}
}

func (m *model) pause() {
	what := pickOne(m.dice, []string{"", "free", "narrow", "timed"})
	for name, paused := range m.paused { // one at a time, or little is claimed
		if paused {
			what = name
		}
	}
	if what == m.deleted && what != "" {
		_, err := m.UpdateDeploymentPaused(m.t.Context(), what, true, actor)
		m.refuses(err, store.NotFound)
		return
	}
	now := !m.paused[what]
	m.paused[what] = now
	if what == "" {
		m.updatePool("p", store.PoolUpdate{Pause: &store.PauseChange{Paused: now}}, actor)
		return
	}
	m.updateDeploymentPaused(what, now, actor)
}

// compare holds the store against the model.
func (m *model) compare(after string) {
	m.t.Helper()
	ctx := m.t.Context()
	list, _, err := m.ListRuns(ctx, store.RunFilter{Pool: "p"}, store.Page{Limit: 200})
	m.check(err)
	if len(list) != len(m.runs) {
		m.failf("after %s there are %d runs, want %d", after, len(list), len(m.runs))
	}
	for _, got := range list {
		run := m.run(got.ID)
		if got.State.Type != run.state || got.Attempt != run.attempt ||
			got.State.Type.Terminal() != (got.EndedAt != nil) {
			m.failf("after %s run %s (%s) is %s %s with attempt %d, want %s with %d", after, run.id,
				run.deployment, got.State.Type, got.State.Name, got.Attempt, run.state, run.attempt)
		}
	}
	if used, want := m.world.used("p"), m.used(func(*modelRun) bool { return true }); int(used) != want {
		m.failf("after %s %d slots of the pool are used, want %d", after, used, want)
	}
	for _, q := range m.listQueues("p") {
		want := m.used(func(r *modelRun) bool { return modelDeployments[r.deployment].queue == q.Name })
		if int(q.SlotsUsed) != want || !m.open && want > modelQueues[q.Name].limit {
			m.failf("after %s %d slots of queue %s are used, want %d and at most %d", after, q.SlotsUsed,
				q.Name, want, modelQueues[q.Name].limit)
		}
	}
	if run := m.anyRun(); run != nil {
		m.compareRun(after, run)
	}
}

// compareRun looks at everything of one run.
func (m *model) compareRun(after string, run *modelRun) {
	m.t.Helper()
	history := m.history(run.id) // without gaps, with actors
	if last := history[len(history)-1]; last[:len(run.state)] != string(run.state) {
		m.failf("after %s the last event of run %s is %s, the run is %s", after, run.id, last, run.state)
	}
	active := 0
	shown := map[int32]store.Attempt{}
	for _, a := range m.listAttempts(run.id) {
		shown[a.Number] = a
	}
	for number, a := range run.attempts {
		got, ok := shown[number]
		if ok == a.HandedBack {
			m.failf("after %s attempt %d of run %s: shown is %v, handed back %v", after, number, run.id, ok,
				a.HandedBack)
		}
		if !ok {
			continue
		}
		if got.ID != a.id || got.Epoch != a.Epoch || got.Phase != a.Phase || got.Worker != a.worker ||
			got.JobUID != a.JobUID ||
			got.Category != a.Outcome.Category ||
			(got.EndedAt == nil) != a.active() {
			m.failf("after %s attempt %d of run %s is %+v, want %+v", after, number, run.id, got, a)
		}
		if a.active() {
			active++
		}
	}
	if len(shown) > len(run.attempts) || active > 1 || run.state.Terminal() && active > 0 {
		m.failf("after %s run %s, which is %s, has %d active attempts of %d", after, run.id, run.state,
			active, len(shown))
	}
}
