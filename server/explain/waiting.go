package explain

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/store"
)

func scheduled(f *store.Situation) Explanation {
	var e Explanation
	e.notDue(f)
	e.paused(f)
	e.full(f)
	e.workers(f)
	due := !f.Run.DueAt.After(f.Now)
	switch {
	case len(e.Reasons) > 0:
		e.Sentence = e.Reasons[0].Message
		for _, r := range e.Reasons[1:] {
			e.Details = append(e.Details, r.Message)
		}
		if line := ahead(f); due && line != "" {
			e.Details = append(e.Details, line)
		}
	case ahead(f) != "":
		e.Sentence = fmt.Sprintf(
			"it is due for %s and waits its turn: %s",
			span(f.Now.Sub(f.Run.DueAt)),
			ahead(f),
		)
		e.Details = append(e.Details, busy(f))
	default:
		e.Sentence = fmt.Sprintf(
			"it is due for %s and nothing is in its way: a worker claims it next",
			span(f.Now.Sub(f.Run.DueAt)),
		)
		e.Details = append(e.Details, busy(f))
	}
	e.startDeadline(f)
	e.timeout(f)
	e.earlier(f)
	e.Next = append(e.Next, "follow it: berth run watch "+f.Run.ID.String())
	return e
}

func (e *Explanation) notDue(f *store.Situation) {
	left := f.Run.DueAt.Sub(f.Now)
	if left <= 0 {
		return
	}
	reason := Reason{NotDue, "it is due in " + span(left)}
	if f.Run.Attempt > 0 && f.Run.State.Name == "AwaitingRetry" {
		reason = Reason{AwaitingRetry, fmt.Sprintf("attempt %d is due in %s", f.Run.Attempt+1, span(left))}
		if last := newest(f.Attempts); last != nil {
			reason.Message += fmt.Sprintf("; attempt %d ended: %s", last.Number, ending(last))
		}
	}
	e.Reasons = append(e.Reasons, reason)
}

// busy is what the workers have to do: they have limits of their own, which the server does not know.
func busy(f *store.Situation) string {
	var workers, attempts int
	for _, w := range f.Workers {
		if alive(w, f.Now) {
			workers++
			attempts += int(w.ActiveAttempts)
		}
	}
	return fmt.Sprintf(
		"%s alive, with %s; each takes no more than its own --limit",
		count(workers, "worker is", "workers are"),
		count(attempts, "attempt", "attempts"),
	)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// ahead says who is claimed before it; nothing where nobody is.
func ahead(s *store.Situation) string {
	var parts []string
	if s.Ahead > 0 {
		parts = append(parts, fmt.Sprintf("%s ahead of it in queue %q", runs(s.Ahead), s.Run.Queue))
	}
	if s.Before > 0 {
		parts = append(parts, runs(s.Before)+" due in queues that are served first")
	}
	return strings.Join(parts, ", and ")
}

func runs(n int) string {
	switch {
	case n >= store.AheadMax:
		return fmt.Sprintf("%d or more runs are", n)
	case n == 1:
		return "one run is"
	}
	return fmt.Sprintf("%d runs are", n)
}

func (e *Explanation) paused(f *store.Situation) {
	for _, gate := range []struct {
		code   Code
		kind   string
		of     store.Gate
		resume string
	}{
		{PoolPaused, "work pool", f.Lane.Pool, "berth pool resume " + word(f.Run.Pool)},
		{DeploymentPaused, "deployment", f.Lane.Deployment, "berth deployment resume " + word(f.Run.Deployment)},
		{QueuePaused, "queue", f.Lane.Queue, fmt.Sprintf("berth queue resume %s --pool %s", word(f.Run.Queue), word(f.Run.Pool))},
	} {
		if !gate.of.Paused {
			continue
		}
		message := fmt.Sprintf("%s %q is paused", gate.kind, gate.of.Name)
		if gate.of.PausedBy != "" {
			message = fmt.Sprintf(
				"%s %q was paused by %s %s ago",
				gate.kind,
				gate.of.Name,
				gate.of.PausedBy,
				span(f.Now.Sub(gate.of.PausedAt)),
			)
		}
		e.Reasons = append(e.Reasons, Reason{gate.code, message})
		e.Next = append(e.Next, fmt.Sprintf("resume the %s: %s", gate.kind, gate.resume))
	}
}

// full names the limits that are in the way, the narrowest first, and who holds the slots of that one.
func (e *Explanation) full(f *store.Situation) {
	told := false
	for _, gate := range []struct {
		code  Code
		kind  string
		of    store.Gate
		raise string
	}{
		{DeploymentFull, "deployment", f.Lane.Deployment, "concurrency_limit in its berth.yaml, then: berth deploy"},
		{QueueFull, "queue", f.Lane.Queue, fmt.Sprintf("berth queue update %s --pool %s --concurrency-limit N", word(f.Run.Queue), word(f.Run.Pool))},
		{PoolFull, "work pool", f.Lane.Pool, fmt.Sprintf("berth pool update %s --concurrency-limit N", word(f.Run.Pool))},
	} {
		if !gate.of.Full() {
			continue
		}
		message := fmt.Sprintf("%s %q has all its %d slots in use", gate.kind, gate.of.Name, *gate.of.Limit)
		wait := "wait for a slot, or "
		switch {
		case *gate.of.Limit == 0:
			wait = ""
			message = fmt.Sprintf("%s %q has a limit of 0: it runs nothing", gate.kind, gate.of.Name)
		case *gate.of.Limit == 1:
			message = fmt.Sprintf("%s %q runs one at a time", gate.kind, gate.of.Name)
		}
		if !told {
			message += holders(f, gate.of)
			told = true
		}
		e.Reasons = append(e.Reasons, Reason{gate.code, message})
		e.Next = append(e.Next, fmt.Sprintf("%sraise the limit of the %s: %s", wait, gate.kind, gate.raise))
	}
}

func holders(s *store.Situation, full store.Gate) string {
	var names []string
	for _, h := range s.Holders {
		names = append(names, fmt.Sprintf("%s (%s, for %s)", h.Name, h.Deployment, span(s.Now.Sub(h.Since))))
	}
	if len(names) == 0 {
		return ""
	}
	text := ", held by " + strings.Join(names, ", ")
	if more := int(full.Used) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (e *Explanation) workers(f *store.Situation) {
	s := f
	var paused, living int
	var freshest *store.Worker
	for i, w := range s.Workers {
		if alive(w, s.Now) {
			living++
			if w.Paused {
				paused++
			}
		}
		if freshest == nil || w.LastSeenAt.After(freshest.LastSeenAt) {
			freshest = &s.Workers[i]
		}
	}
	switch {
	case living > 0 && paused == living:
		e.Reasons = append(
			e.Reasons,
			Reason{WorkersPaused, fmt.Sprintf("every worker of work pool %q is paused", f.Run.Pool)},
		)
		e.Next = append(
			e.Next,
			fmt.Sprintf(
				"resume the worker: berth worker resume %s --pool %s",
				word(freshest.Name),
				word(f.Run.Pool),
			),
		)
	case living == 0:
		message := fmt.Sprintf("no worker of work pool %q is alive", f.Run.Pool)
		if freshest != nil {
			message += fmt.Sprintf(
				", %q was last heard of %s ago",
				freshest.Name,
				span(s.Now.Sub(freshest.LastSeenAt)),
			)
		}
		e.Reasons = append(e.Reasons, Reason{NoWorker, message})
		e.Next = append(e.Next, "start a worker: berth worker start --pool "+word(f.Run.Pool))
	}
}
