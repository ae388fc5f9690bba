package process

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/berth-dev/berth/worker/job"
)

// leftoverPatience is how long a process of an earlier worker may take to end after SIGKILL.
const leftoverPatience = 10 * time.Second

// endLeftovers kills the processes of an earlier worker and returns its attempts, each with an outcome: the
// saved one, or that its worker died. The directory must be locked, which proves that the earlier worker is
// dead.
func (r *Runtime) endLeftovers(ctx context.Context) ([]*process, error) {
	records, err := r.records.list()
	if err != nil {
		return nil, err
	}
	var left []*process
	for _, rec := range records {
		if err := killLeftover(ctx, rec); err != nil {
			return nil, err
		}
		out, err := openSpool(r.records.outputPath(rec.ref()))
		if err != nil {
			return nil, err
		}
		p := newProcess(r, rec, plan{}, out)
		if rec.Outcome == nil {
			p.record.Outcome = r.leftoverOutcome(rec, out)
			if err := r.records.save(p.record); err != nil {
				return nil, err
			}
			r.log.Warn("killed a process of an earlier worker",
				"run", rec.Run, "attempt", rec.Attempt, "pid", rec.PID)
		}
		p.observation = *p.record.Outcome
		close(p.ended)
		left = append(left, p)
	}
	return left, nil
}

func (r *Runtime) leftoverOutcome(rec record, out *spool) *job.Observation {
	seen := diedOutcome(r.now())
	seen.UID, seen.Node, seen.RunningSince, seen.LastLines = rec.UID, r.node, rec.StartedAt, out.lastLines()
	return &seen
}

// killLeftover kills the processes of an attempt and waits until they are gone. A later process with the same
// PID has another identity and is not touched.
func killLeftover(ctx context.Context, rec record) error {
	deadline := time.NewTimer(leftoverPatience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		leader := rec.PID != 0 && rec.Identity != "" && identityOf(rec.PID) == rec.Identity
		if leader {
			// The only possible failure is that it ended meanwhile.
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
				"process %d of attempt %s did not end after SIGKILL: end it by hand",
				rec.PID,
				rec.ref(),
			)
		case <-tick.C:
		}
	}
}
