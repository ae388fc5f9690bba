package apply

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// applyPool creates or updates the i-th pool of the file, with its queues.
func (p *planner) applyPool(ctx context.Context, i int, spec api.PoolSpec) error {
	if err := p.checkVisible(spec.Name, "/name"); err != nil {
		return err
	}

	current, err := p.tx.GetPool(ctx, spec.Name)
	switch {
	case store.IsCode(err, store.NotFound):
		err = p.createPool(ctx, spec)
	case err == nil:
		err = p.updatePool(ctx, i, spec, current.Type)
	}
	if err != nil {
		return err
	}
	if err := p.applyQueues(ctx, i, spec); err != nil {
		return err
	}
	return p.applyRules(ctx, spec.Name, p.place+"/rules", wire.Or(spec.Rules, nil))
}

func (p *planner) createPool(ctx context.Context, spec api.PoolSpec) error {
	if spec.Type == nil {
		return problem.Newf(problem.ApplyInvalid, "").
			At("/type", "required: work pool %q does not exist yet", spec.Name)
	}
	doc, err := p.newTemplate(spec)
	if err != nil {
		return err
	}
	references, err := catalog.ReadReferences(spec.References)
	if err != nil {
		return err
	}
	_, err = p.tx.CreatePool(ctx, store.NewPool{
		Name:             spec.Name,
		Type:             string(*spec.Type),
		Description:      wire.Or(spec.Description, ""),
		ConcurrencyLimit: spec.ConcurrencyLimit,
		Template:         doc,

		RunTokenAudiences: sortedUnique(wire.Or(spec.RunTokenAudiences, nil)),
		References:        references,
		Approvals:         approval.ReadPolicy(spec.Approvals),
	}, p.By.Name)
	if err != nil {
		return err
	}
	return p.record(ctx, change{kind: api.ChangeKindPool, name: spec.Name, pool: spec.Name, action: api.Create})
}

// newTemplate returns the declared template of a new pool, or the default one of its type.
func (p *planner) newTemplate(spec api.PoolSpec) (store.TemplateDocument, error) {
	if sentTemplate(spec).IsZero() {
		return p.templates.Default(string(*spec.Type))
	}
	checked, err := p.checkTemplate(spec)
	if err != nil {
		return store.TemplateDocument{}, err
	}
	return checked.Doc, nil
}

func sentTemplate(spec api.PoolSpec) catalog.Sent {
	return catalog.Sent{Source: spec.BaseJobTemplateSource, Document: spec.BaseJobTemplate}
}

// checkTemplate checks the declared template of a pool and keeps it for the deployments of this file.
func (p *planner) checkTemplate(spec api.PoolSpec) (*catalog.Checked, error) {
	checked, err := p.templates.CheckSent(sentTemplate(spec))
	if err != nil {
		return nil, finding.ErrorUnder(err, "/base_job_template")
	}
	p.compiled[spec.Name] = checked.Compiled
	p.warnings = append(p.warnings, finding.Under(checked.Warnings, p.place+"/base_job_template")...)
	return checked, nil
}

// updatePool changes what the file declares of an existing pool and leaves the rest.
func (p *planner) updatePool(ctx context.Context, i int, spec api.PoolSpec, currentType string) error {
	if spec.Type != nil && string(*spec.Type) != currentType {
		return problem.Newf(problem.ApplyInvalid, "").
			At("/type", "work pool %q has type %s, which cannot be changed", spec.Name, currentType)
	}
	declared := declaredPool{PoolSpec: spec, index: i}
	if !sentTemplate(spec).IsZero() {
		var err error
		if declared.template, err = p.checkTemplate(spec); err != nil {
			return err
		}
	}

	update, err := p.poolUpdate(ctx, p.tx.GetPool, declared)
	if err != nil {
		return err
	}
	if len(update.change.fields) > 0 {
		// Claims wait for the lock of a pool. It is taken only where something changes, and the pool is read
		// again under it.
		if update, err = p.poolUpdate(ctx, p.tx.LockPool, declared); err != nil {
			return err
		}
	}

	if update.setFields {
		if _, err := p.tx.UpdatePool(ctx, spec.Name, update.fields, p.By.Name); err != nil {
			return err
		}
	}
	if update.setTemplate {
		if !jsondoc.Equal(update.current.Document, declared.template.Doc.Document) { // other words change no Job
			p.replaced = append(p.replaced, replacedTemplate{
				place: p.place + "/base_job_template", pool: spec.Name, current: update.current, checked: declared.template,
			})
		}
		if _, err := p.tx.UpdateTemplate(ctx, spec.Name, declared.template.Doc, nil, p.By.Name); err != nil {
			return err
		}
	}
	return p.record(ctx, update.change)
}

// declaredPool is a pool of the file, with its checked template; nil where the file has none.
type declaredPool struct {
	api.PoolSpec
	index    int
	template *catalog.Checked
}

// poolUpdate is what brings a pool to what the file declares.
type poolUpdate struct {
	setFields   bool
	fields      store.PoolUpdate
	setTemplate bool
	current     *store.TemplateVersion // with setTemplate
	change      change
}

type readPool func(ctx context.Context, name string) (*store.Pool, error)

func (p *planner) poolUpdate(ctx context.Context, read readPool, d declaredPool) (poolUpdate, error) {
	u := poolUpdate{change: newChange(api.ChangeKindPool, d.Name, d.Name)}
	current, err := read(ctx, d.Name)
	if err != nil {
		return u, err
	}
	if d.Description != nil && *d.Description != current.Description {
		u.setFields, u.fields.Description = true, d.Description
		u.change.set("description", current.Description, *d.Description)
	}
	if p.declares("pools", d.index, "concurrency_limit") &&
		!equalLimit(d.ConcurrencyLimit, current.ConcurrencyLimit) {
		u.setFields = true
		u.fields.ConcurrencyLimit, u.fields.NoConcurrencyLimit = d.ConcurrencyLimit, d.ConcurrencyLimit == nil
		u.change.set(
			"concurrency_limit",
			limitValue(current.ConcurrencyLimit),
			limitValue(d.ConcurrencyLimit),
		)
	}
	if d.RunTokenAudiences != nil {
		u.setAudiences(current.RunTokenAudiences, sortedUnique(*d.RunTokenAudiences))
	}
	if err := u.setReferences(current.References, d.References); err != nil {
		return u, err
	}
	u.setPolicy(current.Approvals, d.Approvals)
	if d.template == nil {
		return u, nil
	}

	version, err := p.tx.GetTemplateVersion(ctx, d.Name, 0)
	if err != nil {
		return u, err
	}
	if jsondoc.Equal(version.Document, d.template.Doc.Document) {
		err := p.setSource(ctx, &u, version, d.template.Doc.Source)
		return u, err
	}
	before, err := jsondoc.Object(version.Document)
	if err != nil {
		return u, err
	}
	after, err := jsondoc.Object(d.template.Doc.Document)
	if err != nil {
		return u, err
	}
	u.setTemplate, u.current = true, version
	u.change.set("base_job_template", before, after)
	return u, nil
}

// setSource saves a text that differs from that of the newest version in comments, order or quotes alone.
func (p *planner) setSource(ctx context.Context, u *poolUpdate, version *store.TemplateVersion, source string) error {
	saved, err := p.tx.GetTemplateSource(ctx, version.ID)
	if err != nil || source == "" || source == saved {
		return err
	}
	before, err := catalog.SourceOf(saved, version.Document)
	if err != nil {
		return err
	}
	u.setTemplate, u.current = true, version
	u.change.set("base_job_template_source", before, source)
	return nil
}

func (u *poolUpdate) setAudiences(before, after []string) {
	if slices.Equal(before, after) {
		return
	}
	u.setFields, u.fields.RunTokenAudiences = true, &after
	u.change.set("run_token_audiences", texts(before), texts(after))
}

// setReferences replaces the list of what job variables may refer to, if the file has one.
func (u *poolUpdate) setReferences(before json.RawMessage, declared *api.AllowedReferences) error {
	after, err := catalog.ReadReferences(declared)
	if err != nil || after == nil || jsondoc.Equal(jsondoc.OrEmpty(before), after) {
		return err
	}
	old, err := jsondoc.Object(before)
	if err != nil {
		return err
	}
	wanted, err := jsondoc.Object(after)
	if err != nil {
		return err
	}
	u.setFields, u.fields.References = true, after
	u.change.set("references", old, wanted)
	return nil
}

// sortedUnique returns a list that is a set, in its one order.
func sortedUnique(list []string) []string {
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// texts is a list in the form of templating.DecodeJSON.
func texts(list []string) []any {
	values := make([]any, len(list))
	for i, text := range list {
		values[i] = text
	}
	return values
}

// newChange is a change whose fields are set one by one.
func newChange(kind api.ChangeKind, name, pool string) change {
	return change{kind: kind, name: name, pool: pool, before: map[string]any{}, after: map[string]any{}}
}

func (c *change) set(field string, before, after any) {
	c.fields = append(c.fields, field)
	c.before[field], c.after[field] = before, after
}

func equalLimit(a, b *int32) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// limitValue is a limit in the form of templating.DecodeJSON; nil for no limit.
func limitValue(limit *int32) any {
	if limit == nil {
		return nil
	}
	return int64(*limit)
}
