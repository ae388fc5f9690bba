package store

import (
	"strings"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
)

// leaseEndSQL is when the lease of an attempt l of session s ended: with the session, or when it was released.
const leaseEndSQL = "COALESCE(s.expires_at, l.leased_at)"

// restedCondition is the condition that an attempt l of session s was not taken over too recently: before its container
// has started, each takeover waits longer than the one before.
func restedCondition(now time.Time) (condition string, args []any) {
	clauses := []string{"(l.running_at IS NOT NULL AND " + leaseEndSQL + " <= ?)"}
	args = []any{now}
	for epoch := int64(1); ; epoch++ {
		delay := lifecycle.TakeoverDelay(epoch)
		if delay == lifecycle.TakeoverDelay(epoch+1) { // the longest: of all later epochs too
			clauses, args = append(clauses, "("+leaseEndSQL+" <= ?)"), append(args, now.Add(-delay))
			return "(" + strings.Join(clauses, "\n\tOR ") + ")", args
		}
		clauses = append(clauses, "(l.epoch <= ? AND "+leaseEndSQL+" <= ?)")
		args = append(args, epoch, now.Add(-delay))
	}
}

// countTakeover counts the takeover of an attempt that has not started. If too many have not started, the attempt is
// cancelled: the worker that takes it over finds out whether there is a Job.
func (tx *Tx) countTakeover(run *lockedRun, now time.Time, actor string) {
	a := run.attempt
	decision := lifecycle.DecideTakeover(run.standing())
	if run.Spent.V != decision.RetriesUsed {
		run.Spent.V, run.changed = decision.RetriesUsed, true
	}
	if decision.Cancel != lifecycle.NotCancelled {
		run.CancelReason = decision.Cancel
	}
	if decision.State != nil {
		run.move(*decision.State, now, actor, a.Number)
	}
}
