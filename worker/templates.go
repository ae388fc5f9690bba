package worker

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating"
)

// maxTemplates is how many compiled template versions are kept.
const maxTemplates = 256

// templates compiles each template version once. Versions are immutable, so what is kept never goes stale.
type templates struct {
	fetch    func(ctx context.Context, version uuid.UUID) ([]byte, error)
	registry *templating.Registry

	mu      sync.Mutex
	entries map[uuid.UUID]*templateEntry
	order   []uuid.UUID // oldest first
}

type templateEntry struct {
	once     sync.Mutex
	compiled *templating.Compiled
	problem  error // it does not compile, and never will
}

func newTemplates(
	engines *templating.Registry,
	fetch func(ctx context.Context, version uuid.UUID) ([]byte, error),
) *templates {
	return &templates{fetch: fetch, registry: engines, entries: map[uuid.UUID]*templateEntry{}}
}

// get returns the compiled template version. An error of the fetch is passed on as it is and not kept; one of
// the template is a *templateError.
func (t *templates) get(ctx context.Context, version uuid.UUID) (*templating.Compiled, error) {
	entry := t.entry(version)
	entry.once.Lock()
	defer entry.once.Unlock()
	if entry.compiled == nil && entry.problem == nil {
		document, err := t.fetch(ctx, version)
		if err != nil {
			return nil, err
		}
		entry.compiled, entry.problem = t.compile(document)
	}
	return entry.compiled, entry.problem
}

func (t *templates) entry(version uuid.UUID) *templateEntry {
	t.mu.Lock()
	defer t.mu.Unlock()
	if entry, ok := t.entries[version]; ok {
		return entry
	}
	if len(t.order) >= maxTemplates {
		delete(t.entries, t.order[0])
		t.order = t.order[1:]
	}
	entry := &templateEntry{}
	t.entries[version] = entry
	t.order = append(t.order, version)
	return entry
}

func (t *templates) compile(document []byte) (*templating.Compiled, error) {
	parsed, err := templating.Parse(document)
	if err != nil {
		return nil, &templateError{kind: "parse", err: err}
	}
	compiled, err := t.registry.Compile(parsed)
	if err != nil {
		return nil, &templateError{kind: "compile", err: err}
	}
	return compiled, nil
}

// templateError is what a template, or what it was filled with, does not allow. Trying again would change
// nothing.
type templateError struct {
	kind string // fetch, parse, compile, input, render, manifest
	err  error
}

func (e *templateError) Error() string {
	switch e.kind {
	case "manifest":
		return fmt.Sprintf("the rendered template is not a valid Job: %v", e.err)
	case "fetch":
		return fmt.Sprintf("the template can not be had: %v", e.err)
	case "input":
		return fmt.Sprintf("the render input can not be read: %v", e.err)
	case "render":
		return fmt.Sprintf("the template does not render: %v", e.err)
	}
	return fmt.Sprintf("the template does not compile: %v", e.err)
}

func (e *templateError) Unwrap() error { return e.err }
