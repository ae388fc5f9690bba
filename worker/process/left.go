package process

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/berth-dev/berth/worker/job"
)

// leftPatience is how long the remains of an earlier worker's processes may take to go after SIGKILL.
const leftPatience = 10 * time.Second

// endLeft ends what an earlier worker left running and returns its attempts, each with an outcome: the one
// that was kept, or that its worker died. The directory must be locked: its worker is dead then.
func (r *Runtime) endLeft(ctx context.Context) ([]*process, error) {
	records, err := r.shelf.all()
	if err != nil {
		return nil, err
	}
	var left []*process
	for _, rec := range records {
		if err := endRemains(ctx, rec); err != nil {
			return nil, err
		}
		out, err := openSpool(r.shelf.output(rec.ref()))
		if err != nil {
			return nil, err
		}
		p := newProcess(r, rec, plan{}, out)
		if rec.Outcome == nil {
			p.record.Outcome = r.diedOutcome(rec, out)
			if err := r.shelf.save(p.record); err != nil {
				return nil, err
			}
			r.log.Warn(
				"ended a process that an earlier worker left",
				"run",
				rec.Run,
				"attempt",
				rec.Attempt,
				"pid",
				rec.PID,
			)
		}
		p.seen = *p.record.Outcome
		close(p.ended)
		left = append(left, p)
	}
	return left, nil
}

func (r *Runtime) diedOutcome(rec record, out *spool) *job.Observation {
	seen := died(r.now())
	seen.UID, seen.Node, seen.RunningSince, seen.LastLines = rec.UID, r.node, rec.StartedAt, out.lastLines()
	return &seen
}

// endRemains kills what still runs of an attempt and waits until it is gone. A process that only has the
// number of the attempt's is not touched: its identity tells them apart.
func endRemains(ctx context.Context, rec record) error {
	deadline := time.NewTimer(leftPatience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		leader := rec.PID != 0 && rec.Identity != "" && identityOf(rec.PID) == rec.Identity
		if leader {
			// The only failure there can be is that it went meanwhile.
			_ = syscall.Kill(-rec.PID, syscall.SIGKILL)
		}
		if killMarked(markerName+"="+rec.UID) == 0 && !leader {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return fmt.Errorf(
				"process %d of attempt %s does not end after SIGKILL: end it by hand",
				rec.PID,
				rec.ref(),
			)
		case <-tick.C:
		}
	}
}
