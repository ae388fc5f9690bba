package template

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

func library() *Library { return NewLibrary(templating.DefaultRegistry()) }

func TestTheDefaultTemplatesLintClean(t *testing.T) {
	for _, kind := range []string{"kubernetes", "process"} {
		doc, err := library().Default(kind)
		if err != nil {
			t.Fatal(err)
		}
		report := library().Lint(t.Context(), doc.Document)
		if len(report.Errors) > 0 || len(report.Warnings) > 0 {
			t.Errorf("%s: errors %+v, warnings %+v", kind, report.Errors, report.Warnings)
		}
		if len(report.Placeholders) == 0 {
			t.Errorf("%s refers to nothing", kind)
		}
	}
	if _, err := library().Default("docker"); err == nil {
		t.Error("there is a default template for a type that does not exist")
	}
}

func TestCheckRefusesWithThePlace(t *testing.T) {
	_, err := library().Check(t.Context(), []byte(`{"job_configuration":{"a":"{{ nothing }}","b":"{{ berth.variables.x }}"}}`))
	var refusal *problem.Error
	if !errors.As(err, &refusal) || refusal.Code != problem.TemplateInvalid || refusal.Findings[0].Pointer != "/job_configuration/a" {
		t.Errorf("got %v", err)
	}
}

func TestAVersionIsCompiledOnce(t *testing.T) {
	l := library()
	doc, err := l.Default("process")
	if err != nil {
		t.Fatal(err)
	}
	version := &store.TemplateVersion{ID: uuid.New(), Pool: "p", Version: 3, Document: doc.Document}
	first, err := l.Of(version)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := l.Of(version); err != nil || again != first {
		t.Errorf("compiled again: %v", err)
	}
	broken := &store.TemplateVersion{ID: uuid.New(), Pool: "p", Version: 4, Document: []byte(`{"job_configuration":{"a":"{{ nothing }}"}}`)}
	var refusal *problem.Error
	if _, err := l.Of(broken); !errors.As(err, &refusal) || refusal.Code != problem.TemplateInvalid {
		t.Errorf("got %v", err)
	}
}
