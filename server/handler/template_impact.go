package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/preview"
)

// sides are the two templates of a comparison.
type sides struct {
	before, after                 *templating.Compiled
	beforeDocument, afterDocument json.RawMessage
	from                          int32
	to                            *int32 // nil for a document that is not saved
}

// sides finds what a comparison is about.
func (h *Handler) sides(ctx context.Context, pool string, b *api.TemplateComparison) (*sides, error) {
	if err := access.From(ctx).CheckPool(pool); err != nil {
		return nil, err
	}
	if (b.Document == nil) == (b.ToVersion == nil) {
		return nil, problem.Newf(problem.InvalidBody, "give either a document or to_version: what to compare with").
			At("/document", "give this or to_version")
	}
	from, err := h.store.GetTemplate(ctx, pool, wire.Or(b.FromVersion, 0))
	if err != nil {
		return nil, err
	}
	s := &sides{from: from.Version, to: b.ToVersion, beforeDocument: from.Document}
	if s.before, err = h.Templates.Compiled(from); err != nil {
		return nil, err
	}
	if b.Document != nil {
		checked, err := h.Templates.Check(b.Document)
		if err != nil {
			return nil, finding.ErrorUnder(err, "/document")
		}
		s.after, s.afterDocument = checked.Compiled, checked.Doc.Document
		return s, nil
	}
	to, err := h.store.GetTemplate(ctx, pool, *b.ToVersion)
	if err != nil {
		return nil, err
	}
	s.afterDocument = to.Document
	s.after, err = h.Templates.Compiled(to)
	return s, err
}

// DiffTemplate says how two templates differ.
func (h *Handler) DiffTemplate(
	ctx context.Context,
	r apiserver.DiffTemplateRequestObject,
) (apiserver.DiffTemplateResponseObject, error) {
	s, err := h.sides(ctx, r.Pool, r.Body)
	if err != nil {
		return nil, err
	}
	var documents [2]any
	var texts [2]string
	for i, raw := range []json.RawMessage{s.beforeDocument, s.afterDocument} {
		if documents[i], err = templating.DecodeJSON(raw); err != nil {
			return nil, err
		}
		text, err := templating.EncodeYAML(documents[i])
		if err != nil {
			return nil, err
		}
		texts[i] = string(text)
	}
	changes, err := wire.DocumentChanges(templating.Diff(documents[0], documents[1]))
	if err != nil {
		return nil, err
	}
	to := "given"
	if s.to != nil {
		to = fmt.Sprintf("version %d", *s.to)
	}
	return apiserver.DiffTemplate200JSONResponse{
		FromVersion: s.from, ToVersion: s.to, Changes: changes,
		Text: udiff.Unified(fmt.Sprintf("version %d", s.from), to, texts[0], texts[1]),
	}, nil
}

// ImpactTemplate says what a change does to each deployment of the pool.
func (h *Handler) ImpactTemplate(
	ctx context.Context,
	r apiserver.ImpactTemplateRequestObject,
) (apiserver.ImpactTemplateResponseObject, error) {
	s, err := h.sides(ctx, r.Pool, r.Body)
	if err != nil {
		return nil, err
	}
	p := page(r.Params.Limit, r.Params.Cursor)
	after, err := store.CursorKey(p, impactCursor)
	if err != nil {
		return nil, err
	}
	shown, sum, more, err := h.impacts(ctx, r.Pool, s, after, p.Limit)
	if err != nil {
		return nil, err
	}
	answer := apiserver.ImpactTemplate200JSONResponse{
		FromVersion: s.from,
		ToVersion:   s.to,
		Summary:     *wireSummary(sum),
		Items:       []api.DeploymentImpact{},
	}
	for _, outcome := range shown {
		item, err := wireOutcome(outcome)
		if err != nil {
			return nil, err
		}
		answer.Items = append(answer.Items, item)
	}
	if more {
		answer.NextCursor = wire.OrNil(store.NewCursor(impactCursor, shown[len(shown)-1].Deployment))
	}
	return answer, nil
}

// impactCursor keeps the cursors of impacts from being used on another list.
const impactCursor = "impact"

// impacts are the outcomes of the deployments after a name that change or break, up to limit of them and
// whether there are more, and the counts over all deployments.
func (h *Handler) impacts(
	ctx context.Context,
	pool string,
	s *sides,
	after string,
	limit int,
) (shown []preview.Outcome, sum preview.Summary, more bool, err error) {
	subjects := h.subjects(s.before, s.after)
	parts := []struct {
		details int
		of      func(name string) bool
		each    func(preview.Outcome) error
	}{
		{0, func(name string) bool { return name <= after }, func(preview.Outcome) error { return nil }},
		{limit, func(name string) bool { return name > after }, func(o preview.Outcome) error {
			switch {
			case o.Verdict == preview.Unchanged:
			case len(shown) < limit:
				shown = append(shown, o)
			default:
				more = true
			}
			return nil
		}},
	}
	for _, part := range parts {
		if after == "" && part.details == 0 {
			continue // nothing lies before the first page
		}
		comparison := preview.Comparison{Before: s.before, After: s.after, Details: part.details}
		counts, err := comparison.Run(ctx, subjects.all(ctx, h.store, pool, part.of), part.each)
		if err != nil {
			return nil, sum, false, err
		}
		sum = plus(sum, counts)
	}
	return shown, sum, more, nil
}

func plus(a, b preview.Summary) preview.Summary {
	return preview.Summary{
		Deployments: a.Deployments + b.Deployments, Unchanged: a.Unchanged + b.Unchanged, Changed: a.Changed + b.Changed,
		Broken: a.Broken + b.Broken, NewlyBroken: a.NewlyBroken + b.NewlyBroken, Detailed: a.Detailed + b.Detailed,
	}
}

// all are the deployments of a pool, by name, page by page.
func (s *subjects) all(
	ctx context.Context, deployments *store.Store, pool string, wanted func(name string) bool,
) iter.Seq2[preview.Subject, error] {
	return func(yield func(preview.Subject, error) bool) {
		const pageSize = 500
		for cursor := ""; ; {
			page, next, err := deployments.ListDeployments(ctx, pool, store.Page{Limit: pageSize, Cursor: cursor})
			if err != nil {
				yield(preview.Subject{}, err)
				return
			}
			for i := range page {
				if !wanted(page[i].Name) {
					continue
				}
				subject, err := s.of(ctx, &page[i], nil, jsondoc.OrEmpty(page[i].Parameters))
				if !yield(subject, err) || err != nil {
					return
				}
			}
			if cursor = next; cursor == "" {
				return
			}
		}
	}
}

// effect is what a version that is about to be saved does to the pool's deployments.
type effect struct {
	preview.Summary
	broken []string // the first of those that are newly broken
	why    []string
}

// effect compares without working out details: that costs a save little.
func (h *Handler) effect(
	ctx context.Context,
	pool string,
	current *store.TemplateVersion,
	checked *catalog.Checked,
) (*effect, error) {
	before, err := h.Templates.Compiled(current)
	if err != nil { // saved by another release: there is nothing to compare with, but it must be possible to replace it
		before = checked.Compiled
	}
	e := &effect{}
	comparison := preview.Comparison{Before: before, After: checked.Compiled}
	everything := func(string) bool { return true }
	e.Summary, err = comparison.Run(
		ctx,
		h.subjects(before, checked.Compiled).all(ctx, h.store, pool, everything),
		func(o preview.Outcome) error {
			const named = 20
			if o.Verdict == preview.Broken && !o.BrokenBefore && len(e.broken) < named {
				e.broken = append(e.broken, o.Deployment)
				e.why = append(e.why, fmt.Sprintf("deployment %q: %s", o.Deployment, o.Problems[0].Message))
			}
			return nil
		},
	)
	return e, err
}

// refuseBroken is a refusal that names what would break.
func (e *effect) refuseBroken() error {
	if e.NewlyBroken == 0 {
		return nil
	}
	refusal := problem.Newf(
		problem.TemplateBreaks,
		"%d of %d deployments would break: %s",
		e.NewlyBroken,
		e.Deployments,
		e.names(),
	)
	for _, why := range e.why {
		refusal.At("", "%s", why)
	}
	return refusal
}

func (e *effect) warnings() []api.Finding {
	if e.NewlyBroken == 0 {
		return nil
	}
	code, advice := string(
		problem.TemplateBreaks,
	), "see berth pool template diff --impact, or the impact of this version in the API"
	return []api.Finding{{
		Code: &code, Suggestion: &advice,
		Message: fmt.Sprintf(
			"%d of %d deployments no longer fit this template: %s",
			e.NewlyBroken,
			e.Deployments,
			e.names(),
		),
	}}
}

func (e *effect) names() string {
	names := strings.Join(e.broken, ", ")
	if more := e.NewlyBroken - len(e.broken); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return names
}

func wireSummary(s preview.Summary) *api.TemplateImpactSummary {
	return &api.TemplateImpactSummary{
		Deployments: int32(s.Deployments), Unchanged: int32(s.Unchanged), Changed: int32(s.Changed),
		Broken: int32(s.Broken), NewlyBroken: int32(s.NewlyBroken),
	}
}

func wireOutcome(o preview.Outcome) (api.DeploymentImpact, error) {
	changes, err := wire.DocumentChanges(o.Changes)
	return api.DeploymentImpact{
		Deployment: o.Deployment, Verdict: api.DeploymentImpactVerdict(o.Verdict), BrokenBefore: o.BrokenBefore,
		Errors: placed(
			finding.FromProblems(o.Problems),
		), Invented: wire.NonNil(o.Samples), Changes: changes, Text: o.Text,
	}, err
}
