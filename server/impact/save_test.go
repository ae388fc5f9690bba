package impact

import (
	"errors"
	"slices"
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/templating/preview"
)

func TestATemplateThatBreaksNothingNewIsNotRefused(t *testing.T) {
	b := &Breakage{Summary: preview.Summary{Deployments: 3, Broken: 2}}
	if err := b.refuse(); err != nil {
		t.Errorf("got %v for deployments that were broken before", err)
	}
	if warnings := b.Warnings(); warnings != nil {
		t.Errorf("got %v", warnings)
	}
}

func TestBrokenDeploymentsAreNamedAndTheRestIsCounted(t *testing.T) {
	b := &Breakage{
		Summary: preview.Summary{Deployments: 9, Broken: 5, NewlyBroken: 4},
		first:   []api.BrokenDeployment{{Deployment: "a", Reason: "x"}, {Deployment: "b", Reason: "y"}},
	}
	if got, want := b.list(), "a, b and 2 more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var refusal *problem.Error
	if err := b.refuse(); !errors.As(err, &refusal) || refusal.Code != problem.TemplateBreaks || len(refusal.Findings) != 2 {
		t.Errorf("got %v", err)
	}
	if warnings := b.Warnings(); len(warnings) != 1 || *warnings[0].Code != string(problem.TemplateBreaks) {
		t.Errorf("got %v", warnings)
	}
}

func TestFindingsAboutValuesArePlacedBelowJobVariables(t *testing.T) {
	var got []string
	for _, f := range inDocument([]api.Finding{
		{Pointer: "/memory"}, {Pointer: ""}, {Pointer: "/job_configuration/spec"}, {Pointer: "/variables/properties/memory"},
	}) {
		got = append(got, f.Pointer)
	}
	want := []string{
		"/job_variables/memory", "/job_variables", "/job_configuration/spec", "/variables/properties/memory",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
