package explain

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// explainEnded explains a run that has finished.
func explainEnded(facts *store.RunFacts) Explanation {
	switch facts.Run.State.Type {
	case lifecycle.Completed:
		return explainCompleted(facts)
	case lifecycle.Cancelled:
		return explainCancelled(facts)
	}
	return explainFailed(facts)
}

func explainCompleted(facts *store.RunFacts) Explanation {
	run := facts.Run
	e := Explanation{Sentence: "it completed"}
	if run.StartedAt != nil && run.EndedAt != nil {
		e.Sentence += " after " + span(run.EndedAt.Sub(*run.StartedAt))
	}
	if len(facts.Attempts) > 1 {
		e.addPastAttempts(facts)
	}
	e.addStep("read its output: berth run logs %s", run.ID)
	e.offerAgain(run)
	return e
}

func explainCancelled(facts *store.RunFacts) Explanation {
	e := Explanation{Sentence: "it was cancelled"}
	if facts.Run.State.Name == "Expired" {
		e.Sentence = "it expired"
	}
	// The message is a reason, "cancelled by NAME", or both.
	message := strings.TrimPrefix(facts.Run.State.Message, "cancelled")
	if strings.HasPrefix(message, " by ") {
		e.Sentence += message
	} else if message = strings.TrimLeft(message, ": "); message != "" {
		e.Sentence += ": " + message
	}

	e.addPastAttempts(facts)
	e.addLastLines(facts)
	e.addAdvice(facts)
	return e
}

func explainFailed(facts *store.RunFacts) Explanation {
	run := facts.Run
	outcome := describeOutcome(run.Category, run.ExitCode, run.State.Message)
	// The attempt's own message is more specific than the run's, if the attempt ended the run.
	if last := newest(facts.Attempts); last != nil && last.EndedAt != nil && last.Category == run.Category {
		outcome = attemptOutcome(last)
	}
	e := Explanation{Sentence: fmt.Sprintf("it ended as %s: %s", run.State.Name, outcome)}

	e.addPastAttempts(facts)
	e.addIndexes(facts)
	e.Details = append(e.Details, whyNotRetried(facts))
	e.addSinceItWorked(facts)
	e.addLastLines(facts)
	e.addAdvice(facts)
	return e
}

// whyNotRetried says why no further attempt was made.
func whyNotRetried(facts *store.RunFacts) string {
	run := facts.Run
	if at := facts.TimeoutAt; run.Category == lifecycle.Deadline && at != nil && run.EndedAt != nil &&
		!at.After(*run.EndedAt) {
		if isOfTemplate(facts) {
			return "not retried: the run exceeded job_watch_timeout_seconds of the pool's template, which covers all attempts"
		}
		return "not retried: the run exceeded timeout_seconds of the deployment, which covers all attempts"
	}
	if facts.RetriesUsed.Unstarted >= lifecycle.MaxUnstarted {
		return fmt.Sprintf("not retried: %d attempts have not started, the most that are made", lifecycle.MaxUnstarted)
	}

	var setting string
	var used, limit int
	budget := lifecycle.BudgetOf(run.Category)
	switch budget {
	case lifecycle.RetriesBudget:
		setting, used, limit = "retries.max", facts.RetriesUsed.App, facts.Policy.Max
	case lifecycle.InfrastructureBudget:
		setting, used = "retries.infrastructure_max", facts.RetriesUsed.Infrastructure
		limit = facts.Policy.InfrastructureMaxFor(run.Category)
	default:
		if run.Category == lifecycle.Deleted {
			return "not retried: whoever deleted its Job or pod may want no other; after a deleted pod another attempt " +
				"follows if the pool's template has policy: {pod_deleted: reschedule}"
		}
		return fmt.Sprintf("not retried: category %s is never retried automatically", run.Category)
	}

	switch {
	case limit == 0:
		return fmt.Sprintf("not retried: %s of the deployment is 0", setting)
	case used >= limit:
		return fmt.Sprintf("not retried: %d of %d retries are used (%s)", used, limit, setting)
	case budget == lifecycle.InfrastructureBudget:
		return "not retried: the pool's template ends runs after such a failure (policy: {eviction: fail})"
	}
	return fmt.Sprintf("not retried: retries.on does not include this failure (%d of %d retries are used)",
		used, limit)
}

// pastAttempt describes an attempt that has ended: how, where, and how long it took.
func pastAttempt(facts *store.RunFacts, i int) string {
	attempt := &facts.Attempts[i]
	line := fmt.Sprintf("attempt %d: %s", attempt.Number, attemptOutcome(attempt))
	// The sentence already describes the outcome of the attempt that ended the run.
	if facts.Run.State.Type.Terminal() && i == len(facts.Attempts)-1 &&
		attempt.Category != "" && attempt.Category == facts.Run.Category {
		line = fmt.Sprintf("attempt %d had this outcome", attempt.Number)
	}

	if attempt.RunningAt != nil {
		line += fmt.Sprintf(", after %s", span(attempt.EndedAt.Sub(*attempt.RunningAt)))
	} else {
		line += fmt.Sprintf(", before it started, %s after it was claimed",
			span(attempt.EndedAt.Sub(attempt.ClaimedAt)))
	}
	if attempt.Node != "" {
		line += ", on node " + attempt.Node
	}

	if i+1 == len(facts.Attempts) {
		return line
	}
	if lifecycle.Disrupted(attempt.Category) && attempt.RunningAt == nil {
		line += "; no retry was used"
	}
	if next := facts.Attempts[i+1].Raised; string(next) != string(attempt.Raised) {
		line += fmt.Sprintf("; the next attempt got %s", next)
	}
	return line
}

// attemptOutcome describes an attempt's outcome: category, exit code, message.
func attemptOutcome(attempt *store.Attempt) string {
	return describeOutcome(attempt.Category, attempt.ExitCode, attempt.Message)
}

func describeOutcome(category lifecycle.Category, code *int32, message string) string {
	if category == "" && (code != nil && *code == 0 || code == nil && message == "") {
		return "succeeded"
	}

	var parts []string
	if category != "" {
		parts = append(parts, describeCategory(category))
	}
	if code != nil {
		parts = append(parts, fmt.Sprintf("exit code %d", *code))
	}
	text := strings.Join(parts, ", ")
	switch {
	case text == "":
		return message
	case message == "":
		return text
	}
	return text + ": " + message
}

func describeCategory(category lifecycle.Category) string {
	switch category {
	case lifecycle.App:
		return "the workload failed (app)"
	case lifecycle.OOM:
		return "out of memory (oom)"
	case lifecycle.Evicted:
		return "evicted from its node (evicted)"
	case lifecycle.Preempted:
		return "preempted by a pod with a higher priority (preempted)"
	case lifecycle.NodeLost:
		return "its node was lost (node_lost)"
	case lifecycle.Deadline:
		return "deadline exceeded (deadline)"
	case lifecycle.ImagePull:
		return "its image could not be pulled (image_pull)"
	case lifecycle.Config:
		return "a missing or invalid reference or setting (config)"
	case lifecycle.Unschedulable:
		return "no node could run it (unschedulable)"
	case lifecycle.Quota:
		return "resource quota exceeded (quota)"
	case lifecycle.Invalid:
		return "the cluster rejected its Job (invalid)"
	case lifecycle.Template:
		return "its template could not be rendered (template)"
	case lifecycle.Deleted:
		return "its Job or pod was deleted (deleted)"
	case lifecycle.CancelledEnd:
		return "cancelled"
	case lifecycle.Unknown:
		return "cause unknown (unknown)"
	}
	return string(category)
}

const shownLines = 5

// addLastLines adds the end of the newest attempt's output, each line marked with "| ".
func (e *Explanation) addLastLines(facts *store.RunFacts) {
	last := newest(facts.Attempts)
	if last == nil || strings.TrimSpace(last.LastLines) == "" {
		return
	}
	lines := strings.Split(strings.TrimRight(last.LastLines, "\n"), "\n")
	for _, line := range lines[max(0, len(lines)-shownLines):] {
		e.Details = append(e.Details, "| "+line)
	}
}

// addAdvice adds what to do about a run that did not complete.
func (e *Explanation) addAdvice(facts *store.RunFacts) {
	if text := remedy(facts); text != "" {
		e.Next = append(e.Next, text)
	}
	if last := newest(facts.Attempts); last != nil && last.RunningAt != nil {
		e.addStep("read its output: berth run logs %s", facts.Run.ID)
	}
	if facts.Run.State.Type == lifecycle.Cancelled {
		e.addStep("list its events: berth run events %s", facts.Run.ID)
	}
	e.offer(Action{Retry, ofRun(facts.Run), "RetryRun", "berth run retry " + facts.Run.ID.String()}, "retry it")
	e.offerAgain(facts.Run)
}

// remedy says how to remove the cause of a failure; empty if only the workload's output can tell.
func remedy(facts *store.RunFacts) string {
	switch category := facts.Run.Category; category {
	case lifecycle.OOM:
		return memoryRemedy(facts)
	case lifecycle.ImagePull:
		return "check the image name and the pull secret"
	case lifecycle.Config:
		return "check its command, and the Secrets, ConfigMaps and volumes that it refers to"
	case lifecycle.Unschedulable, lifecycle.Quota:
		return "lower its resource requests, or free capacity or quota in the cluster"
	case lifecycle.Invalid, lifecycle.Template:
		return "correct the template or the job variables: berth pool template get " +
			shellQuote(facts.Run.Pool)
	case lifecycle.Deadline:
		if isOfTemplate(facts) {
			return "raise job_watch_timeout_seconds, or activeDeadlineSeconds of the Job, in the pool's template, which the " +
				"deployment's job variables may set, or make the workload faster: berth pool template get " +
				shellQuote(facts.Run.Pool)
		}
		return "raise timeout_seconds of the deployment, or make the workload faster"
	case lifecycle.Evicted, lifecycle.Preempted, lifecycle.NodeLost:
		if facts.Policy.InfrastructureMaxFor(category) == 0 {
			return "set retries.infrastructure_max of the deployment to retry such runs automatically"
		}
	}
	return ""
}

// isOfTemplate is true where the limit that a run exceeded is not the deployment's, which has none or a later one.
func isOfTemplate(facts *store.RunFacts) bool {
	run := facts.Run
	return facts.Timeout == nil || run.StartedAt != nil && run.EndedAt != nil &&
		run.EndedAt.Before(run.StartedAt.Add(*facts.Timeout))
}

func memoryRemedy(facts *store.RunFacts) string {
	policy := facts.Policy.OOM
	switch {
	case policy == nil:
		return "raise the job variable that sets its memory, or set retries.oom of the deployment to raise it"
	case facts.RetriesUsed.OOM >= policy.Max:
		return fmt.Sprintf("raise job variable %q, or retries.oom.max of the deployment (%d of %d are used)",
			policy.Variable, facts.RetriesUsed.OOM, policy.Max)
	}
	return fmt.Sprintf("job variable %q is frozen or at its maximum: change its limit in the pool's template",
		policy.Variable)
}
