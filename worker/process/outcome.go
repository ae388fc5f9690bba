package process

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// cause is why a process was told to end; empty when nobody told it.
type cause string

const (
	byItself    cause = ""
	byCancel    cause = "cancel"
	byDeadline  cause = "deadline"
	byStop      cause = "stop"
	byDiscard   cause = "discard"
	stopMessage       = "the worker that ran it was stopped, and a process can not outlive its worker"
	diedMessage       = "the worker that ran it died, and a process can not outlive its worker; what was left of it has been ended"
)

// exit is how a process ended.
type exit struct {
	code   int32
	signal syscall.Signal // 0: it exited
}

func exitOf(state *os.ProcessState) exit {
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return exit{code: 128 + int32(status.Signal()), signal: status.Signal()}
	}
	return exit{code: int32(state.ExitCode())}
}

// outcome says what the end of a process means. Whoever was told to end did not end by itself, whatever its
// exit code.
func outcome(why cause, e exit, deadline time.Duration) job.Observation {
	seen := job.Observation{Phase: job.Ended, ExitCode: &e.code}
	switch why {
	case byCancel, byDiscard:
		seen.Category, seen.Message = api.CategoryCancelled, "cancelled: "+e.String()
	case byDeadline:
		seen.Category, seen.Message = api.CategoryDeadline, fmt.Sprintf(
			"ran longer than its activeDeadlineSeconds (%s): %s",
			deadline,
			e,
		)
	case byStop:
		seen.Category, seen.Message = api.CategoryEvicted, stopMessage
	default:
		if e.code == 0 {
			seen.Succeeded = true
			break
		}
		seen.Category = api.CategoryApp
		if e.signal != 0 { // an exit code says all by itself
			seen.Message = e.String()
		}
	}
	return seen
}

func (e exit) String() string {
	if e.signal != 0 {
		return fmt.Sprintf("ended by signal %d (%s)", int(e.signal), e.signal)
	}
	return fmt.Sprintf("exit code %d", e.code)
}

// died is the outcome of what ran when its worker died.
func died(at time.Time) job.Observation {
	return job.Observation{Phase: job.Ended, Category: api.CategoryUnknown, Message: diedMessage, EndedAt: &at}
}

// missing is what is seen of an attempt that has no record here.
func missing(at time.Time) job.Observation {
	return job.Observation{Phase: job.Ended, Category: api.CategoryDeleted, EndedAt: &at,
		Message: "no process of this attempt is known on this host: its files are gone"}
}
