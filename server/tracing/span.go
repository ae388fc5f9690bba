package tracing

import (
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/traceparent"
	"github.com/berth-dev/berth/templating/runtrace"
)

// span is a span as it is sent.
type span struct {
	name       string
	run        uuid.UUID
	id         trace.SpanID
	parent     trace.SpanID // zero: none
	kind       trace.SpanKind
	start, end time.Time
	attributes []attribute.KeyValue
	links      []trace.Link
	failure    string // empty: the span did not fail
}

// Attributes that no convention has.
const (
	keyPool     = attribute.Key("berth.pool")
	keyQueue    = attribute.Key("berth.queue")
	keyRunName  = attribute.Key("berth.run.name")
	keyVersion  = attribute.Key("berth.deployment.version")
	keySchedule = attribute.Key("berth.schedule")
	keyAttempt  = attribute.Key("berth.attempt")
	keyCluster  = attribute.Key("berth.cluster.id")
	keyLink     = attribute.Key("berth.link")
)

// spansOf are the spans of an end: of the attempt, and of the run if it ended. publicURL may be empty.
func spansOf(e store.TracedEnd, publicURL string) []span {
	var spans []span
	if e.Attempt != nil {
		spans = append(spans, ofAttempt(e, *e.Attempt)...)
	}
	if e.State == "" {
		return spans
	}
	if e.Attempt == nil {
		spans = append(spans, waitOf(e, runtrace.SpanID(e.RunID, int(e.Event), runtrace.Wait+" without attempt"), e.EndedAt))
	}
	return append(spans, ofRun(e, publicURL))
}

func rootOf(run uuid.UUID) trace.SpanID { return runtrace.SpanID(run, 0, runtrace.Run) }

// ofRun is the span of the run. One that had ended before and was retried goes on below it.
func ofRun(e store.TracedEnd, publicURL string) span {
	s := span{
		name: "RUN " + e.Deployment, run: e.RunID, id: rootOf(e.RunID), kind: trace.SpanKindServer,
		start: e.BeganAt, end: e.EndedAt,
		attributes: append(common(e),
			semconv.CICDPipelineActionNameRun,
			semconv.CICDPipelineResultKey.String(resultOf(e.State, e.Category)),
		),
	}
	if e.Version != "" {
		s.attributes = append(s.attributes, keyVersion.String(e.Version))
	}
	if publicURL != "" {
		s.attributes = append(s.attributes, semconv.CICDPipelineRunURLFull(publicURL+"/runs/"+e.RunID.String()))
	}
	if e.Schedule != "" {
		s.attributes = append(s.attributes, keySchedule.String(e.Schedule))
	}
	if e.State != lifecycle.Completed {
		s.fail(string(e.Category), string(e.State))
	}
	if e.RerunAt != nil {
		s.name, s.start, s.kind = "rerun", *e.RerunAt, trace.SpanKindInternal
		s.id, s.parent = runtrace.SpanID(e.RunID, int(e.Event), runtrace.Rerun), rootOf(e.RunID)
		return s.ordered()
	}
	if caller := traceparent.Parse(e.Traceparent); caller.IsValid() {
		s.links = append(s.links, trace.Link{SpanContext: caller, Attributes: []attribute.KeyValue{keyLink.String("caller")}})
	}
	if e.Previous != nil {
		s.links = append(s.links, trace.Link{
			SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID(*e.Previous), SpanID: rootOf(*e.Previous), TraceFlags: trace.FlagsSampled, Remote: true,
			}),
			Attributes: []attribute.KeyValue{keyLink.String("previous run of schedule")},
		})
	}
	return s.ordered()
}

// common are the attributes of the spans that people search by.
func common(e store.TracedEnd) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.CICDPipelineName(e.Deployment), semconv.CICDPipelineRunID(e.RunID.String()),
		keyRunName.String(e.Run), keyPool.String(e.Pool), keyQueue.String(e.Queue),
	}
}

func waitOf(e store.TracedEnd, id trace.SpanID, until time.Time) span {
	s := span{
		name: string(runtrace.Wait), run: e.RunID, id: id, parent: rootOf(e.RunID), kind: trace.SpanKindInternal,
		start: e.DueAt, end: until, attributes: append(common(e), semconv.CICDPipelineRunStatePending),
	}
	if s.start.Before(e.BeganAt) { // a time in the past was asked for
		s.start = e.BeganAt
	}
	return s.ordered()
}

// ofAttempt are the spans of an attempt that has ended.
func ofAttempt(e store.TracedEnd, a store.TracedAttempt) []span {
	number := int(a.Number)
	id := func(stage runtrace.Stage) trace.SpanID { return runtrace.SpanID(e.RunID, number, stage) }
	wait := waitOf(e, id(runtrace.Wait), a.ClaimedAt)
	wait.attributes = append(wait.attributes, keyAttempt.Int(number))

	places := placesOf(e.PoolType, a)
	result := resultOfAttempt(a.Outcome)
	whole := span{
		name: string(runtrace.Attempt), run: e.RunID, id: id(runtrace.Attempt), parent: rootOf(e.RunID),
		kind: trace.SpanKindInternal, start: a.ClaimedAt, end: e.RecordedAt,
		attributes: append(append(common(e),
			semconv.CICDPipelineTaskName(e.Deployment),
			semconv.CICDPipelineTaskRunID(e.RunID.String()+"/"+strconv.Itoa(number)),
			semconv.CICDPipelineTaskRunResultKey.String(result),
			semconv.CICDWorkerName(a.Worker), keyCluster.String(a.ClusterID), keyAttempt.Int(number),
		), places...),
	}
	if a.Outcome.ExitCode != nil {
		whole.attributes = append(whole.attributes, semconv.ProcessExitCode(int(*a.Outcome.ExitCode)))
	}
	if !a.Outcome.Succeeded {
		whole.fail(string(a.Outcome.Category), result)
	}

	spans := []span{wait, whole.ordered()}
	for _, s := range stagesOf(a) {
		one := span{
			name: string(s.stage), run: e.RunID, id: id(s.stage), parent: whole.id, kind: trace.SpanKindInternal,
			start: s.start, end: s.end,
		}
		switch s.stage {
		case runtrace.Launch, runtrace.Pending:
			one.attributes = places
		case runtrace.Execute:
			one.attributes = append([]attribute.KeyValue{semconv.CICDPipelineRunStateExecuting}, places...)
		}
		if s.last && !a.Outcome.Succeeded {
			one.fail(string(a.Outcome.Category), result)
		}
		spans = append(spans, one)
	}
	record := span{
		name: string(runtrace.Record), run: e.RunID, id: id(runtrace.Record), parent: whole.id, kind: trace.SpanKindInternal,
		start: a.EndedAt, end: e.RecordedAt, attributes: []attribute.KeyValue{semconv.CICDPipelineRunStateFinalizing},
	}
	return append(spans, record.ordered())
}

// stage is a part of an attempt. The last one is where the attempt ended.
type stage struct {
	stage      runtrace.Stage
	start, end time.Time
	last       bool
}

// stagesOf divides an attempt at the times that are known. Clocks of several machines made them, so that none may be before
// the one before it, or after the end.
func stagesOf(a store.TracedAttempt) []stage {
	var stages []stage
	from := a.ClaimedAt
	reached := runtrace.Render
	add := func(until *time.Time, next runtrace.Stage) {
		if until == nil {
			return
		}
		end := *until
		if end.After(a.EndedAt) {
			end = a.EndedAt
		}
		if end.Before(from) {
			end = from
		}
		stages = append(stages, stage{stage: reached, start: from, end: end})
		from, reached = end, next
	}
	add(a.RenderedAt, runtrace.Launch)
	if a.RenderedAt == nil && a.SubmittedAt != nil {
		reached = runtrace.Launch // when it was rendered is not known
	}
	add(a.SubmittedAt, runtrace.Pending)
	if a.SubmittedAt == nil && a.RunningAt != nil {
		reached = runtrace.Pending
	}
	add(a.RunningAt, runtrace.Execute)
	add(&a.EndedAt, "")
	stages[len(stages)-1].last = true
	return stages
}

// placesOf says where in the cluster the attempt was. Processes have none of it but a host.
func placesOf(poolType string, a store.TracedAttempt) []attribute.KeyValue {
	const kubernetes = "kubernetes"
	texts := []attribute.KeyValue{
		semconv.K8SNamespaceName(a.JobNamespace), semconv.K8SJobName(a.JobName), semconv.K8SJobUID(a.JobUID),
		semconv.K8SNodeName(a.Node), semconv.ContainerImageName(a.Image),
	}
	if poolType != kubernetes {
		texts = []attribute.KeyValue{semconv.HostName(a.Node)}
	}
	var known []attribute.KeyValue
	for _, t := range texts {
		if t.Value.AsString() != "" {
			known = append(known, t)
		}
	}
	return known
}

func resultOfAttempt(o lifecycle.Outcome) string {
	switch {
	case o.Succeeded:
		return resultOf(lifecycle.Completed, "")
	case o.Category == lifecycle.CancelledEnd:
		return resultOf(lifecycle.Cancelled, o.Category)
	case o.Category == lifecycle.App, o.Category == lifecycle.OOM, o.Category == lifecycle.Deadline:
		return resultOf(lifecycle.Failed, o.Category)
	}
	return resultOf(lifecycle.Crashed, o.Category)
}

// resultOf is a state in the words of the conventions for CI/CD.
func resultOf(state lifecycle.StateType, category lifecycle.Category) string {
	switch {
	case state == lifecycle.Completed:
		return semconv.CICDPipelineResultSuccess.Value.AsString()
	case category == lifecycle.Deadline:
		return semconv.CICDPipelineResultTimeout.Value.AsString()
	case state == lifecycle.Cancelled:
		return semconv.CICDPipelineResultCancellation.Value.AsString()
	case state == lifecycle.Failed:
		return semconv.CICDPipelineResultFailure.Value.AsString()
	}
	return semconv.CICDPipelineResultError.Value.AsString()
}

// fail marks the span as failed. The message of an outcome is left out: it may quote values.
func (s *span) fail(category, otherwise string) {
	s.failure = category
	if s.failure == "" {
		s.failure = otherwise
	}
	s.attributes = append(s.attributes, semconv.ErrorTypeKey.String(s.failure))
}

// ordered is the span with an end that is not before its start: clocks of several machines made them.
func (s span) ordered() span {
	if s.end.Before(s.start) {
		s.end = s.start
	}
	return s
}
