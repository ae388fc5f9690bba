package rule_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/rule"
)

// exampleInput is what a rule of the library is tried on.
func exampleInput(t *testing.T, e rule.Example) rule.Input {
	t.Helper()
	v, err := templating.Normalize(e.Job)
	if err != nil {
		t.Fatal(err)
	}
	job, _ := v.(map[string]any)
	if e.Job == nil {
		job = aJob(t, plainPod)
		pod := job["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
		given, err := templating.Normalize(e.Pod)
		if err != nil {
			t.Fatal(err)
		}
		if given, ok := given.(map[string]any); ok {
			maps.Copy(pod, given)
		}
	}
	in := input(job)
	in.Deployment.Retries = e.Retries
	if e.Queue != "" {
		in.Queue = e.Queue
	}
	return in
}

func TestEveryRuleOfTheLibraryAcceptsAndRefusesItsExamples(t *testing.T) {
	library := rule.Library()
	if len(library) < 12 {
		t.Fatalf("the library has %d rules", len(library))
	}
	for _, template := range library {
		if len(template.Examples.Pass) == 0 || len(template.Examples.Fail) == 0 {
			t.Errorf("%s: examples both ways are missing", template.Name)
		}
		try := func(e rule.Example, denied bool) {
			r, err := rule.Expand(rule.Rule{From: template.Name, Params: e.Params})
			if err != nil {
				t.Errorf("%s: %v", template.Name, err)
				return
			}
			outcome := evaluate(t, r, exampleInput(t, e))
			if outcome.Denied() != denied {
				t.Errorf("%s: %+v: denied is %v, want %v: %+v", template.Name, e, outcome.Denied(), denied, outcome)
			}
			for _, f := range outcome.Denials {
				if f.Failed || f.Message == template.Message && template.MessageExpression != "" {
					t.Errorf("%s: %+v: %+v", template.Name, e, f)
				}
			}
		}
		for _, e := range template.Examples.Pass {
			try(e, false)
		}
		for _, e := range template.Examples.Fail {
			try(e, true)
		}
	}
}

func TestARuleOfTheLibraryTakesItsParameters(t *testing.T) {
	r, err := rule.Expand(rule.Rule{
		From: "registries-allowed", Name: "ours", Params: map[string]any{"registries": []any{"ghcr.io/acme"}},
	})
	if err != nil || r.Name != "ours" || r.Action != rule.Deny || r.Expression == "" || r.Description == "" {
		t.Errorf("got %+v, %v", r, err)
	}
	for name, tc := range map[string]struct {
		rule rule.Rule
		want string
	}{
		"an unknown rule": {rule.Rule{From: "registry-allowed"}, `did you mean "registries-allowed"?`},
		"an unknown parameter": {
			rule.Rule{From: "registries-allowed", Params: map[string]any{"registry": "x"}},
			`rule "registries-allowed" has no parameter "registry"`,
		},
		"a parameter of another type": {
			rule.Rule{From: "registries-allowed", Params: map[string]any{"registries": "x"}},
			`parameter "registries" must be list(string), not string`,
		},
	} {
		if _, err := rule.Expand(tc.rule); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// The whole library must fit into one set, and below the limit of cost for all rules together.
func TestTheWholeLibraryFitsIntoOneSet(t *testing.T) {
	var rules []rule.Rule
	for _, template := range rule.Library() {
		r, err := rule.Expand(rule.Rule{From: template.Name})
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, r)
	}
	set, err := rule.Compile(rule.Set{Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	outcome, err := rule.Evaluate(t.Context(), []*rule.Compiled{set}, input(aJob(t, plainPod)))
	if err != nil || !outcome.Denied() {
		t.Errorf("got %+v, %v", outcome, err)
	}
	for _, f := range outcome.Denials {
		if f.Failed {
			t.Error(f)
		}
	}
}
