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

// markerName is the environment variable that every descendant of an attempt's process inherits.
const markerName = "BERTH_PROCESS_UID"

const (
	// pipeDelay is how long output may still come after the process has ended, from descendants that hold its
	// pipe.
	pipeDelay = 2 * time.Second
	// followDelay is how long the outcome waits for the output to be handed over.
	followDelay = 500 * time.Millisecond
	// finalizePatience is how long the files of an attempt are kept for output that is not handed over yet.
	finalizePatience = 45 * time.Second
	// stopPatience is how long output may still be handed over when the runtime ends.
	stopPatience = 3 * time.Second
)

// process is one attempt: a live one, or one that has ended.
type process struct {
	records   recordStore
	now       func() time.Time
	node      string
	plan      plan
	stopGrace time.Duration
	spool     *spool
	// endRequests asks a live process to end; the first cause counts.
	endRequests chan cause
	// ended is closed once the outcome was observed.
	ended chan struct{}

	mu          sync.Mutex
	record      record
	observation job.Observation
	following   chan struct{} // closed when the newest follower has ended; nil before there was one
	// stopFollowing ends it.
	stopFollowing context.CancelFunc
	// disowned: observations are no longer reported. finalized: its files are removed once it has ended.
	disowned, finalized bool
}

func newProcess(r *Runtime, rec record, what plan, out *spool) *process {
	return &process{
		records:     r.records,
		now:         r.now,
		node:        r.node,
		plan:        what,
		stopGrace:   r.stopGrace,
		spool:       out,
		record:      rec,
		endRequests: make(chan cause, 8),
		ended:       make(chan struct{}),
	}
}

// observe stores an observation and reports it, in order.
func (p *process) observe(h job.Handler, seen job.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.observation = seen
	if !p.disowned {
		h.Observed(p.record.ref(), seen)
	}
}

// recordOutcome saves the outcome, then reports it: if the worker dies in between, the next one reports it.
func (p *process) recordOutcome(h job.Handler, seen job.Observation, log *slog.Logger) {
	p.mu.Lock()
	p.record.Outcome = &seen
	rec := p.record
	p.mu.Unlock()
	if err := p.records.save(rec); err != nil {
		log.Warn("cannot save the outcome of a process", "run", rec.Run, "attempt", rec.Attempt, "error", err)
	}
	p.waitForOutput(context.Background(), followDelay)
	p.observe(h, seen)
	p.mu.Lock()
	disowned, finalized := p.disowned, p.finalized
	p.mu.Unlock()
	if disowned && !finalized {
		h.Discovered(job.Object{Ref: rec.ref(), UID: rec.UID})
	}
	close(p.ended)
}

// waitForOutput waits until the output of an ended process was handed over, at most for the patience.
func (p *process) waitForOutput(ctx context.Context, patience time.Duration) {
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

// supervise waits for the end of a process, kills its descendants and returns its outcome.
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
	why := p.waitForEnd(gone, group)
	killMarked(markerName + "=" + p.record.UID)
	drain(pumped, output)
	p.spool.finish()

	at := p.now()
	seen := outcomeOf(why, exitOf(cmd.ProcessState), p.plan.deadline)
	seen.UID, seen.EndedAt, seen.LastLines = p.record.UID, &at, p.spool.lastLines()
	seen.Node, seen.RunningSince = p.node, p.record.StartedAt
	return seen
}

// waitForEnd waits for the end of the process. When asked to end it, it sends SIGTERM to the group, and
// SIGKILL after the grace period.
func (p *process) waitForEnd(gone <-chan struct{}, group *group) cause {
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
		case reason := <-p.endRequests:
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
	case byDelete:
		return 0
	case byStop:
		return min(p.plan.grace, p.stopGrace)
	default:
		return p.plan.grace
	}
}

// drain waits for the rest of the output, for a bounded time: a descendant may hold the pipe open.
func drain(pumped <-chan error, output *os.File) {
	timer := time.NewTimer(pipeDelay)
	defer timer.Stop()
	select {
	case <-pumped:
	case <-timer.C:
	}
	// Closing ends the reader. Unread output is lost; the outcome does not depend on it.
	_ = output.Close()
}

// requestEnd asks the process to end. Further requests have no effect.
func (p *process) requestEnd(why cause) {
	select {
	case p.endRequests <- why:
	default:
	}
}

// follow hands the output over from the offset on, until its end or until the handler refuses it.
func (p *process) follow(ctx context.Context, h job.Handler, offset int64) {
	ref := p.record.ref()
	buf := make([]byte, 32<<10)
	for {
		n, err := p.spool.read(ctx, offset, buf)
		if n > 0 {
			if h.Output(ctx, ref, job.Output{Offset: offset, Text: buf[:n]}) != nil {
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
		// The only possible failure is that no process is left.
		_ = syscall.Kill(-g.pid, sig)
	}
}

// end kills the rest of the group. No signal is sent after that.
func (g *group) end() {
	g.signal(syscall.SIGKILL)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
}
