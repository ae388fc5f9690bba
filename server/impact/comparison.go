package impact

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aymanbagabas/go-udiff"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
)

// comparison is two templates of a pool.
type comparison struct {
	before, after side
	from          int32
	to            *int32 // nil: a template that is not saved
	check         func(context.Context, preview.Subject, *manifest.Finished) error

	budget templating.SchemaBudget
}

// side is one of two templates.
type side struct {
	compiled *templating.Compiled
	document json.RawMessage
	source   string     // of one that is not saved; empty if it was sent as a document
	saved    *uuid.UUID // the version; nil for one that is not saved
}

// bound makes both templates share a budget: a schema may take much for one deployment, and a pool may have
// thousands.
func (c *comparison) bound() {
	c.before.compiled, c.after.compiled = c.before.compiled.Within(&c.budget), c.after.compiled.Within(&c.budget)
}

// checkBudget refuses a comparison that has become too costly to go on with.
func (c *comparison) checkBudget() error { return checkBudget(&c.budget) }

func checkBudget(budget *templating.SchemaBudget) error {
	if !budget.Exhausted() {
		return nil
	}
	return problem.Newf(problem.TemplateInvalid, "validating the values of all deployments against the schemas of the "+
		"templates takes too many steps: simplify the schema of the variables").
		At("/variables", "too costly for the deployments of the work pool")
}

func (a *Analyzer) comparison(
	ctx context.Context,
	pool string,
	r *api.TemplateComparison,
) (*comparison, error) {
	sent := catalog.Sent{Source: r.Source, Document: r.Document}
	if sent.IsZero() == (r.ToVersion == nil) {
		return nil, problem.Newf(problem.InvalidBody, "set either source, document or to_version").
			At("/to_version", "set this, source or document")
	}
	from, err := a.store.GetTemplateVersion(ctx, pool, wire.Or(r.FromVersion, 0))
	if err != nil {
		return nil, err
	}
	c := &comparison{from: from.Version, to: r.ToVersion, before: side{document: from.Document, saved: &from.ID}}
	if c.before.compiled, err = a.templates.Compiled(ctx, from); err != nil {
		return nil, err
	}

	if r.ToVersion == nil {
		checked, err := a.templates.CheckSent(sent)
		if err != nil {
			return nil, finding.ErrorUnder(err, "/document")
		}
		c.after = side{compiled: checked.Compiled, document: checked.Doc.Document, source: checked.Doc.Source}
		return c, nil
	}
	to, err := a.store.GetTemplateVersion(ctx, pool, *r.ToVersion)
	if err != nil {
		return nil, err
	}
	c.after.document, c.after.saved = to.Document, &to.ID
	c.after.compiled, err = a.templates.Compiled(ctx, to)
	return c, err
}

// texts are the two templates for people: as they were written, or both as YAML where one was sent as a document.
func (a *Analyzer) texts(ctx context.Context, c *comparison) (before, after string, err error) {
	for _, s := range []*side{&c.before, &c.after} {
		if s.saved == nil {
			continue
		}
		if s.source, err = a.store.GetTemplateSource(ctx, *s.saved); err != nil {
			return "", "", err
		}
	}
	if c.before.source != "" && c.after.source != "" {
		return c.before.source, c.after.source, nil
	}
	if before, err = catalog.SourceOf("", c.before.document); err == nil {
		after, err = catalog.SourceOf("", c.after.document)
	}
	return before, after, err
}

// Diff returns how two templates differ.
func (a *Analyzer) Diff(
	ctx context.Context,
	pool string,
	r *api.TemplateComparison,
) (*api.TemplateDiff, error) {
	c, err := a.comparison(ctx, pool, r)
	if err != nil {
		return nil, err
	}
	var documents [2]any
	for i, raw := range []json.RawMessage{c.before.document, c.after.document} {
		if documents[i], err = templating.DecodeJSON(raw); err != nil {
			return nil, err
		}
	}
	before, after, err := a.texts(ctx, c)
	if err != nil {
		return nil, err
	}
	changes, err := wire.DocumentChanges(templating.Diff(documents[0], documents[1]))
	if err != nil {
		return nil, err
	}

	to := "unsaved"
	if c.to != nil {
		to = fmt.Sprintf("version %d", *c.to)
	}
	return &api.TemplateDiff{
		FromVersion: c.from,
		ToVersion:   c.to,
		Changes:     changes,
		Text:        udiff.Unified(fmt.Sprintf("version %d", c.from), to, before, after),
	}, nil
}

// impactCursor marks the cursors of impacts, so that they are not used for another list.
const impactCursor = "impact"

// Impact returns what a change does to the deployments of the pool: counts over all of them, and a page of
// those whose Job changes or breaks.
func (a *Analyzer) Impact(
	ctx context.Context, pool string, r *api.TemplateComparison, page store.Page, caller rule.Caller,
) (*api.TemplateImpact, error) {
	c, err := a.comparison(ctx, pool, r)
	if err != nil {
		return nil, err
	}
	c.bound()
	c.check, err = a.ruleCheck(ctx, pool, caller)
	if err != nil {
		return nil, err
	}
	after, err := store.CursorKey(page, impactCursor)
	if err != nil {
		return nil, err
	}
	affected, err := a.affected(ctx, pool, c, after, page.Limit)
	if err != nil {
		return nil, err
	}

	answer := &api.TemplateImpact{
		FromVersion: c.from,
		ToVersion:   c.to,
		Summary:     wireSummary(affected.summary),
		Items:       make([]api.DeploymentImpact, len(affected.shown)),
	}
	for i, outcome := range affected.shown {
		if answer.Items[i], err = wireOutcome(outcome); err != nil {
			return nil, err
		}
	}
	if affected.more {
		last := affected.shown[len(affected.shown)-1].Deployment
		answer.NextCursor = wire.OrNil(store.NewCursor(impactCursor, last))
	}
	return answer, nil
}

// affectedPage is a page of the deployments that change or break, with the counts over all deployments.
type affectedPage struct {
	shown   []preview.Outcome
	more    bool
	summary preview.Summary
}

// affected compares all deployments of a pool and shows up to limit of those after a name. Only for these are
// the differences worked out, which is what costs time.
func (a *Analyzer) affected(
	ctx context.Context, pool string, c *comparison, after string, limit int,
) (*affectedPage, error) {
	sampler := a.sampler(c.before.compiled, c.after.compiled)
	page := &affectedPage{}

	if after != "" {
		earlier := preview.Comparison{Before: c.before.compiled, After: c.after.compiled, Check: c.check}
		names := func(name string) bool { return name <= after }
		countOnly := func(preview.Outcome) error { return c.checkBudget() }
		counts, err := earlier.Run(ctx, sampler.runs(ctx, pool, names), countOnly)
		if err != nil {
			return nil, err
		}
		page.summary = counts
	}

	rest := preview.Comparison{
		Before: c.before.compiled, After: c.after.compiled, Check: c.check, Details: limit,
	}
	names := func(name string) bool { return name > after }
	counts, err := rest.Run(ctx, sampler.runs(ctx, pool, names), func(o preview.Outcome) error {
		if err := c.checkBudget(); err != nil {
			return err
		}
		switch {
		case o.Verdict == preview.Unchanged:
		case len(page.shown) < limit:
			page.shown = append(page.shown, o)
		default:
			page.more = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	page.summary = add(page.summary, counts)
	return page, nil
}

func add(a, b preview.Summary) preview.Summary {
	return preview.Summary{
		Deployments: a.Deployments + b.Deployments,
		Unchanged:   a.Unchanged + b.Unchanged,
		Changed:     a.Changed + b.Changed,
		Broken:      a.Broken + b.Broken,
		NewlyBroken: a.NewlyBroken + b.NewlyBroken,
		Detailed:    a.Detailed + b.Detailed,
	}
}

func wireSummary(s preview.Summary) api.TemplateImpactSummary {
	return api.TemplateImpactSummary{
		Deployments: int32(s.Deployments),
		Unchanged:   int32(s.Unchanged),
		Changed:     int32(s.Changed),
		Broken:      int32(s.Broken),
		NewlyBroken: int32(s.NewlyBroken),
	}
}

func wireOutcome(o preview.Outcome) (api.DeploymentImpact, error) {
	changes, err := wire.DocumentChanges(o.Changes)
	return api.DeploymentImpact{
		Deployment:   o.Deployment,
		Verdict:      api.DeploymentImpactVerdict(o.Verdict),
		BrokenBefore: o.BrokenBefore,
		Errors:       inDocument(finding.FromProblems(o.Problems)),
		Invented:     wire.NonNil(o.Samples),
		Changes:      changes,
		Text:         o.Text,
	}, err
}
