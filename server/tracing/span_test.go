package tracing

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

var (
	aRun  = uuid.MustParse("0197b8f0-1234-7abc-9def-0123456789ab")
	begin = time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC)
)

func after(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }

func afterPtr(seconds int) *time.Time { return new(after(seconds)) }

// anEnd is that of a run whose only attempt succeeded: due at 0, claimed at 10, rendered at 11, submitted at 12, running at 30,
// ended at 90, recorded at 91 seconds.
func anEnd(change func(*store.TracedEnd)) store.TracedEnd {
	e := store.TracedEnd{
		RunID: aRun, Run: "brave-otter", Deployment: "etl", Pool: "p", PoolType: "kubernetes", Queue: "default",
		BeganAt: begin, DueAt: begin, RecordedAt: after(91), EndedAt: after(90), State: lifecycle.Completed, Event: 5,
		Attempt: &store.TracedAttempt{
			Number: 1, Worker: "w-1", ClusterID: "c", JobNamespace: "jobs", JobName: "etl-1", JobUID: "u", Node: "n",
			Image: "busybox@sha256:1", Outcome: lifecycle.Outcome{Succeeded: true, ExitCode: new(int32(0))},
			ClaimedAt: after(10), RenderedAt: afterPtr(11), SubmittedAt: afterPtr(12), RunningAt: afterPtr(30), EndedAt: after(90),
		},
	}
	change(&e)
	return e
}

// failing ends the run with a category.
func failing(e *store.TracedEnd, state lifecycle.StateType, category lifecycle.Category) {
	e.State, e.Category = state, category
	e.Attempt.Outcome = lifecycle.Outcome{Category: category, Message: "the password is hunter2"}
}

func TestSpansOfAnEnd(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*store.TracedEnd)
		want   string
	}{
		"that succeeded": {func(*store.TracedEnd) {}, `
RUN etl 0-90
wait 0-10 < RUN etl
attempt 10-91 < RUN etl
render 10-11 < attempt
launch 11-12 < attempt
pending 12-30 < attempt
execute 30-90 < attempt
record 90-91 < attempt`},
		"of a job that failed": {func(e *store.TracedEnd) { failing(e, lifecycle.Failed, lifecycle.App) }, `
RUN etl 0-90 failed: app
wait 0-10 < RUN etl
attempt 10-91 < RUN etl failed: app
render 10-11 < attempt
launch 11-12 < attempt
pending 12-30 < attempt
execute 30-90 < attempt failed: app
record 90-91 < attempt`},
		"whose template does not render": {func(e *store.TracedEnd) {
			failing(e, lifecycle.Crashed, lifecycle.Template)
			e.Attempt.RenderedAt, e.Attempt.SubmittedAt, e.Attempt.RunningAt = nil, nil, nil
		}, `
RUN etl 0-90 failed: template
wait 0-10 < RUN etl
attempt 10-91 < RUN etl failed: template
render 10-90 < attempt failed: template
record 90-91 < attempt`},
		"whose container never ran": {func(e *store.TracedEnd) {
			failing(e, lifecycle.Crashed, lifecycle.ImagePull)
			e.Attempt.RunningAt = nil
		}, `
RUN etl 0-90 failed: image_pull
wait 0-10 < RUN etl
attempt 10-91 < RUN etl failed: image_pull
render 10-11 < attempt
launch 11-12 < attempt
pending 12-90 < attempt failed: image_pull
record 90-91 < attempt`},
		"with clocks that disagree": {func(e *store.TracedEnd) {
			e.Attempt.RenderedAt, e.Attempt.SubmittedAt, e.Attempt.RunningAt = afterPtr(5), afterPtr(8), afterPtr(200)
		}, `
RUN etl 0-90
wait 0-10 < RUN etl
attempt 10-91 < RUN etl
render 10-10 < attempt
launch 10-10 < attempt
pending 10-90 < attempt
execute 90-90 < attempt
record 90-91 < attempt`},
		"of an attempt that is tried again": {func(e *store.TracedEnd) {
			failing(e, "", lifecycle.NodeLost)
		}, `
wait 0-10 < RUN etl
attempt 10-91 < RUN etl failed: node_lost
render 10-11 < attempt
launch 11-12 < attempt
pending 12-30 < attempt
execute 30-90 < attempt failed: node_lost
record 90-91 < attempt`},
		"of a run that was cancelled while it waited": {func(e *store.TracedEnd) {
			e.Attempt, e.State = nil, lifecycle.Cancelled
		}, `
RUN etl 0-90 failed: CANCELLED
wait 0-90 < RUN etl`},
		"of a run that had ended before": {func(e *store.TracedEnd) {
			e.Attempt, e.State, e.RerunAt = nil, lifecycle.Cancelled, afterPtr(60)
			e.DueAt = after(60)
		}, `
wait 60-90 < RUN etl
rerun 60-90 < RUN etl failed: CANCELLED`},
	} {
		t.Run(name, func(t *testing.T) {
			spans := spansOf(anEnd(test.change), "https://berth.example")
			if diff := cmp.Diff(strings.TrimSpace(test.want), sketch(spans)); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
			for _, s := range spans {
				if text := fmt.Sprint(s.attributes, s.failure); strings.Contains(text, "hunter2") {
					t.Errorf("%s shows the message of the outcome: %s", s.name, text)
				}
			}
		})
	}
}

// sketch shows spans, the run first, with their seconds and parents.
func sketch(spans []span) string {
	names := map[string]string{rootOf(aRun).String(): "RUN etl"}
	for _, s := range spans {
		names[s.id.String()] = s.name
	}
	var lines []string
	for _, s := range spans {
		line := fmt.Sprintf("%s %.0f-%.0f", s.name, s.start.Sub(begin).Seconds(), s.end.Sub(begin).Seconds())
		if s.parent.IsValid() {
			line += " < " + names[s.parent.String()]
		}
		if s.failure != "" {
			line += " failed: " + s.failure
		}
		if s.parent.IsValid() {
			lines = append(lines, line)
		} else {
			lines = append([]string{line}, lines...)
		}
	}
	return strings.Join(lines, "\n")
}

func TestAttributesFollowTheConventions(t *testing.T) {
	spans := spansOf(anEnd(func(e *store.TracedEnd) { failing(e, lifecycle.Failed, lifecycle.Deadline) }), "https://berth.example")
	want := map[string]map[string]string{
		"RUN etl": {
			"cicd.pipeline.name": "etl", "cicd.pipeline.run.id": aRun.String(), "cicd.pipeline.action.name": "RUN",
			"cicd.pipeline.result": "timeout", "error.type": "deadline",
			"cicd.pipeline.run.url.full": "https://berth.example/runs/" + aRun.String(), "berth.pool": "p",
		},
		"attempt": {
			"cicd.pipeline.task.run.id": aRun.String() + "/1", "cicd.pipeline.task.run.result": "timeout",
			"cicd.worker.name": "w-1", "k8s.namespace.name": "jobs", "k8s.job.name": "etl-1", "k8s.job.uid": "u",
			"k8s.node.name": "n", "container.image.name": "busybox@sha256:1",
		},
		"wait":    {"cicd.pipeline.run.state": "pending", "berth.queue": "default"},
		"execute": {"cicd.pipeline.run.state": "executing", "k8s.node.name": "n"},
		"record":  {"cicd.pipeline.run.state": "finalizing"},
	}
	for _, s := range spans {
		got := map[string]string{}
		for _, a := range s.attributes {
			got[string(a.Key)] = a.Value.String()
		}
		for key, value := range want[s.name] {
			if got[key] != value {
				t.Errorf("%s: %s is %q, want %q", s.name, key, got[key], value)
			}
		}
	}
	process := spansOf(anEnd(func(e *store.TracedEnd) { e.PoolType = "process" }), "")
	if text := fmt.Sprint(process); strings.Contains(text, "k8s.") {
		t.Errorf("a process has attributes of Kubernetes: %s", text)
	}
}

func TestLinksLeadToTheCallerAndToThePreviousRun(t *testing.T) {
	previous := uuid.MustParse("0197b8f0-0000-7abc-9def-0123456789ab")
	spans := spansOf(anEnd(func(e *store.TracedEnd) {
		e.Traceparent, e.Previous = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &previous
	}), "")
	links := spans[len(spans)-1].links
	if len(links) != 2 || links[0].SpanContext.SpanID().String() != "b7ad6b7169203331" ||
		links[1].SpanContext.TraceID().String() != "0197b8f000007abc9def0123456789ab" ||
		links[1].SpanContext.SpanID() != rootOf(previous) {
		t.Errorf("links %+v", links)
	}
}
