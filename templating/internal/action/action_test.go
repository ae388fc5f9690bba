package action_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/berth-dev/berth/templating/internal/action"
	"github.com/berth-dev/berth/templating/internal/value"
)

// object keeps the expectations short.
type object = map[string]any

func list(items ...any) []any { return append([]any{}, items...) }

// program is a compiled source with what it is executed with.
type program struct {
	*action.Template
	env action.Env
}

// compiled compiles a source that has no issues.
func compiled(t testing.TB, source string, o action.Options) *program {
	t.Helper()
	template, issues := action.Compile(source, o)
	if len(issues) > 0 {
		t.Fatalf("%s does not compile: %+v", source, issues)
	}
	return &program{Template: template, env: action.Env{
		Variables: object{}, Context: object{"run": object{"name": "nightly"}},
		Budget: value.NewBudget(context.Background(), value.Limits{}),
		Now:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Place:  "/job_configuration/x",
	}}
}

// text compiles a source as a whole text and executes it.
func text(t testing.TB, source string, variables object) (string, error) {
	t.Helper()
	p := compiled(t, source, action.Options{Text: true})
	p.env.Variables = variables
	return p.Text(&p.env)
}

// single compiles a source as a single value and evaluates it.
func single(t testing.TB, source string, variables object) (any, error) {
	t.Helper()
	p := compiled(t, source, action.Options{})
	if !p.IsValue() {
		t.Fatalf("%s is not a single action", source)
	}
	p.env.Variables = variables
	return p.Value(&p.env)
}

// limited executes a source with limits and returns what it used.
func limited(t testing.TB, source string, variables object, limits value.Limits) (value.Limits, error) {
	t.Helper()
	p := compiled(t, source, action.Options{Text: true})
	p.env.Variables, p.env.Budget = variables, value.NewBudget(context.Background(), limits)
	_, err := p.Text(&p.env)
	return p.env.Budget.Used(), err
}

// limitOf returns the limit that an error is about, or "".
func limitOf(err error) string {
	var limit *value.LimitError
	if errors.As(err, &limit) {
		return limit.Limit
	}
	return ""
}

// offsetOf returns the place of an error of an execution, or -1.
func offsetOf(err error) int {
	var placed *action.EvalError
	if errors.As(err, &placed) {
		return placed.Offset
	}
	return -1
}
