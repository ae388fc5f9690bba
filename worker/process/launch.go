package process

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// errNotRunning is returned while Run does not observe.
var errNotRunning = errors.New("the process runtime is not running")

// Launch starts the attempt's process or adopts the existing one. Only one caller can create the record of an
// attempt, so only one starts its process.
func (r *Runtime) Launch(ctx context.Context, a job.Attempt) (job.Launched, error) {
	planned, refused := newPlan(a)
	if refused != nil {
		return job.Launched{}, refused
	}
	if a.Judge != nil && !r.knows(a.Ref) { // not under the lock: it may have to ask the server
		if err := a.Judge(ctx); err != nil {
			return job.Launched{}, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handler == nil {
		return job.Launched{}, errNotRunning
	}
	if p, ok := r.attempts[a.Ref]; ok {
		r.resumeObserving(p, a)
		return p.launched(true), nil
	}
	if !a.HoldsLease() {
		return job.Launched{}, job.ErrLeaseLost
	}
	p, err := r.create(a, planned)
	if err != nil {
		return job.Launched{}, err
	}
	return p.launched(false), nil
}

// knows is true where the attempt has its process.
func (r *Runtime) knows(ref job.Ref) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts[ref] != nil
}

// create writes the record and starts the process. The lock must be held.
func (r *Runtime) create(a job.Attempt, planned plan) (*process, error) {
	rec := record{
		Run:          a.RunID,
		Attempt:      a.Attempt,
		UID:          uuid.NewString(),
		CreatedAt:    r.now(),
		Installation: a.Manifest.Labels[manifest.LabelInstallation],
		Namespace:    a.Manifest.Namespace,
		Name:         a.Manifest.Name,
	}
	if rec.Namespace == "" {
		rec.Namespace = r.DefaultNamespace()
	}
	if err := r.records.create(rec); err != nil {
		return nil, err
	}
	p := newProcess(r, rec, planned, nil)
	if err := r.startProcess(p, a); err != nil {
		return nil, errors.Join(err, r.records.remove(a.Ref))
	}
	return p, nil
}

func (r *Runtime) startProcess(p *process, a job.Attempt) error {
	out, err := createSpool(r.records.outputPath(a.Ref))
	if err != nil {
		return err
	}
	p.spool = out

	h := r.handler
	if diagnosis := p.plan.diagnosis(); diagnosis != "" {
		pending := job.Observation{Phase: job.Pending, UID: p.record.UID, Node: r.node, Diagnosis: diagnosis}
		p.observe(h, pending)
		r.log.Info("parts of the manifest have no effect",
			"run", a.RunID, "attempt", a.Attempt, "diagnosis", diagnosis)
	}

	cmd, output, err := p.start()
	if err != nil {
		return errors.Join(err, out.close())
	}
	at := r.now()
	p.record.PID, p.record.Identity, p.record.StartedAt = cmd.Process.Pid, identityOf(cmd.Process.Pid), &at
	if err := r.records.save(p.record); err != nil {
		// The next worker still finds the process by the marker in its environment.
		r.log.Warn("cannot save the record of a process", "run", a.RunID, "attempt", a.Attempt, "error", err)
	}

	r.attempts[a.Ref] = p
	p.observe(h, job.Observation{Phase: job.Running, UID: p.record.UID, Node: r.node, RunningSince: &at})
	r.follow(p, a)
	r.tasks.Go(func() {
		p.recordOutcome(h, p.supervise(cmd, output), r.log)
		if err := r.removeFinalized(p); err != nil {
			r.log.Warn("cannot remove the files of a finalized attempt",
				"run", a.RunID, "attempt", a.Attempt, "error", err)
		}
	})
	return nil
}

// Adopt observes an attempt that was launched earlier.
func (r *Runtime) Adopt(_ context.Context, a job.Attempt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handler == nil {
		return errNotRunning
	}
	if p, ok := r.attempts[a.Ref]; ok {
		r.resumeObserving(p, a)
		return nil
	}
	r.handler.Observed(a.Ref, deletedOutcome(r.now()))
	return nil
}

// resumeObserving repeats the newest observation and follows the output again. The lock must be held.
func (r *Runtime) resumeObserving(p *process, a job.Attempt) {
	p.mu.Lock()
	p.disowned = false
	r.handler.Observed(a.Ref, p.observation)
	p.mu.Unlock()
	r.follow(p, a)
}

// follow starts a follower if output is wanted, and stops the one of an earlier lease. The lock must be held.
func (r *Runtime) follow(p *process, a job.Attempt) {
	if !a.StreamOutput {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopFollowing != nil {
		p.stopFollowing()
	}
	ctx, stop := context.WithCancel(r.followCtx)
	done := make(chan struct{})
	p.following, p.stopFollowing = done, stop
	h := r.handler
	r.tasks.Go(func() {
		defer close(done)
		defer stop()
		p.follow(ctx, h, a.OutputOffset)
	})
}

func (r *Runtime) find(ref job.Ref) *process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts[ref]
}

func (p *process) launched(adopted bool) job.Launched {
	return job.Launched{
		Namespace: p.record.Namespace,
		Name:      p.record.Name,
		UID:       p.record.UID,
		Adopted:   adopted,
	}
}
