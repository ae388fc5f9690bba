package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/defaults"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// keep bounds how many compiled versions are held; those in use are compiled again soon enough.
const keep = 500

// Library checks and compiles templates. It is safe for concurrent use.
type Library struct {
	registry *templating.Registry

	mu       sync.Mutex
	compiled map[uuid.UUID]*templating.Compiled
}

// NewLibrary makes a Library for templates of these engines.
func NewLibrary(registry *templating.Registry) *Library {
	return &Library{registry: registry, compiled: map[uuid.UUID]*templating.Compiled{}}
}

// Checked is a template that may be saved.
type Checked struct {
	Doc      store.TemplateDoc
	Compiled *templating.Compiled
	Warnings []api.Finding
}

// Check lints a template. One with errors is refused with TemplateInvalid and everything that is wrong.
func (l *Library) Check(document json.RawMessage) (*Checked, error) {
	compiled, report := l.inspect(document)
	if len(report.Errors) > 0 {
		return nil, &problem.Error{
			Code:     problem.TemplateInvalid,
			Detail:   summary(report.Errors),
			Findings: Findings(report.Errors),
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, document); err != nil {
		return nil, fmt.Errorf("compact the template: %w", err)
	}
	return &Checked{
		Doc:      store.TemplateDoc{Document: compact.Bytes(), StoredNames: compiled.StoredReferences()},
		Compiled: compiled, Warnings: Findings(report.Warnings),
	}, nil
}

// Lint says everything about a template and refuses nothing.
func (l *Library) Lint(document json.RawMessage) api.LintReport {
	_, report := l.inspect(document)
	return api.LintReport{
		Errors: Findings(
			report.Errors,
		), Warnings: Findings(report.Warnings), Placeholders: report.Placeholders,
	}
}

// Of returns a saved version, compiled. Versions are immutable, so each is compiled once.
func (l *Library) Of(version *store.TemplateVersion) (*templating.Compiled, error) {
	l.mu.Lock()
	compiled, ok := l.compiled[version.ID]
	l.mu.Unlock()
	if ok {
		return compiled, nil
	}
	parsed, err := templating.Parse(version.Document)
	if err != nil {
		return nil, unusable(version, err)
	}
	if compiled, err = l.registry.Compile(parsed); err != nil {
		return nil, unusable(version, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.compiled) >= keep {
		clear(l.compiled)
	}
	l.compiled[version.ID] = compiled
	return compiled, nil
}

// unusable is about a version that was good when it was saved, by another release perhaps.
func unusable(version *store.TemplateVersion, err error) error {
	problems := templating.AsProblems(err)
	return &problem.Error{
		Code: problem.TemplateInvalid,
		Detail: fmt.Sprintf(
			"version %d of the template of pool %q can not be used: %s",
			version.Version,
			version.Pool,
			summary(problems),
		),
		Findings: Findings(problems),
	}
}

// Default returns the template that a pool of this type gets when none is given.
func (l *Library) Default(kind string) (store.TemplateDoc, error) {
	document, err := defaults.Template(kind)
	if err != nil {
		return store.TemplateDoc{}, err
	}
	checked, err := l.Check(document)
	if err != nil {
		return store.TemplateDoc{}, fmt.Errorf("default template for %s: %w", kind, err)
	}
	return checked.Doc, nil
}
