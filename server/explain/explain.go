// Package explain says in words why a run waits, why it ended as it did, and what to do next. It is pure:
// what is known goes in, sentences come out. The API hands them out, so that the page, the command line and a
// person's own script say the same.
package explain

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Reason is one thing that keeps a run from going on.
type Reason struct {
	Code    Code
	Message string
}

// Code of a reason is stable.
type Code string

// Codes of reasons.
const (
	NotDue           Code = "not-due"
	AwaitingRetry    Code = "awaiting-retry"
	PoolPaused       Code = "pool-paused"
	QueuePaused      Code = "queue-paused"
	DeploymentPaused Code = "deployment-paused"
	PoolFull         Code = "pool-full"
	QueueFull        Code = "queue-full"
	DeploymentFull   Code = "deployment-full"
	NoWorker         Code = "no-worker"
	WorkersPaused    Code = "workers-paused"
	LostCluster      Code = "no-worker-of-cluster"
	Starting         Code = "starting"
)

// Explanation is the answer: one sentence, what more there is to know, and what to do.
type Explanation struct {
	Sentence string
	// Reasons why it waits, the one in the sentence first; none of a run that runs or has ended.
	Reasons []Reason
	Details []string
	// Next are what a person may do about it, commands where there are some.
	Next []string
}

// Explain answers "why is it waiting" or "why did it end like this".
func Explain(f *store.Situation) Explanation {
	switch f.Run.State.Type {
	case lifecycle.Scheduled:
		return scheduled(f)
	case lifecycle.Pending:
		return pending(f)
	case lifecycle.Running:
		return running(f)
	case lifecycle.Cancelling:
		return cancelling(f)
	}
	return ended(f)
}

func running(f *store.Situation) Explanation {
	e := Explanation{Sentence: "it runs"}
	if f.Run.StartedAt != nil {
		e.Sentence += " for " + span(f.Now.Sub(*f.Run.StartedAt))
	}
	if last := newest(f.Attempts); last != nil {
		e.Sentence += fmt.Sprintf(", attempt %d on worker %q", last.Number, last.Worker)
		if last.Node != "" {
			e.Sentence += ", node " + last.Node
		}
	}
	e.seen(f)
	e.timeout(f)
	e.lost(f)
	e.earlier(f)
	e.Next = append(e.Next, "see its output: berth run logs --follow "+f.Run.ID.String())
	return e
}

func cancelling(f *store.Situation) Explanation {
	e := Explanation{Sentence: "it is being cancelled: " + f.Run.State.Message}
	if f.Run.State.Message == "" {
		e.Sentence = "it is being cancelled"
	}
	e.Details = append(
		e.Details,
		"it ends when its container has stopped, as what it was where it was faster",
	)
	e.seen(f)
	e.lost(f)
	e.Next = append(e.Next, "follow it: berth run watch "+f.Run.ID.String())
	return e
}

// seen repeats what the worker has to say of an attempt that runs, or does not end.
func (e *Explanation) seen(f *store.Situation) {
	if last := newest(f.Attempts); last != nil && last.Diagnosis != "" && last.EndedAt == nil {
		e.Details = append(e.Details, last.Diagnosis)
	}
}

func pending(f *store.Situation) Explanation {
	e := Explanation{Sentence: "a worker has it and is about to start it"}
	last := newest(f.Attempts)
	if last == nil {
		e.Next = append(e.Next, "follow it: berth run watch "+f.Run.ID.String())
		return e
	}
	e.Sentence = fmt.Sprintf("worker %q has claimed it and is about to make its job", last.Worker)
	if last.JobName != "" {
		e.Sentence = fmt.Sprintf("its job %s has not started", job(last))
	}
	if last.Diagnosis != "" {
		e.Sentence += ": " + last.Diagnosis
	}
	e.Reasons = append(e.Reasons, Reason{Starting, e.Sentence})
	e.Details = append(
		e.Details,
		fmt.Sprintf("claimed %s ago, attempt %d", span(f.Now.Sub(last.ClaimedAt)), last.Number),
	)
	e.startDeadline(f)
	e.timeout(f)
	e.lost(f)
	e.earlier(f)
	if last.JobName != "" && last.JobNamespace != "" {
		e.Next = append(
			e.Next,
			fmt.Sprintf(
				"look at it in the cluster: kubectl -n %s describe job %s",
				last.JobNamespace,
				last.JobName,
			),
		)
	}
	e.Next = append(e.Next, "follow it: berth run watch "+f.Run.ID.String())
	return e
}

// lost says that nobody who could go on with the attempt is alive.
func (e *Explanation) lost(f *store.Situation) {
	last, s := newest(f.Attempts), f
	if last == nil || s.LeaseExpiresAt == nil || s.LeaseExpiresAt.After(s.Now) {
		return
	}
	for _, w := range s.Workers {
		if w.ClusterID == last.ClusterID && alive(w, s.Now) {
			return
		}
	}
	message := fmt.Sprintf(
		"worker %q was last heard of %s ago, and no other worker of cluster %q is alive to take it over",
		last.Worker,
		span(s.Now.Sub(*s.LeaseExpiresAt)),
		last.ClusterID,
	)
	e.Reasons = append([]Reason{{LostCluster, message}}, e.Reasons...)
	e.Details = append(e.Details, e.Sentence)
	e.Sentence = message
	e.Next = append(e.Next, "start a worker in that cluster: berth worker start --pool "+word(f.Run.Pool),
		"or, if its job is certainly gone, let another worker try anew: berth run release "+f.Run.ID.String())
}

func (e *Explanation) timeout(f *store.Situation) {
	if at := f.TimeoutAt; at != nil {
		e.Details = append(e.Details, "its time is up "+when(f.Now, *at)+", retries included")
	}
}

func (e *Explanation) startDeadline(f *store.Situation) {
	if at := f.StartDeadline; at != nil && f.Run.StartedAt == nil {
		e.Details = append(e.Details, "it expires if it has not started "+when(f.Now, *at))
	}
}

// earlier are the attempts that have ended, each in a line.
func (e *Explanation) earlier(f *store.Situation) {
	for i := range f.Attempts {
		if a := &f.Attempts[i]; a.EndedAt != nil {
			e.Details = append(e.Details, attemptLine(f, i))
		}
	}
	if used := used(f); used != "" && !f.Run.State.Type.Terminal() {
		e.Details = append(e.Details, used)
	}
}

// used is what is gone of the budgets for retries, where anything is.
func used(f *store.Situation) string {
	var parts []string
	for _, budget := range []struct {
		name      string
		gone, all int
	}{
		{"retries", f.Spent.App, f.Policy.Max},
		{"out-of-memory retries", f.Spent.OOM, f.Policy.OOMMax()},
		{"infrastructure retries", f.Spent.Infrastructure, f.Policy.InfrastructureMaxFor(lifecycle.Evicted)},
	} {
		if budget.gone > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d %s", budget.gone, budget.all, budget.name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "used up so far: " + strings.Join(parts, ", ")
}

func newest(attempts []store.Attempt) *store.Attempt {
	if len(attempts) == 0 {
		return nil
	}
	return &attempts[len(attempts)-1]
}

func job(a *store.Attempt) string {
	if a.JobNamespace == "" {
		return a.JobName
	}
	return a.JobNamespace + "/" + a.JobName
}

func alive(w store.Worker, now time.Time) bool { return now.Sub(w.LastSeenAt) < store.WorkerAliveFor }

func when(now, at time.Time) string {
	if left := at.Sub(now); left > 0 {
		return "in " + span(left)
	}
	return "now"
}

// word is a name as a shell takes it.
func word(name string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._:@+-", r)
	}
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return !plain(r) }) < 0 {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// span is a duration for people: two units at most.
func span(d time.Duration) string {
	d = max(d, 0)
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.size {
			continue
		}
		text := fmt.Sprintf("%d%s", d/u.size, u.name)
		if i+1 < len(units) && d/u.size < 10 { // beyond ten of a unit the smaller one is noise
			if rest := d % u.size / units[i+1].size; rest > 0 {
				text += fmt.Sprintf("%d%s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "less than 1s"
}
