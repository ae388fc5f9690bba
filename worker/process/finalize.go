package process

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-dev/berth/worker/job"
)

// Cancel asks the process to end: SIGTERM to its group, SIGKILL after the grace period of its manifest.
func (r *Runtime) Cancel(_ context.Context, ref job.Ref) error {
	if p := r.find(ref); p != nil {
		p.requestEnd(byCancel)
	}
	return nil
}

// Finalize ends the process if it still runs, waits some time for its output to be handed over, and removes
// the files of the attempt.
func (r *Runtime) Finalize(ctx context.Context, object job.Object) error {
	if p := r.find(object.Ref); p != nil {
		p.waitForOutput(ctx, finalizePatience)
	}
	return r.endAndRemove(object, byCancel)
}

// FinalizeUnknown does the same as Finalize: a process cannot run on without a worker.
func (r *Runtime) FinalizeUnknown(ctx context.Context, object job.Object) error {
	return r.Finalize(ctx, object)
}

// DeleteDuplicate kills the process and removes its files.
func (r *Runtime) DeleteDuplicate(_ context.Context, object job.Object) error {
	return r.endAndRemove(object, byDelete)
}

// Unobserved is always 0: a host can always observe its processes.
func (r *Runtime) Unobserved(job.Ref) time.Duration { return 0 }

// Disown stops reporting observations of an attempt. Its process runs on.
func (r *Runtime) Disown(ref job.Ref) {
	if p := r.find(ref); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.disowned = true
	}
}

func (r *Runtime) endAndRemove(object job.Object, why cause) error {
	p := r.find(object.Ref)
	if p == nil {
		return r.removeRecord(object)
	}
	p.mu.Lock()
	if object.UID != "" && object.UID != p.record.UID {
		p.mu.Unlock()
		return nil // the attempt has another process now; this one is gone
	}
	p.disowned, p.finalized = true, true
	endObserved := p.observation.Phase == job.Ended
	p.mu.Unlock()

	p.requestEnd(why)
	if endObserved {
		// The supervisor observes the end just before it closes the channel.
		<-p.ended
	}
	select {
	case <-p.ended:
		return r.removeFinalized(p)
	default:
		return nil // its supervisor removes the files
	}
}

// removeRecord removes an attempt that only the directory knows: it was finalized after Run had returned.
func (r *Runtime) removeRecord(object job.Object) error {
	rec, err := r.records.load(object.Ref)
	if err != nil || rec == nil || rec.Outcome == nil || (object.UID != "" && rec.UID != object.UID) {
		return err
	}
	return r.records.remove(object.Ref)
}

// removeFinalized removes an ended attempt if it is finalized. Two callers may do so at once.
func (r *Runtime) removeFinalized(p *process) error {
	p.mu.Lock()
	finalized := p.finalized
	p.mu.Unlock()
	if !finalized {
		return nil
	}

	ref := p.record.ref()
	r.mu.Lock()
	known := r.attempts[ref] == p
	if known {
		delete(r.attempts, ref)
	}
	r.mu.Unlock()
	if !known {
		// The other caller was faster, or the runtime has ended and only the directory is left.
		return r.removeRecord(job.Object{Ref: ref, UID: p.record.UID})
	}

	// A follower that still reads ends when its file is closed.
	if err := errors.Join(p.spool.close(), r.records.remove(ref)); err != nil {
		return fmt.Errorf("finalize attempt %s: %w", ref, err)
	}
	return nil
}
