package process

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// errStopped is the answer while Run does not observe.
var errStopped = errors.New("the process runtime is not running")

// Launch starts the attempt's process, or adopts the one that is there: the attempt's record is made by one
// caller only.
func (r *Runtime) Launch(_ context.Context, a job.Attempt) (job.Launched, error) {
	what, refused := planOf(a)
	if refused != nil {
		return job.Launched{}, refused
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handler == nil {
		return job.Launched{}, errStopped
	}
	if p, ok := r.attempts[a.Ref]; ok {
		r.watch(p, a)
		return p.launched(true), nil
	}
	if !a.HoldsLease() {
		return job.Launched{}, job.ErrLeaseLost
	}
	p, err := r.create(a, what)
	if err != nil {
		return job.Launched{}, err
	}
	return p.launched(false), nil
}

// create makes the record and starts the process. Called with the lock held.
func (r *Runtime) create(a job.Attempt, what plan) (*process, error) {
	rec := record{Run: a.RunID, Attempt: a.Attempt, UID: uuid.NewString(), CreatedAt: r.now(),
		Installation: a.Manifest.Labels[manifest.LabelInstallation], Namespace: a.Manifest.Namespace, Name: a.Manifest.Name}
	if rec.Namespace == "" {
		rec.Namespace = r.DefaultNamespace()
	}
	if err := r.shelf.create(rec); err != nil {
		return nil, err
	}
	p := newProcess(r, rec, what, nil)
	if err := r.startOf(p, a); err != nil {
		return nil, errors.Join(err, r.shelf.remove(a.Ref))
	}
	return p, nil
}

func (r *Runtime) startOf(p *process, a job.Attempt) error {
	out, err := newSpool(r.shelf.output(a.Ref))
	if err != nil {
		return err
	}
	p.spool = out
	h := r.handler
	if why := p.plan.diagnosis(); why != "" {
		p.observe(h, job.Observation{Phase: job.Pending, UID: p.record.UID, Node: r.node, Diagnosis: why})
		r.log.Info("manifest not honoured in full", "run", a.RunID, "attempt", a.Attempt, "why", why)
	}
	cmd, output, err := p.start()
	if err != nil {
		return errors.Join(err, out.close())
	}
	at := r.now()
	p.record.PID, p.record.Identity, p.record.StartedAt = cmd.Process.Pid, identityOf(cmd.Process.Pid), &at
	if err := r.shelf.save(p.record); err != nil {
		// The marker in its environment still finds it.
		r.log.Warn("process not kept on disk", "run", a.RunID, "attempt", a.Attempt, "error", err)
	}
	r.attempts[a.Ref] = p
	p.observe(h, job.Observation{Phase: job.Running, UID: p.record.UID, Node: r.node, RunningSince: &at})
	r.follow(p, a)
	r.tasks.Go(func() {
		p.conclude(h, p.supervise(cmd, output), r.log)
		if err := r.dropReleased(p); err != nil {
			r.log.Warn(
				"files of a released attempt not removed",
				"run",
				a.RunID,
				"attempt",
				a.Attempt,
				"error",
				err,
			)
		}
	})
	return nil
}

// Grant has nothing to do: a process runs from the start.
func (r *Runtime) Grant(context.Context, job.Object) error { return nil }

// Adopt tells what is seen of an attempt that was launched earlier, and goes on telling.
func (r *Runtime) Adopt(_ context.Context, a job.Attempt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.handler == nil {
		return errStopped
	}
	if p, ok := r.attempts[a.Ref]; ok {
		r.watch(p, a)
		return nil
	}
	r.handler.Observed(a.Ref, missing(r.now()))
	return nil
}

// watch tells the newest again and follows the output anew. Called with the lock held.
func (r *Runtime) watch(p *process, a job.Attempt) {
	p.mu.Lock()
	p.forgotten = false
	r.handler.Observed(a.Ref, p.seen)
	p.mu.Unlock()
	r.follow(p, a)
}

// follow starts a follower where output is wanted. One that began under an earlier lease ends. Called with
// the lock held.
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

// Cancel asks the process to end: SIGTERM to its group, SIGKILL after the grace of its manifest.
func (r *Runtime) Cancel(_ context.Context, ref job.Ref) error {
	if p := r.find(ref); p != nil {
		p.tell(byCancel)
	}
	return nil
}

// Finalize removes the files of an attempt, once its output has been handed over or nobody has taken it for
// too long. One that still runs, which nobody counts on any more, is ended first.
func (r *Runtime) Finalize(ctx context.Context, found job.Object) error {
	if p := r.find(found.Ref); p != nil {
		p.handedOver(ctx, releasePatience)
	}
	return r.drop(found, byCancel)
}

// FinalizeUnknown does what Release does: a process that nobody looks after can not run on.
func (r *Runtime) FinalizeUnknown(ctx context.Context, found job.Object) error {
	return r.Finalize(ctx, found)
}

// DeleteDuplicate ends the process at once and removes its files.
func (r *Runtime) DeleteDuplicate(_ context.Context, found job.Object) error {
	return r.drop(found, byDiscard)
}

func (r *Runtime) drop(found job.Object, why cause) error {
	p := r.find(found.Ref)
	if p == nil {
		return r.removeRecord(found)
	}
	p.mu.Lock()
	if found.UID != "" && found.UID != p.record.UID {
		p.mu.Unlock()
		return nil // another process has the attempt; the one named is gone
	}
	p.forgotten, p.released = true, true
	told := p.seen.Phase == job.Ended
	p.mu.Unlock()
	p.tell(why)
	if told {
		<-p.ended // whoever told the end is about to say so
	}
	select {
	case <-p.ended:
		return r.dropReleased(p)
	default:
		return nil // its supervisor drops it
	}
}

// removeRecord removes what only the directory knows of: an attempt released after Run has returned.
func (r *Runtime) removeRecord(found job.Object) error {
	rec, err := r.shelf.load(found.Ref)
	if err != nil || rec == nil || rec.Outcome == nil || (found.UID != "" && rec.UID != found.UID) {
		return err
	}
	return r.shelf.remove(found.Ref)
}

// dropReleased removes an ended attempt if it is released. It may be called twice at once.
func (r *Runtime) dropReleased(p *process) error {
	p.mu.Lock()
	released := p.released
	p.mu.Unlock()
	if !released {
		return nil
	}
	ref := p.record.ref()
	r.mu.Lock()
	known := r.attempts[ref] == p
	if known {
		delete(r.attempts, ref)
	}
	r.mu.Unlock()
	if !known { // dropped already, or the runtime has ended and only its directory is left
		return r.removeRecord(job.Object{Ref: ref, UID: p.record.UID})
	}
	// A follower that still reads ends with the file: what it has not handed over nobody waits for.
	if err := errors.Join(p.spool.close(), r.shelf.remove(ref)); err != nil {
		return fmt.Errorf("release attempt %s: %w", ref, err)
	}
	return nil
}

// Disown stops telling of an attempt and touches nothing.
func (r *Runtime) Disown(ref job.Ref) {
	if p := r.find(ref); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.forgotten = true
	}
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
