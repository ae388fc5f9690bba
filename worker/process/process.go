package process

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/berth-dev/berth/worker/job"
)

// markerName is the variable by which every descendant of an attempt's process is known.
const markerName = "BERTH_PROCESS_UID"

const (
	// pipeDelay is how long output may still come after the process has ended, from descendants that hold its
	// pipe.
	pipeDelay = 2 * time.Second
	// followDelay is how long the outcome waits for the output to be handed over. It never depends on it.
	followDelay = 500 * time.Millisecond
	// releasePatience is how long the files of an attempt are kept for output that nobody takes.
	releasePatience = 45 * time.Second
	// stopPatience is how long output may still be handed over when the runtime ends.
	stopPatience = 3 * time.Second
)

// process is one attempt: a live one, or what is left of one.
type process struct {
	shelf     shelf
	now       func() time.Time
	node      string
	plan      plan
	stopGrace time.Duration
	spool     *spool
	// ask tells a live process to end; the first cause counts.
	ask chan cause
	// ended is closed when the outcome is there.
	ended chan struct{}

	mu        sync.Mutex
	record    record
	seen      job.Observation
	following chan struct{} // closed when the newest follower has ended; nil before there was one
	// stopFollowing ends it.
	stopFollowing context.CancelFunc
	// forgotten: nobody wants to hear of it. released: its files go as soon as it has ended.
	forgotten, released bool
}

func newProcess(r *Runtime, rec record, what plan, out *spool) *process {
	return &process{
		shelf:     r.shelf,
		now:       r.now,
		node:      r.node,
		plan:      what,
		stopGrace: r.stopGrace,
		spool:     out,
		record:    rec,
		ask:       make(chan cause, 8),
		ended:     make(chan struct{}),
	}
}

// observe keeps what is seen and tells it, in order.
func (p *process) observe(h job.Handler, seen job.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = seen
	if !p.forgotten {
		h.Observed(p.record.ref(), seen)
	}
}

// conclude keeps the outcome, then tells it: a worker that dies in between leaves it to the next one.
func (p *process) conclude(h job.Handler, seen job.Observation, log *slog.Logger) {
	p.mu.Lock()
	p.record.Outcome = &seen
	rec := p.record
	p.mu.Unlock()
	if err := p.shelf.save(rec); err != nil {
		log.Warn(
			"outcome of a process not kept on disk",
			"run",
			rec.Run,
			"attempt",
			rec.Attempt,
			"error",
			err,
		)
	}
	p.handedOver(context.Background(), followDelay)
	p.observe(h, seen)
	p.mu.Lock()
	forgotten, released := p.forgotten, p.released
	p.mu.Unlock()
	if forgotten && !released {
		h.Discovered(job.Object{Ref: rec.ref(), UID: rec.UID})
	}
	close(p.ended)
}

// handedOver waits until the output of an ended process has been handed over, as long as that is worth
// waiting for.
func (p *process) handedOver(ctx context.Context, patience time.Duration) {
	p.mu.Lock()
	following, over := p.following, p.record.Outcome != nil
	p.mu.Unlock()
	if following == nil || !over {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-following:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// supervise sees a started process through to its end and returns its outcome, with all it started gone.
func (p *process) supervise(cmd *exec.Cmd, output *os.File) job.Observation {
	pumped := make(chan error, 1)
	go func() {
		_, err := io.Copy(p.spool, output)
		pumped <- err
	}()
	group := &group{pid: cmd.Process.Pid}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		// The exit status is read from ProcessState; an error here says the same.
		_ = reap(cmd, group.end)
	}()
	why := p.await(gone, group)
	killMarked(markerName + "=" + p.record.UID)
	drain(pumped, output)
	p.spool.finish()

	at := p.now()
	seen := outcome(why, exitOf(cmd.ProcessState), p.plan.deadline)
	seen.UID, seen.EndedAt, seen.LastLines = p.record.UID, &at, p.spool.lastLines()
	seen.Node, seen.RunningSince = p.node, p.record.StartedAt
	return seen
}

// await waits for the end, and brings it about when asked to: SIGTERM to the group, SIGKILL after the grace.
func (p *process) await(gone <-chan struct{}, group *group) cause {
	why := byItself
	var deadline, kill <-chan time.Time
	if p.plan.deadline > 0 {
		timer := time.NewTimer(p.plan.deadline)
		defer timer.Stop()
		deadline = timer.C
	}
	end := func(reason cause) {
		again := why != byItself
		if again && reason != byStop {
			return
		}
		grace := p.graceFor(reason)
		if grace > 0 && !again {
			group.signal(syscall.SIGTERM)
		}
		if !again {
			why = reason
		}
		kill = time.After(grace)
	}
	for {
		select {
		case <-gone:
			return why
		default:
		}
		select {
		case <-gone:
			return why
		case reason := <-p.ask:
			end(reason)
		case <-deadline:
			end(byDeadline)
		case <-kill:
			group.signal(syscall.SIGKILL)
		}
	}
}

// graceFor is the time between SIGTERM and SIGKILL.
func (p *process) graceFor(why cause) time.Duration {
	switch why {
	case byDiscard:
		return 0
	case byStop:
		return min(p.plan.grace, p.stopGrace)
	default:
		return p.plan.grace
	}
}

// drain waits for the pump, and cuts it off where a descendant that got away holds the pipe open.
func drain(pumped <-chan error, output *os.File) {
	timer := time.NewTimer(pipeDelay)
	defer timer.Stop()
	select {
	case <-pumped:
	case <-timer.C:
	}
	// Closing ends the pump where it still reads; what it could not read is lost, and the outcome does not
	// depend on it.
	_ = output.Close()
}

// tell asks the process to end. A process that has been asked before, or has ended, is left as it is.
func (p *process) tell(why cause) {
	select {
	case p.ask <- why:
	default:
	}
}

// follow hands the output over from the offset on, until its end, or until it is not wanted any more.
func (p *process) follow(ctx context.Context, h job.Handler, offset int64) {
	ref := p.record.ref()
	buf := make([]byte, 32<<10)
	for {
		n, err := p.spool.read(ctx, offset, buf)
		if n > 0 {
			if h.Output(ctx, ref, offset, buf[:n]) != nil {
				return
			}
			offset += int64(n)
		}
		if err != nil {
			return
		}
	}
}

// group is the process group of an attempt, which may be signalled until its leader is reaped.
type group struct {
	mu   sync.Mutex
	pid  int
	gone bool
}

func (g *group) signal(sig syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.gone {
		// The only failure there can be is that nobody is left to be signalled.
		_ = syscall.Kill(-g.pid, sig)
	}
}

// end kills what is left of the group, for the last time.
func (g *group) end() {
	g.signal(syscall.SIGKILL)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
}
