package explain

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// ended says how a run that is over came to its end.
func ended(f *store.Situation) Explanation {
	run := f.Run
	e := Explanation{}
	switch run.State.Type {
	case lifecycle.Completed:
		e.Sentence = "it completed"
		if run.StartedAt != nil && run.EndedAt != nil {
			e.Sentence += " after " + span(run.EndedAt.Sub(*run.StartedAt))
		}
		if len(f.Attempts) > 1 {
			e.earlier(f)
		}
		e.Next = append(e.Next, "see its output: berth run logs "+f.Run.ID.String())
		return e
	case lifecycle.Cancelled:
		e.Sentence = "it was cancelled"
		if run.State.Name == "Expired" {
			e.Sentence = "it expired"
		}
		if message := strings.TrimPrefix(run.State.Message, "cancelled"); strings.HasPrefix(message, " by ") {
			e.Sentence += message
		} else if message = strings.TrimLeft(message, ": "); message != "" {
			e.Sentence += ": " + message
		}
	default:
		e.Sentence = fmt.Sprintf(
			"it ended as %s: %s",
			run.State.Name,
			outcome(run.Category, run.ExitCode, run.State.Message),
		)
		if last := newest(f.Attempts); last != nil && last.EndedAt != nil && last.Category == run.Category {
			e.Sentence = fmt.Sprintf("it ended as %s: %s", run.State.Name, ending(last))
		}
	}
	e.earlier(f)
	if run.State.Type != lifecycle.Cancelled {
		e.budget(f)
	}
	e.lastLines(f)
	e.advice(f)
	return e
}

// budget says why there was no other attempt.
func (e *Explanation) budget(f *store.Situation) {
	if up := f.TimeoutAt; f.Run.Category == lifecycle.Deadline && up != nil && f.Run.EndedAt != nil &&
		!up.After(*f.Run.EndedAt) {
		e.Details = append(
			e.Details,
			"its time was up, retries included: timeout_seconds of the deployment is over all attempts",
		)
		return
	}
	var name string
	var spent, most int
	switch lifecycle.BudgetOf(f.Run.Category) {
	case "retries":
		name, spent, most = "retries.max", f.Spent.App, f.Policy.Max
	case "infrastructure":
		name, spent, most = "retries.infrastructure_max", f.Spent.Infrastructure, f.Policy.InfrastructureMaxFor(
			f.Run.Category,
		)
	default:
		e.Details = append(
			e.Details,
			"this is never tried again by itself: another attempt would end the same way",
		)
		return
	}
	switch {
	case most == 0:
		e.Details = append(e.Details, fmt.Sprintf("it was not tried again: the deployment's %s is 0", name))
	case spent >= most:
		e.Details = append(
			e.Details,
			fmt.Sprintf("no retry is left: %d of %d of %s are used", spent, most, name),
		)
	case lifecycle.BudgetOf(f.Run.Category) == "infrastructure":
		e.Details = append(
			e.Details,
			"it was not tried again: the pool's template ends such runs (policy: {eviction: fail})",
		)
	default:
		e.Details = append(
			e.Details,
			fmt.Sprintf(
				"it was not tried again: retries.on does not list this (%d of %d of %s are used)",
				spent,
				most,
				name,
			),
		)
	}
}

// attemptLine is an attempt that has ended: how, where, and how long it took.
func attemptLine(f *store.Situation, i int) string {
	a := &f.Attempts[i]
	line := fmt.Sprintf("attempt %d: %s", a.Number, ending(a))
	if f.Run.State.Type.Terminal() && i == len(f.Attempts)-1 && a.Category != "" &&
		a.Category == f.Run.Category {
		line = fmt.Sprintf("attempt %d ended like that", a.Number) // the sentence says how
	}
	if a.RunningAt != nil {
		line += fmt.Sprintf(", after %s", span(a.EndedAt.Sub(*a.RunningAt)))
	} else {
		line += fmt.Sprintf(", before it started, %s after it was claimed", span(a.EndedAt.Sub(a.ClaimedAt)))
	}
	if a.Node != "" {
		line += ", on node " + a.Node
	}
	if lifecycle.Disrupted(a.Category) && a.RunningAt == nil && i+1 < len(f.Attempts) {
		line += "; that cost no retry"
	}
	if i+1 < len(f.Attempts) && string(f.Attempts[i+1].Raised) != string(a.Raised) {
		line += fmt.Sprintf("; the next one got %s", f.Attempts[i+1].Raised)
	}
	return line
}

// ending is an attempt's end in words: category, exit code, message.
func ending(a *store.Attempt) string { return outcome(a.Category, a.ExitCode, a.Message) }

func outcome(c lifecycle.Category, code *int32, message string) string {
	parts := []string{meaning(c)}
	if c == "" {
		parts = nil
		if code != nil && *code == 0 {
			return "it succeeded"
		}
	}
	if code != nil {
		parts = append(parts, fmt.Sprintf("exit code %d", *code))
	}
	text := strings.Join(parts, ", ")
	switch {
	case text == "" && message == "":
		return "it succeeded"
	case text == "":
		return message
	case message == "":
		return text
	}
	return text + ": " + message
}

func meaning(c lifecycle.Category) string {
	switch c {
	case lifecycle.App:
		return "the workload failed (app)"
	case lifecycle.OOM:
		return "out of memory (oom)"
	case lifecycle.Evicted:
		return "evicted from its node (evicted)"
	case lifecycle.Preempted:
		return "preempted by something more important (preempted)"
	case lifecycle.NodeLost:
		return "its node was lost (node_lost)"
	case lifecycle.Deadline:
		return "it took too long (deadline)"
	case lifecycle.ImagePull:
		return "its image could not be pulled (image_pull)"
	case lifecycle.Config:
		return "something it refers to is missing or wrong (config)"
	case lifecycle.Unschedulable:
		return "no node could take it (unschedulable)"
	case lifecycle.Quota:
		return "over a quota (quota)"
	case lifecycle.Invalid:
		return "the cluster refused the job (invalid)"
	case lifecycle.Template:
		return "its template could not be rendered (template)"
	case lifecycle.Deleted:
		return "somebody deleted it (deleted)"
	case lifecycle.CancelledEnd:
		return "cancelled"
	case lifecycle.Unknown:
		return "it is not known why (unknown)"
	}
	return string(c)
}

const shownLines = 5

// lastLines are the end of what the newest attempt wrote.
func (e *Explanation) lastLines(f *store.Situation) {
	last := newest(f.Attempts)
	if last == nil || strings.TrimSpace(last.LastLines) == "" {
		return
	}
	lines := strings.Split(strings.TrimRight(last.LastLines, "\n"), "\n")
	for _, line := range lines[max(0, len(lines)-shownLines):] {
		e.Details = append(e.Details, "| "+line)
	}
}

// advice is what a person may want to do about it.
func (e *Explanation) advice(f *store.Situation) {
	if text := advise(f); text != "" {
		e.Next = append(e.Next, text)
	}
	if last := newest(f.Attempts); last != nil && last.RunningAt != nil {
		e.Next = append(e.Next, "see its output: berth run logs "+f.Run.ID.String())
	}
	if f.Run.State.Type == lifecycle.Cancelled {
		e.Next = append(e.Next, "see what happened to it: berth run events "+f.Run.ID.String())
	}
	e.Next = append(e.Next, "try it again: berth run retry "+f.Run.ID.String())
}

func advise(f *store.Situation) string {
	switch f.Run.Category {
	case lifecycle.App:
		return "look at the end of its output"
	case lifecycle.OOM:
		if p := f.Policy.OOM; p != nil && f.Spent.OOM >= p.Max {
			return fmt.Sprintf(
				"give it more memory with %s, or raise retries.oom.max of the deployment (%d of %d are used)",
				p.Variable,
				f.Spent.OOM,
				p.Max,
			)
		}
		if f.Policy.OOM != nil {
			return fmt.Sprintf("give it more memory: %s is at its most, or frozen", f.Policy.OOM.Variable)
		}
		return "give it more memory with the pool's memory variable, or let retries.oom of the deployment do it"
	case lifecycle.ImagePull:
		return "check the image's name and the pull secret"
	case lifecycle.Config:
		return "check its command, and the Secrets, ConfigMaps and volumes that it names"
	case lifecycle.Unschedulable, lifecycle.Quota:
		return "ask for less, or have room made in the cluster"
	case lifecycle.Invalid, lifecycle.Template:
		return fmt.Sprintf(
			"correct the template or the job variables: berth pool template get %s",
			word(f.Run.Pool),
		)
	case lifecycle.Deadline:
		return "raise timeout_seconds of the deployment, or make it faster"
	case lifecycle.Evicted, lifecycle.Preempted, lifecycle.NodeLost:
		if f.Policy.InfrastructureMaxFor(f.Run.Category) > 0 {
			return ""
		}
		return "let retries.infrastructure_max of the deployment try such runs again by themselves"
	}
	return ""
}
