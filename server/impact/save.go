package impact

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/preview"
	"github.com/berth-dev/berth/templating/rule"
)

// maxNamed bounds how many broken deployments a message names.
const maxNamed = 20

// SaveRequest is a template to save as the next version of a pool's template.
type SaveRequest struct {
	Pool     string
	Template catalog.Sent
	// Base is the version that the template was made from: saving is refused when there is a newer one. Nil:
	// it does not matter.
	Base *int32
	// RequireUnbroken refuses a template that breaks a deployment that works now.
	RequireUnbroken bool
	Actor           string
	// Caller is who saves, as rules see it.
	Caller rule.Caller
	// Admit is asked in the transaction that saves, with the documents before and after. Its error ends it.
	Admit func(ctx context.Context, tx *store.Tx, before, after json.RawMessage) error
}

// Save checks a template, works out its impact, and saves it. The answer warns of deployments that it breaks.
func (a *Analyzer) Save(ctx context.Context, r SaveRequest) (*api.TemplateVersion, error) {
	checked, err := a.templates.CheckSent(r.Template)
	if err != nil {
		return nil, err
	}
	current, err := a.store.GetTemplateVersion(ctx, r.Pool, 0)
	if err != nil {
		return nil, err
	}
	if r.Base != nil && *r.Base != current.Version {
		return nil, problem.Newf(problem.PreconditionFailed,
			"the template is at version %d, not %d; read it again", current.Version, *r.Base)
	}
	breakage, err := a.Breakage(ctx, BreakageRequest{
		Pool: r.Pool, Caller: r.Caller, Current: current, New: checked, Wanted: everything,
	})
	if err != nil {
		return nil, err
	}

	base := r.Base
	if r.RequireUnbroken {
		if err := breakage.refuse(); err != nil {
			return nil, err
		}
		base = &current.Version // the impact was worked out against this version
	}
	version, err := a.update(ctx, r, checked.Doc, base)
	if err != nil {
		return nil, err
	}
	saved, err := a.Shown(ctx, version)
	if err != nil {
		return nil, err
	}
	warnings, summary := append(checked.Warnings, breakage.Warnings()...), wireSummary(breakage.Summary)
	saved.Warnings, saved.Impact = &warnings, &summary
	return saved, nil
}

// Shown is a template version with its source.
func (a *Analyzer) Shown(ctx context.Context, version *store.TemplateVersion) (*api.TemplateVersion, error) {
	saved, err := a.store.GetTemplateSource(ctx, version.ID)
	if err != nil {
		return nil, err
	}
	shown := wire.TemplateVersion(*version)
	shown.Source, err = catalog.SourceOf(saved, version.Document)
	return &shown, err
}

// update saves a checked template, unless Admit refuses it.
func (a *Analyzer) update(
	ctx context.Context, r SaveRequest, doc store.TemplateDocument, base *int32,
) (version *store.TemplateVersion, err error) {
	err = a.store.InTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.LockPool(ctx, r.Pool); err != nil {
			return err
		}
		current, err := tx.GetTemplateVersion(ctx, r.Pool, 0)
		if err != nil {
			return err
		}
		if !jsondoc.Equal(current.Document, doc.Document) {
			if err := r.Admit(ctx, tx, current.Document, doc.Document); err != nil {
				return err
			}
		}
		version, err = tx.UpdateTemplate(ctx, r.Pool, doc, base, r.Actor)
		return err
	})
	return version, err
}

// BreakageRequest asks which deployments of a pool a new template breaks.
type BreakageRequest struct {
	Pool string
	// Caller is who changes the template, as rules see it.
	Caller  rule.Caller
	Current *store.TemplateVersion
	New     *catalog.Checked
	// Wanted tells by their names which deployments are looked at.
	Wanted func(name string) bool
}

func everything(string) bool { return true }

// Breakage is which deployments of a pool a new template breaks that work with the current one.
type Breakage struct {
	preview.Summary
	first []api.BrokenDeployment
}

// Breakage compares without working out differences, which keeps a save fast.
func (a *Analyzer) Breakage(ctx context.Context, r BreakageRequest) (*Breakage, error) {
	checked := r.New
	before, err := a.templates.Compiled(ctx, r.Current)
	if err != nil {
		// Another release saved the current version. It must be possible to replace it.
		before = checked.Compiled
	}
	b := &Breakage{}
	// Only the new template is bounded: one that costs too much can be replaced.
	budget := &templating.SchemaBudget{}
	comparison := preview.Comparison{Before: before, After: checked.Compiled.Within(budget)}
	if comparison.Check, err = a.ruleCheck(ctx, r.Pool, r.Caller); err != nil {
		return nil, err
	}
	runs := a.sampler(before, checked.Compiled).runs(ctx, r.Pool, r.Wanted)
	b.Summary, err = comparison.Run(ctx, runs, func(o preview.Outcome) error {
		if err := checkBudget(budget); err != nil {
			return err
		}
		if o.Verdict == preview.Broken && !o.BrokenBefore && len(b.first) < maxNamed {
			b.first = append(b.first, api.BrokenDeployment{Deployment: o.Deployment, Reason: o.Problems[0].Message})
		}
		return nil
	})
	return b, err
}

// refuse returns a refusal with the reason for each broken deployment, or nil when there is none.
func (b *Breakage) refuse() error {
	if b.NewlyBroken == 0 {
		return nil
	}
	refusal := problem.Newf(problem.TemplateBreaks,
		"%d of %d deployments would break: %s", b.NewlyBroken, b.Deployments, b.list())
	for _, d := range b.first {
		refusal.At("", "deployment %q: %s", d.Deployment, d.Reason)
	}
	return refusal
}

// Warnings says in words what is broken; empty for nothing.
func (b *Breakage) Warnings() []api.Finding {
	if b.NewlyBroken == 0 {
		return nil
	}
	code := string(problem.TemplateBreaks)
	suggestion := "run berth pool template diff --impact, or ask the API for the impact of this version"
	return []api.Finding{{
		Code:       &code,
		Suggestion: &suggestion,
		Message: fmt.Sprintf("%d of %d deployments do not fit this template: %s",
			b.NewlyBroken, b.Deployments, b.list()),
	}}
}

// Names are those of the first broken deployments.
func (b *Breakage) Names() []string {
	return wire.Each(b.first, func(d api.BrokenDeployment) string { return d.Deployment })
}

func (b *Breakage) list() string {
	names := strings.Join(b.Names(), ", ")
	if more := b.NewlyBroken - len(b.first); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return names
}
