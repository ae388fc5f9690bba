package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/store"
)

// explainScheduled explains a run that no worker holds: everything that it waits for, in the order in which a
// user should look at it.
func explainScheduled(facts *store.RunFacts) Explanation {
	var e Explanation
	e.addHolders(facts)
	e.checkDue(facts)
	e.checkPaused(facts)
	e.checkLimits(facts)
	e.checkWorkers(facts)
	e.offerCancel(facts)
	e.addForecast(facts)

	due := !facts.Run.DueAt.After(facts.Now)
	dueFor := span(facts.Now.Sub(facts.Run.DueAt))
	ahead := runsAhead(facts)
	switch {
	case len(e.Reasons) > 0:
		e.Sentence = e.Reasons[0].Message
		for _, r := range e.Reasons[1:] {
			e.Details = append(e.Details, r.Message)
		}
		if due && ahead != "" {
			e.Details = append(e.Details, ahead)
		}

	case ahead != "":
		e.Sentence = fmt.Sprintf("it has been due for %s and waits its turn: %s", dueFor, ahead)
		e.addDetail("%s; a worker claims no more runs than its --limit allows", liveWorkers(facts))

	default:
		e.Sentence = fmt.Sprintf(
			"it has been due for %s; no limit or pause applies: waiting for a worker to claim it", dueFor)
		e.addDetail("%s; a worker claims no more runs than its --limit allows", liveWorkers(facts))
	}

	e.addStartDeadline(facts)
	e.addTimeout(facts)
	e.addPastAttempts(facts)
	e.addStep("watch it: berth run watch %s", facts.Run.ID)
	return e
}

func (e *Explanation) checkDue(facts *store.RunFacts) {
	left := facts.Run.DueAt.Sub(facts.Now)
	if left <= 0 {
		return
	}
	if facts.Run.Attempt == 0 || facts.Run.State.Name != "AwaitingRetry" {
		e.addReason(NotDue, "it is due in "+span(left))
		return
	}

	message := fmt.Sprintf("attempt %d is due in %s", facts.Run.Attempt+1, span(left))
	if last := newest(facts.Attempts); last != nil {
		message += fmt.Sprintf("; attempt %d ended: %s", last.Number, attemptOutcome(last))
	}
	e.addReason(AwaitingRetry, message)
}

// liveWorkers says how many workers of the pool are alive and how busy they are. The server does not know
// their own limits.
func liveWorkers(facts *store.RunFacts) string {
	var workers, attempts int
	for _, w := range facts.Workers {
		if alive(w, facts.Now) {
			workers++
			attempts += int(w.ActiveAttempts)
		}
	}
	return fmt.Sprintf("%s with %s",
		plural(workers, "live worker", "live workers"), plural(attempts, "active attempt", "active attempts"))
}

// runsAhead says how many runs are claimed before this one; empty if none.
func runsAhead(facts *store.RunFacts) string {
	var parts []string
	if facts.AheadInQueue > 0 {
		parts = append(parts, fmt.Sprintf("%s ahead of it in queue %q", runsAre(facts.AheadInQueue),
			facts.Run.Queue))
	}
	if facts.AheadInOtherQueues > 0 {
		parts = append(parts, runsAre(facts.AheadInOtherQueues)+" due in queues with a higher priority")
	}
	return strings.Join(parts, ", and ")
}

func runsAre(n int) string {
	if n >= store.AheadCountMax { // counted no further
		return fmt.Sprintf("%d or more runs are", n)
	}
	return plural(n, "run is", "runs are")
}

func (e *Explanation) checkPaused(facts *store.RunFacts) {
	for _, level := range slices.Backward(levels(facts.Run, facts.Gates)) {
		if !level.gate.Paused {
			continue
		}
		message := fmt.Sprintf("%s %q is paused", level.kind, level.gate.Name)
		if pause := level.gate.Pause; pause != nil {
			message = fmt.Sprintf("%s %q was paused by %s %s ago",
				level.kind, level.gate.Name, pause.By, span(facts.Now.Sub(pause.At)))
			if pause.Reason != "" {
				message += ": " + pause.Reason
			}
		}
		e.addReason(level.paused, message)
		e.offer(level.resume, "resume the %s", level.kind)
	}
}

// checkLimits names the concurrency limits that are reached, the narrowest first, and which runs hold the
// slots of that one.
func (e *Explanation) checkLimits(facts *store.RunFacts) {
	holders := e.slotHolders(facts)
	for _, level := range levels(facts.Run, facts.Gates) {
		if !level.gate.Full() {
			continue
		}
		limit := *level.gate.Limit
		if limit == 0 {
			e.addReason(level.full, fmt.Sprintf("%s %q has concurrency limit 0 and runs nothing", level.kind,
				level.gate.Name))
			e.offer(level.raise, "%s", level.step)
			continue
		}

		message := fmt.Sprintf("%s %q has reached its concurrency limit of %d", level.kind, level.gate.Name,
			limit)
		// Those of the narrowest limit are named.
		if len(holders) > 0 {
			message += "; slots are held by " + strings.Join(holders, ", ")
			if more := int(level.gate.Used) - len(holders); more > 0 {
				message += fmt.Sprintf(" and %d more", more)
			}
			holders = nil
		}
		e.addReason(level.full, message)
		e.offer(level.raise, "wait for a slot, or %s", level.step)
	}
}

// holdersTold bounds the holders in a sentence.
const holdersTold = 3

// slotHolders describes the first runs that hold slots, each as "NAME (DEPLOYMENT, for 5m)".
func (e *Explanation) slotHolders(facts *store.RunFacts) []string {
	var holders []string
	for _, h := range e.Holders[:min(len(e.Holders), holdersTold)] {
		holders = append(holders, fmt.Sprintf("%s (%s, for %s)", h.Name, h.Deployment,
			span(facts.Now.Sub(h.Since))))
	}
	return holders
}

// checkWorkers says whether a worker could claim the run.
func (e *Explanation) checkWorkers(facts *store.RunFacts) {
	var paused, lost, living int
	var freshest, blind *store.Worker
	for i, w := range facts.Workers {
		if alive(w, facts.Now) {
			living++
			switch {
			case w.Paused:
				paused++
			case reachesNothing(w):
				lost++
				blind = &facts.Workers[i]
			}
		}
		if freshest == nil || w.LastSeenAt.After(freshest.LastSeenAt) {
			freshest = &facts.Workers[i]
		}
	}

	pool := shellQuote(facts.Run.Pool)
	switch {
	case living > 0 && paused == living:
		e.addReason(WorkersPaused, fmt.Sprintf("every live worker of work pool %q is paused", facts.Run.Pool))
		e.offer(Action{
			Resume, Target{Kind: TargetWorker, Name: freshest.Name}, "UpdateWorker",
			fmt.Sprintf("berth worker resume %s --pool %s", shellQuote(freshest.Name), pool),
		}, "resume a worker")

	case living > 0 && paused+lost == living:
		e.addReason(ClusterLost, fmt.Sprintf("worker %q is alive and cannot reach its cluster: %s",
			blind.Name, blind.Lost[0].Reason))
		e.addStep("see what every worker cannot reach: berth worker ls --pool %s", pool)

	case living == 0:
		message := fmt.Sprintf("work pool %q has no live worker", facts.Run.Pool)
		if freshest != nil {
			message += fmt.Sprintf("; worker %q was last seen %s ago",
				freshest.Name, span(facts.Now.Sub(freshest.LastSeenAt)))
		}
		e.addReason(NoWorker, message)
		e.offer(startWorker(facts.Run.Pool), "start a worker")
	}
}

// startWorker starts a worker for a pool, with a key of the role worker.
func startWorker(pool string) Action {
	return Action{
		StartWorker, Target{Kind: TargetPool, Name: pool}, "ClaimRuns", "berth worker start --pool " + shellQuote(pool),
	}
}

// reachesNothing reports whether a worker has lost all the namespaces that it serves.
func reachesNothing(w store.Worker) bool {
	all := slices.ContainsFunc(w.Lost, func(l store.LostNamespace) bool { return l.Namespace == "*" })
	return all || len(w.Lost) > 0 && len(w.Lost) == len(w.Namespaces)
}
