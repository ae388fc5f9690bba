package function_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating/internal/action"
	"github.com/berth-dev/berth/templating/internal/value"
)

// scheduled is the run's scheduled time in all tests.
var scheduled = time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.FixedZone("CET", 3600))

// world is what an action is evaluated with.
type world struct {
	variables map[string]any
	limits    value.Limits
	place     string
	seed      uuid.UUID
}

// evaluate evaluates one action.
func (w world) evaluate(t testing.TB, source string) (any, error) {
	v, _, err := w.measure(t, source)
	return v, err
}

// measure evaluates one action and returns what it used of the budget.
func (w world) measure(t testing.TB, source string) (any, value.Limits, error) {
	t.Helper()
	template, issues := action.Compile(source, action.Options{})
	if len(issues) > 0 {
		t.Fatalf("%s does not compile: %+v", source, issues)
	}
	budget := value.NewBudget(context.Background(), w.limits)
	v, err := template.Value(&action.Env{
		Variables: w.variables, Budget: budget, Now: scheduled, Seed: w.seed, Place: w.place,
	})
	return v, budget.Used(), err
}

// evaluation is one action with its result: a value, or an error that contains a text.
type evaluation struct {
	name   string
	source string
	want   any
	err    string
}

func (w world) run(t *testing.T, evaluations []evaluation) {
	t.Helper()
	for _, e := range evaluations {
		t.Run(e.name, func(t *testing.T) {
			got, err := w.evaluate(t, e.source)
			switch {
			case e.err != "" && (err == nil || !strings.Contains(err.Error(), e.err)):
				t.Errorf("%s\n got %v, %v\nwant an error with %q", e.source, got, err, e.err)
			case e.err == "" && err != nil:
				t.Errorf("%s: %v", e.source, err)
			case e.err == "":
				if diff := cmp.Diff(e.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", e.source, diff)
				}
			}
		})
	}
}

// limitOf returns the limit that an error is about, or "".
func limitOf(err error) string {
	var limit *value.LimitError
	if errors.As(err, &limit) {
		return limit.Limit
	}
	return ""
}

// list and object keep the expectations short.
type object = map[string]any

func list(items ...any) []any { return append([]any{}, items...) }

// text runs a source as text.
func (w world) text(t testing.TB, source string) (string, error) {
	t.Helper()
	template, issues := action.Compile(source, action.Options{Text: true})
	if len(issues) > 0 {
		t.Fatalf("%s does not compile: %+v", source, issues)
	}
	return template.Text(&action.Env{
		Variables: w.variables, Budget: value.NewBudget(context.Background(), w.limits), Now: scheduled,
		Seed: w.seed, Place: w.place,
	})
}
