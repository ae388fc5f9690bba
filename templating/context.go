package templating

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth/templating/internal/value"
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
	Tags          []string  `json:"tags"`
	// Parameters is any JSON value: json.RawMessage, or what DecodeJSON returns.
	Parameters any `json:"parameters"`
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

// contextShape names what ctx holds; below an open end anything may follow.
func contextShape() map[string]any {
	const end, open = false, true
	name := map[string]any{"name": end}
	return map[string]any{
		"run": map[string]any{
			"id":             end,
			"name":           end,
			"attempt":        end,
			"scheduled_time": end,
			"tags":           open,
			"parameters":     open,
		},
		"deployment": map[string]any{"id": end, "name": end, "version": end},
		"flow":       name, "flow_run": map[string]any{"id": end, "name": end},
		"pool": name, "queue": name, "worker": name,
	}
}

// Tree returns the context in the form that templates work on. The scheduled time is UTC, as RFC 3339.
func (c Context) Tree() (map[string]any, error) {
	parameters, err := value.Normalize(c.Run.Parameters)
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	tags := make([]any, len(c.Run.Tags))
	for i, tag := range c.Run.Tags {
		tags[i] = tag
	}
	var scheduled any
	if !c.Run.ScheduledTime.IsZero() {
		scheduled = c.Run.ScheduledTime.UTC().Format(time.RFC3339Nano)
	}
	flow, _, _ := strings.Cut(c.Deployment.Name, "/")
	return map[string]any{
		"run": map[string]any{
			"id": c.Run.ID, "name": c.Run.Name, "attempt": int64(c.Run.Attempt),
			"scheduled_time": scheduled, "tags": tags, "parameters": parameters,
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
