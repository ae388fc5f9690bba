// Package explain says in words why a run waits and why it ended as it did, and what to do next, from what the API
// tells about it. It is pure: facts in, lines out.
package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// Facts are what is known. Only Run is needed; what is nil is not known.
type Facts struct {
	Run        api.Run
	Attempts   []api.Attempt
	Pool       *api.WorkPool
	Queue      *api.WorkQueue
	Deployment *api.Deployment
	// Workers of the run's pool.
	Workers []api.Worker
	Now     time.Time
}

// Explain answers "why is it waiting" or "why did it end like this", one thing a line; what to do comes last.
func Explain(f Facts) []string {
	switch f.Run.State.Type {
	case "SCHEDULED":
		return waiting(f)
	case "PENDING":
		return pending(f)
	case "RUNNING":
		return running(f)
	case "CANCELLING":
		return []string{"it is being cancelled; it ends as CANCELLED when its container has stopped, or as what it was when it was faster"}
	case "COMPLETED":
		return []string{fmt.Sprintf("it completed%s", took(f.Run))}
	case "CANCELLED":
		return append([]string{"it was cancelled" + because(cli.Text(f.Run.State.Message))}, nextSteps(f.Run)...)
	}
	return Ended(f.Run, f.Attempts)
}

func because(message string) string {
	if message == "" {
		return ""
	}
	return ": " + message
}

func took(run api.Run) string {
	if run.StartedAt == nil || run.EndedAt == nil {
		return ""
	}
	return " after " + cli.Duration(run.EndedAt.Sub(*run.StartedAt))
}

func waiting(f Facts) []string {
	if f.Run.ScheduledTime.After(f.Now) {
		what := "it is due in " + cli.Duration(f.Run.ScheduledTime.Sub(f.Now))
		if f.Run.State.Name == "AwaitingRetry" {
			what = "its next attempt is due in " + cli.Duration(f.Run.ScheduledTime.Sub(f.Now))
			if last := newest(f.Attempts); last != nil {
				what += "; the last one ended with " + ending(f.Run, last)
			}
		}
		return []string{what}
	}
	lines := blocked(f)
	if len(lines) == 0 {
		lines = append(lines, fmt.Sprintf("it is due since %s and nothing is in its way: a worker claims it next",
			cli.Duration(f.Now.Sub(f.Run.ScheduledTime))))
	}
	return lines
}

// blocked lists everything that keeps a due run from being claimed.
func blocked(f Facts) []string {
	var lines []string
	if f.Pool != nil && f.Pool.Paused {
		lines = append(lines, fmt.Sprintf("pool %q is paused; go on with: berth pool resume %s", f.Pool.Name, f.Pool.Name))
	}
	if f.Deployment != nil && f.Deployment.Paused {
		lines = append(lines, fmt.Sprintf("deployment %q is paused; go on with: berth deployment resume %s", f.Deployment.Name, f.Deployment.Name))
	}
	if f.Queue != nil && f.Queue.Paused {
		lines = append(lines, fmt.Sprintf("queue %q is paused", f.Queue.Name))
	}
	if f.Pool != nil {
		lines = append(lines, full("pool", f.Pool.Name, f.Pool.SlotsUsed, f.Pool.ConcurrencyLimit)...)
	}
	if f.Queue != nil {
		lines = append(lines, full("queue", f.Queue.Name, f.Queue.SlotsUsed, f.Queue.ConcurrencyLimit)...)
	}
	return append(lines, noWorker(f)...)
}

func full(kind, name string, used int32, limit *int32) []string {
	if limit == nil || used < *limit {
		return nil
	}
	return []string{fmt.Sprintf("%s %q has all its %d slots in use", kind, name, *limit)}
}

func noWorker(f Facts) []string {
	if f.Workers == nil {
		return nil
	}
	var freshest time.Time
	for _, worker := range f.Workers {
		if worker.Alive {
			return nil
		}
		if worker.LastSeenAt.After(freshest) {
			freshest = worker.LastSeenAt
		}
	}
	line := fmt.Sprintf("no worker of pool %q is alive", f.Run.Pool)
	if !freshest.IsZero() {
		line += ", the last was heard of " + cli.Duration(f.Now.Sub(freshest)) + " ago"
	}
	return []string{line + fmt.Sprintf("; start one with: berth worker start --pool %s", f.Run.Pool)}
}

func pending(f Facts) []string {
	last := newest(f.Attempts)
	if last == nil {
		return []string{"a worker has it and is about to start it"}
	}
	line := fmt.Sprintf("worker %q has claimed it", last.Worker)
	if last.JobName != nil {
		line += fmt.Sprintf(", its job is %s", *last.JobName)
		if last.JobNamespace != nil && *last.JobNamespace != "" {
			line += fmt.Sprintf(" in namespace %s", *last.JobNamespace)
		}
	}
	lines := []string{line}
	if diagnosis := cli.Text(last.Diagnosis); diagnosis != "" {
		lines = append(lines, "it has not started: "+diagnosis)
	} else if message := cli.Text(f.Run.State.Message); message != "" {
		lines = append(lines, message)
	}
	return lines
}

func running(f Facts) []string {
	line := "it runs"
	if f.Run.StartedAt != nil {
		line += " since " + cli.Duration(f.Now.Sub(*f.Run.StartedAt))
	}
	if last := newest(f.Attempts); last != nil {
		line += fmt.Sprintf(", attempt %d, worker %q", last.Number, last.Worker)
		if last.Node != nil && *last.Node != "" {
			line += ", node " + *last.Node
		}
	}
	return []string{line, fmt.Sprintf("see its output with: berth run logs --follow %s", f.Run.ID)}
}

func newest(attempts []api.Attempt) *api.Attempt {
	var last *api.Attempt
	for i := range attempts {
		if last == nil || attempts[i].Number > last.Number {
			last = &attempts[i]
		}
	}
	return last
}

// Ended says why a run that has ended did not complete, and what to do next.
func Ended(run api.Run, attempts []api.Attempt) []string {
	lines := []string{fmt.Sprintf("it ended as %s: %s", cli.StateText(run.State), ending(run, newest(attempts)))}
	if len(attempts) > 1 {
		lines = append(lines, fmt.Sprintf("after %d attempts", len(attempts)))
	}
	return append(lines, nextSteps(run)...)
}

// ending is an attempt's end in words: category, exit code, message.
func ending(run api.Run, last *api.Attempt) string {
	category, code, message := run.Category, run.ExitCode, cli.Text(run.State.Message)
	if last != nil {
		if last.Category != nil {
			category = last.Category
		}
		if last.ExitCode != nil {
			code = last.ExitCode
		}
		if text := cli.Text(last.Message); text != "" {
			message = text
		}
	}
	var parts []string
	if category != nil {
		parts = append(parts, meaning(*category))
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

func meaning(c api.Category) string {
	words := map[api.Category]string{
		"app": "the workload failed (app)", "oom": "out of memory (oom)", "evicted": "evicted from its node (evicted)",
		"preempted": "preempted by something more important (preempted)", "node_lost": "its node was lost (node_lost)",
		"deadline": "it took too long (deadline)", "image_pull": "its image could not be pulled (image_pull)",
		"config":        "something it refers to is missing or wrong (config)",
		"unschedulable": "no node could take it (unschedulable)", "quota": "over a quota (quota)",
		"invalid":  "the cluster refused the job (invalid)",
		"template": "its template could not be rendered (template)", "deleted": "somebody deleted it (deleted)",
		"cancelled": "cancelled", "unknown": "it is not known why (unknown)",
	}
	if text, ok := words[c]; ok {
		return text
	}
	return string(c)
}

// nextSteps are what a person may want to do about it.
func nextSteps(run api.Run) []string {
	var advice string
	if run.Category != nil {
		advice = advise(*run.Category, run)
	}
	var lines []string
	if advice != "" {
		lines = append(lines, "next: "+advice)
	}
	if run.Attempt > 0 {
		lines = append(lines, fmt.Sprintf("output: berth run logs %s", run.ID))
	}
	return append(lines, fmt.Sprintf("again: berth run retry %s", run.ID))
}

func advise(c api.Category, run api.Run) string {
	switch c {
	case "app":
		return "look at the end of its output"
	case "oom":
		return "give it more memory with the pool's memory variable (--job-variable)"
	case "image_pull":
		return "check the image's name and the pull secret"
	case "config":
		return "check its command, and the Secrets, ConfigMaps and volumes that it names"
	case "unschedulable", "quota":
		return "ask for less, or have room made in the cluster"
	case "invalid", "template":
		return fmt.Sprintf("correct the template or the job variables: berth pool template get %s", run.Pool)
	case "deadline":
		return "raise timeout_seconds of the deployment, or make it faster"
	}
	return ""
}
