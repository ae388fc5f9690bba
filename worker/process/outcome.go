package process

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// cause is why a process was asked to end; empty if it was not.
type cause string

const (
	byItself    cause = ""
	byCancel    cause = "cancel"
	byDeadline  cause = "deadline"
	byStop      cause = "stop"
	byDelete    cause = "discard"
	stopMessage       = "its worker was stopped, and a process cannot outlive its worker"
	diedMessage       = "its worker died, and a process cannot outlive its worker; the rest of it was killed"
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

// outcomeOf is how the end of a process counts. A process that was asked to end did not end by itself,
// whatever its exit code.
func outcomeOf(why cause, e exit, deadline time.Duration) job.Observation {
	seen := job.Observation{Phase: job.Ended, ExitCode: &e.code}
	switch why {
	case byCancel, byDelete:
		seen.Category, seen.Message = api.CategoryCancelled, "cancelled: "+e.String()
	case byDeadline:
		seen.Category, seen.Message = api.CategoryDeadline, fmt.Sprintf(
			"exceeded activeDeadlineSeconds (%s): %s",
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
		if e.signal != 0 { // an exit code needs no message
			seen.Message = e.String()
		}
	}
	return seen
}

func (e exit) String() string {
	if e.signal != 0 {
		return fmt.Sprintf("killed by signal %d (%s)", int(e.signal), e.signal)
	}
	return fmt.Sprintf("exit code %d", e.code)
}

// diedOutcome is the outcome of a process that ran when its worker died.
func diedOutcome(at time.Time) job.Observation {
	return job.Observation{
		Phase:    job.Ended,
		Category: api.CategoryUnknown,
		Message:  diedMessage,
		EndedAt:  &at,
	}
}

// deletedOutcome is the outcome of an attempt without a record on this host.
func deletedOutcome(at time.Time) job.Observation {
	return job.Observation{Phase: job.Ended, Category: api.CategoryDeleted, EndedAt: &at,
		Message: "the files of this attempt are gone from the data directory of this host"}
}
