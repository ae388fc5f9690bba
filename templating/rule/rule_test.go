package rule_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/rule"
)

// aJob is a finished Job, as a preview shows it.
func aJob(t *testing.T, pod string) map[string]any {
	t.Helper()
	v, err := templating.DecodeYAML([]byte(`
apiVersion: batch/v1
kind: Job
metadata: {name: etl-1, namespace: jobs, labels: {team: data}}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {team: data}}
    spec:
` + indent(pod, "      ")))
	if err != nil {
		t.Fatal(err)
	}
	return v.(map[string]any)
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by) + "\n"
}

const plainPod = `
containers:
- name: main
  image: registry.example.com/team/etl:1.4
  resources: {limits: {memory: 1Gi}, requests: {cpu: 500m}}
`

func input(job map[string]any) rule.Input {
	return rule.Input{
		Job: job,
		Run: rule.Run{
			ID: "r1", Name: "brave-anchor", Attempt: 1, Tags: []string{"nightly"}, Parameters: []byte(`{"size": 3}`),
			ScheduledTime: time.Date(2026, 1, 1, 6, 0, 0, 0, time.UTC),
		},
		Deployment: rule.Deployment{Name: "etl", Version: "1.4", Retries: 2},
		Caller:     rule.Caller{Name: "ci", Kind: "key", Role: "operator"},
		Pool:       "analytics",
		Queue:      "default",
	}
}

func of(expression string) rule.Rule {
	return rule.Rule{Name: "it", Expression: expression, Message: "no", Action: rule.Deny}
}

func evaluate(t *testing.T, r rule.Rule, in rule.Input) rule.Outcome {
	t.Helper()
	set, err := rule.Compile(rule.Set{Pool: "analytics", Rules: []rule.Rule{r}})
	if err != nil {
		t.Fatalf("%s: %v", r.Expression, err)
	}
	outcome, err := rule.Evaluate(t.Context(), []*rule.Compiled{set}, in)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func TestAnExpressionIsEvaluatedOverJobRunDeploymentAndCaller(t *testing.T) {
	for expression, want := range map[string]bool{
		`job.metadata.namespace == "jobs"`:                                                  true,
		`job.metadata.labels["team"] in ["data", "ml"]`:                                     true,
		`job.spec.backoffLimit == 0`:                                                        true,
		`job.spec.?suspend.orValue(false)`:                                                  false,
		`!has(pod.hostNetwork)`:                                                             true,
		`containers.all(c, image(c.image).registry == "registry.example.com")`:              true,
		`containers.all(c, image(c.image).digest != "")`:                                    false,
		`containers.all(c, quantity(c.resources.limits["memory"]) <= quantity("2Gi"))`:      true,
		`containers.all(c, quantity(c.resources.requests["cpu"]) == 0.5)`:                   true,
		`volumes.size() == 0`:                                                               true,
		`run.parameters.size <= 3`:                                                          true,
		`run.tags == ["nightly"] && run.attempt == 1 && run.scheduled_time.getHours() == 6`: true,
		`deployment.name == "etl" && deployment.retries <= 3`:                               true,
		`caller.kind == "key" && caller.role == "operator" && pool.name == "analytics"`:     true,
		`queue.name == "gpu"`:                                                               false,
		`image("nginx").registry == "docker.io" && image("nginx").tag == "latest"`:          true,
	} {
		outcome := evaluate(t, of(expression), input(aJob(t, plainPod)))
		if outcome.Denied() == want {
			t.Errorf("%s: %+v, want satisfied %v", expression, outcome, want)
		}
		for _, f := range outcome.Denials {
			if f.Failed {
				t.Errorf("%s: %s", expression, f.Message)
			}
		}
	}
}

func TestARuleThatFailsDenies(t *testing.T) {
	for expression, want := range map[string]string{
		`pod.hostNetwork`:                     `the Job has no field "hostNetwork"; a rule asks for it with has() or .?hostNetwork`,
		`quantity(containers[0].image) > 1.0`: "is not a Kubernetes quantity",
		`containers[7].name == "x"`:           "index out of bounds",
		`run.parameters.size.startsWith("x")`: "no such overload",
	} {
		outcome := evaluate(t, of(expression), input(aJob(t, plainPod)))
		if !outcome.Denied() || !outcome.Denials[0].Failed ||
			!strings.Contains(outcome.Denials[0].Message, want) {
			t.Errorf("%s: %+v, want a failure with %q", expression, outcome, want)
		}
	}
}

func TestAWarningLetsTheRunPass(t *testing.T) {
	r := of(`false`)
	r.Action, r.Message = rule.Warn, ""
	r.MessageExpression = `"image " + containers[0].image + " of " + caller.name`
	outcome := evaluate(t, r, input(aJob(t, plainPod)))
	want := "image registry.example.com/team/etl:1.4 of ci"
	if outcome.Denied() || len(outcome.Warnings) != 1 || outcome.Warnings[0].Message != want {
		t.Errorf("got %+v", outcome)
	}
}

func TestTheMessageIsUsedWhenItsExpressionFails(t *testing.T) {
	r := of(`false`)
	r.MessageExpression = `containers[9].image`
	if outcome := evaluate(t, r, input(aJob(t, plainPod))); outcome.Denials[0].Message != "no" {
		t.Errorf("got %+v", outcome)
	}
}

func TestAMistakeIsShownWithItsPlaceAndASuggestion(t *testing.T) {
	tests := []struct {
		expression, message, suggestion string
		line, column                    int
	}{
		{`job.spec.tempalte.spec.hostNetwork`, `there is no field "tempalte"`, `did you mean "template"?`, 1, 9},
		{"true &&\n  jbo.spec.suspend", `there is no variable or function "jbo"`, `did you mean "job"?`, 2, 3},
		{`containers.all(c, c.image == 3)`, "== does not take the types string, int", "", 1, 27},
		{`params.registires == []`, `there is no field "registires"`, `did you mean "registries"?`, 1, 7},
		{`job.spec.`, "syntax error: unexpected '.'", "", 1, 10},
		{`job.spec`, "the expression gives JobSpec; it must give bool", "", 0, 0},
		{`contianers.size() > 0`, `there is no variable or function "contianers"`, `did you mean "containers"?`, 1, 1},
	}
	for _, test := range tests {
		r := of(test.expression)
		r.Params = map[string]any{"registries": []any{"a"}}
		err := rule.Check(r)
		var problems templating.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s: accepted", test.expression)
			continue
		}
		p := problems[0]
		if p.Message != test.message || p.Suggestion != test.suggestion || p.Line != test.line ||
			p.Column != test.column || p.Pointer != "/expression" {
			t.Errorf("%s: got %+v", test.expression, p)
		}
	}
}

func TestACaretShowsThePlace(t *testing.T) {
	var problems templating.Problems
	errors.As(rule.Check(of("true &&\n\tjob.spcc.suspend")), &problems)
	if got, want := rule.Caret(problems[0]), "\tjob.spcc.suspend\n\t   ^"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnExpensiveExpressionIsRefusedAtSave(t *testing.T) {
	nested := "true"
	for i := range 5 {
		nested = fmt.Sprintf("job.metadata.annotations.all(k%d, %s)", i, nested)
	}
	err := rule.Check(of(nested))
	if err == nil || !strings.Contains(err.Error(), "units on a large Job") {
		t.Errorf("got %v", err)
	}
}

// The estimate assumes likely sizes. A Job that is larger meets the limit at evaluation: that of its cost or, on a machine
// that does too little in that time, that of the time.
func TestAnExpressionThatCostsTooMuchOnAJobDenies(t *testing.T) {
	var pod strings.Builder
	pod.WriteString("containers:\n- name: main\n  image: a\n  args:\n")
	for i := range 3000 {
		fmt.Fprintf(&pod, "  - argument-%d\n", i)
	}
	r := of(`pod.containers[0].args.all(a, pod.containers[0].args.exists(b, a == b))`)
	outcome := evaluate(t, r, input(aJob(t, pod.String())))
	if !outcome.Denied() || !strings.Contains(outcome.Denials[0].Message, "costs more than 1000000 units") &&
		!strings.Contains(outcome.Denials[0].Message, "took longer than 2s") {
		t.Errorf("got %+v", outcome)
	}
	r.Action = rule.Warn
	if outcome := evaluate(t, r, input(aJob(t, pod.String()))); outcome.Denied() || len(outcome.Warnings) != 1 {
		t.Errorf("got %+v", outcome)
	}
}

func TestAnEvaluationEndsWithItsContext(t *testing.T) {
	set, err := rule.Compile(rule.Set{Rules: []rule.Rule{of("true")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rule.Evaluate(ctx, []*rule.Compiled{set}, input(aJob(t, plainPod))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestBoundsOfRules(t *testing.T) {
	tests := map[string]struct {
		change  func(*rule.Rule)
		pointer string
	}{
		"a name with capitals":           {func(r *rule.Rule) { r.Name = "No" }, "/name"},
		"a name that is too long":        {func(r *rule.Rule) { r.Name = strings.Repeat("a", 64) }, "/name"},
		"an unknown action":              {func(r *rule.Rule) { r.Action = "audit" }, "/action"},
		"no expression":                  {func(r *rule.Rule) { r.Expression = "" }, "/expression"},
		"no message":                     {func(r *rule.Rule) { r.Message = "" }, "/message"},
		"an expression that is too long": {func(r *rule.Rule) { r.Expression = strings.Repeat(" ", 4097) + "true" }, "/expression"},
		"parameters that are too large": {
			func(r *rule.Rule) { r.Params = map[string]any{"x": strings.Repeat("a", 20<<10)} }, "/params",
		},
		"an expression that nests too deeply": {
			func(r *rule.Rule) { r.Expression = strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500) }, "/expression",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := of("true")
			test.change(&r)
			var problems templating.Problems
			if !errors.As(rule.Check(r), &problems) || problems[0].Pointer != test.pointer {
				t.Errorf("got %v", problems)
			}
		})
	}
}

func TestASetHasUniqueNamesAndABound(t *testing.T) {
	var rules []rule.Rule
	for range 2 {
		rules = append(rules, of("true"))
	}
	if _, err := rule.Compile(rule.Set{Rules: rules}); err == nil || !strings.Contains(err.Error(), `two rules have the name "it"`) {
		t.Errorf("got %v", err)
	}
	for i := range rule.MaxRules {
		r := of("true")
		r.Name = fmt.Sprintf("r-%d", i)
		rules = append(rules, r)
	}
	if _, err := rule.Compile(rule.Set{Rules: rules}); err == nil || !strings.Contains(err.Error(), "at most 32") {
		t.Errorf("got %v", err)
	}
}
