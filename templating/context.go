package templating

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // not every machine has a database of time zones

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating/internal/value"
	"github.com/berth-dev/berth/templating/runtrace"
)

// Context is the run at hand: what a template reads as ctx.
type Context struct {
	Run        RunContext        `json:"run"`
	Deployment DeploymentContext `json:"deployment"`
	Pool       NameContext       `json:"pool"`
	Queue      NameContext       `json:"queue"`
	Worker     NameContext       `json:"worker"`
}

// RunContext is ctx.run.
type RunContext struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	Attempt       int       `json:"attempt"`
	ScheduledTime time.Time `json:"scheduled_time"`
	// Timezone is the IANA name of the schedule's time zone; empty is UTC.
	Timezone string   `json:"timezone"`
	Tags     []string `json:"tags"`
	// Parameters is any JSON value: json.RawMessage, or what DecodeJSON returns.
	Parameters any `json:"parameters"`
}

// Local is the scheduled time in the time zone of the schedule, UTC where none was given. Its date is the
// day that the run is for.
func (r RunContext) Local() (time.Time, error) {
	zone, err := time.LoadLocation(r.Timezone)
	if err != nil {
		return time.Time{}, fmt.Errorf("time zone %q of the schedule is not known here: %w", r.Timezone, err)
	}
	return r.ScheduledTime.In(zone), nil
}

// traceparent makes spans of the job children of the attempt; it is empty where the run has no ID.
func (r RunContext) traceparent() string {
	id, err := uuid.Parse(r.ID)
	if err != nil {
		return ""
	}
	return runtrace.Parent(id, r.Attempt)
}

// DeploymentContext is ctx.deployment.
type DeploymentContext struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// NameContext is ctx.pool, ctx.queue and ctx.worker.
type NameContext struct {
	Name string `json:"name"`
}

// ContextMember is something that ctx holds.
type ContextMember struct {
	// Path is how it is written after ctx, such as run.name.
	Path string `json:"path"`
	// Type is that of its value: string, integer, list, or any.
	Type string `json:"type"`
	Doc  string `json:"doc"`
	// Open is true if there may be something below it.
	Open bool `json:"open,omitempty"`
}

// ContextMembers lists what ctx holds.
func ContextMembers() []ContextMember {
	const text, integer, list, anything = "string", "integer", "list", "any"
	return []ContextMember{
		{Path: "run.id", Type: text, Doc: "ID of the run, a UUID."},
		{Path: "run.name", Type: text, Doc: "Name of the run, which is unique."},
		{Path: "run.attempt", Type: integer, Doc: "Number of the attempt; the first is 1."},
		{Path: "run.scheduled_time", Type: text, Doc: "Time for which the run is scheduled, in UTC, as 2026-01-31T12:00:00Z."},
		{Path: "run.scheduled_time_local", Type: text, Doc: "The same time in the time zone of the schedule, as 2026-01-31T13:00:00+01:00."},
		{Path: "run.date", Type: text, Doc: "Day for which the run is scheduled in the time zone of the schedule, as 2026-01-31."},
		{Path: "run.timezone", Type: text, Doc: "Time zone of the schedule, or the one given with the run, such as Europe/Berlin; otherwise UTC."},
		{Path: "run.traceparent", Type: text, Doc: "Parent of the job's spans, as the traceparent header of W3C Trace Context; TRACEPARENT has it, too."},
		{Path: "run.tags", Type: list, Doc: "Tags of the run.", Open: true},
		{Path: "run.parameters", Type: anything, Doc: "Parameters of the run.", Open: true},
		{Path: "deployment.id", Type: text, Doc: "ID of the deployment, a UUID."},
		{Path: "deployment.name", Type: text, Doc: "Name of the deployment."},
		{Path: "deployment.version", Type: text, Doc: "Version of the deployment, as its file says it."},
		{Path: "pool.name", Type: text, Doc: "Name of the work pool."},
		{Path: "queue.name", Type: text, Doc: "Name of the work queue."},
		{Path: "worker.name", Type: text, Doc: "Name of the worker; not in job variables, which are the same for each worker."},
		{Path: "flow.name", Type: text, Doc: "Prefect's name for the part of the deployment's name before the first slash."},
		{Path: "flow_run.id", Type: text, Doc: "Prefect's name for the ID of the run."},
		{Path: "flow_run.name", Type: text, Doc: "Prefect's name for the name of the run."},
	}
}

// contextShape names what ctx holds as a tree; below an end that is true anything may follow.
func contextShape() map[string]any {
	shape := map[string]any{}
	for _, m := range ContextMembers() {
		object, member, _ := strings.Cut(m.Path, ".")
		fields, ok := shape[object].(map[string]any)
		if !ok {
			fields = map[string]any{}
			shape[object] = fields
		}
		fields[member] = m.Open
	}
	return shape
}

// Tree returns the context in the form that templates work on. Times are RFC 3339, the scheduled time in UTC.
func (c Context) Tree() (map[string]any, error) {
	parameters, err := value.Normalize(c.Run.Parameters)
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	tags := make([]any, len(c.Run.Tags))
	for i, tag := range c.Run.Tags {
		tags[i] = tag
	}
	var scheduled, local, date any
	if !c.Run.ScheduledTime.IsZero() {
		t, err := c.Run.Local()
		if err != nil {
			return nil, err
		}
		scheduled = t.UTC().Format(time.RFC3339Nano)
		local, date = t.Format(time.RFC3339Nano), t.Format(time.DateOnly)
	}
	flow, _, _ := strings.Cut(c.Deployment.Name, "/")
	return map[string]any{
		"run": map[string]any{
			"id": c.Run.ID, "name": c.Run.Name, "attempt": int64(c.Run.Attempt),
			"scheduled_time": scheduled, "scheduled_time_local": local, "date": date,
			"timezone": cmp.Or(c.Run.Timezone, "UTC"), "tags": tags, "parameters": parameters,
			"traceparent": c.Run.traceparent(),
		},
		"deployment": map[string]any{
			"id":      c.Deployment.ID,
			"name":    c.Deployment.Name,
			"version": c.Deployment.Version,
		},
		// Prefect's names, for templates that come from there.
		"flow":     map[string]any{"name": flow},
		"flow_run": map[string]any{"id": c.Run.ID, "name": c.Run.Name},

		"pool":   map[string]any{"name": c.Pool.Name},
		"queue":  map[string]any{"name": c.Queue.Name},
		"worker": map[string]any{"name": c.Worker.Name},
	}, nil
}

// valueTree is the context that job variables may refer to: all but the worker, because the values of a run are
// the same whichever worker takes it.
func (c Context) valueTree() (map[string]any, error) {
	tree, err := c.Tree()
	delete(tree, "worker")
	return tree, err
}

// DecodeContext reads a context from JSON, strictly.
func DecodeContext(data []byte) (Context, error) {
	if _, err := value.DecodeJSON(data); err != nil {
		return Context{}, fmt.Errorf("decode context: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	var c Context
	if err := decoder.Decode(&c); err != nil {
		return Context{}, fmt.Errorf("decode context: %w", err)
	}
	return c, nil
}
