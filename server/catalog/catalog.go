package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// maxCompiled bounds how many compiled versions are kept.
const maxCompiled = 500

// Catalog checks and compiles templates. It is safe for concurrent use.
type Catalog struct {
	registry *templating.Registry
	versions *templating.Cache
	// protected is what no Job may refer to.
	protected reference.Protected
	reaches   reachCache
}

// New makes a Catalog for templates of these engines.
func New(registry *templating.Registry) *Catalog {
	return &Catalog{registry: registry, versions: templating.NewCache(registry, maxCompiled)}
}

// Protecting sets what no Job of these templates may refer to, and returns the catalog. It is called before the
// catalog is used.
func (c *Catalog) Protecting(protected reference.Protected) *Catalog {
	c.protected = protected
	return c
}

// Protected is what no Job may refer to.
func (c *Catalog) Protected() reference.Protected { return c.protected }

// Checked is a template without errors.
type Checked struct {
	Doc      store.TemplateDocument
	Compiled *templating.Compiled
	Warnings []api.Finding
}

// Check lints a template before it is saved. A template with errors is refused with problem.TemplateInvalid
// and a finding for each of them.
func (c *Catalog) Check(document json.RawMessage) (*Checked, error) {
	return c.CheckSent(Sent{Document: document})
}

// Lint reports the errors and warnings of a template and refuses nothing.
func (c *Catalog) Lint(document json.RawMessage) api.LintReport {
	_, report := c.lint(document)
	return api.LintReport{
		Errors:       finding.FromProblems(report.Errors),
		Warnings:     finding.FromProblems(report.Warnings),
		Placeholders: report.Placeholders,
	}
}

// lint compiles a template and reports on it. The Job of its sample run is checked by the code with which a
// worker builds Jobs. The compiled template is nil when the report has errors.
func (c *Catalog) lint(document json.RawMessage) (*templating.Compiled, templating.Report) {
	parsed, err := templating.Parse(document)
	if err != nil {
		return nil, templating.Report{Errors: templating.AsProblems(err), Placeholders: []string{}}
	}
	report := manifest.Lint(c.registry, parsed, c.protected)
	if len(report.Errors) > 0 {
		return nil, report
	}
	compiled, err := c.registry.Compile(parsed)
	if err != nil {
		report.Errors = templating.AsProblems(err)
	}
	return compiled, report
}

// Compiled returns a saved version, compiled. Versions are immutable, so that each is compiled once.
func (c *Catalog) Compiled(
	ctx context.Context, version *store.TemplateVersion,
) (*templating.Compiled, error) {
	compiled, err := c.versions.Get(ctx, version.ID, func(context.Context) ([]byte, error) {
		return version.Document, nil
	})
	var invalid *templating.CompileError
	if errors.As(err, &invalid) {
		return nil, unusable(version, invalid.Problems)
	}
	return compiled, err
}

// A VersionReader reads template versions: the store, or a transaction of it.
type VersionReader interface {
	GetTemplateVersion(ctx context.Context, pool string, number int32) (*store.TemplateVersion, error)
}

// OfPool returns a version of the template of a pool, compiled; for 0, the newest.
func (c *Catalog) OfPool(
	ctx context.Context, from VersionReader, pool string, number int32,
) (*templating.Compiled, error) {
	version, err := from.GetTemplateVersion(ctx, pool, number)
	if err != nil {
		return nil, err
	}
	return c.Compiled(ctx, version)
}

func (c *Catalog) compile(document json.RawMessage) (*templating.Compiled, error) {
	parsed, err := templating.Parse(document)
	if err != nil {
		return nil, err
	}
	return c.registry.Compile(parsed)
}

// unusable refuses a version that passed the check when it was saved, perhaps by another release.
func unusable(version *store.TemplateVersion, problems templating.Problems) error {
	return &problem.Error{
		Code: problem.TemplateInvalid,
		Detail: fmt.Sprintf("template version %d of work pool %q cannot be used by this release: %s",
			version.Version, version.Pool, finding.Summary(problems)),
		Findings: finding.FromProblems(problems),
	}
}

// reaches are the warnings about job variables through which a reference can reach the Job, without what
// follows from them.
func reaches(report templating.Report) []string {
	var found []string
	for _, p := range report.Warnings {
		if p.Code == templating.CodeReference {
			text, _, _ := strings.Cut(p.Message, ";")
			found = append(found, text)
		}
	}
	return found
}
