package handler

import (
	"context"
	"encoding/json"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/template"
)

// pool creates or changes a pool with its queues. What is not given stays as it is: a limit that an operator
// has set survives a deploy that says nothing of limits.
func (a *applying) pool(ctx context.Context, i int, spec api.PoolSpec) error {
	if err := access.From(ctx).CheckPool(spec.Name); err != nil {
		return problem.Newf(problem.Forbidden, "").At("/name", "%s", err)
	}
	current, err := a.tx.GetPool(ctx, spec.Name)
	switch {
	case isCode(err, store.NotFound):
		if err := a.createPool(ctx, spec); err != nil {
			return err
		}
		return a.queues(ctx, i, spec)
	case err != nil:
		return err
	case spec.Type != nil && string(*spec.Type) != current.Type:
		return problem.Newf(problem.ApplyInvalid, "").
			At("/type", "pool %q has type %s, which can not be changed", spec.Name, current.Type)
	}
	var checked *template.Checked
	if spec.BaseJobTemplate != nil {
		if checked, err = a.checkTemplate(spec); err != nil {
			return err
		}
	}
	if err := a.changePool(ctx, i, spec, checked); err != nil {
		return err
	}
	return a.queues(ctx, i, spec)
}

// changePool changes a pool that exists.
func (a *applying) changePool(
	ctx context.Context,
	i int,
	spec api.PoolSpec,
	checked *template.Checked,
) error {
	wanted, err := a.poolWanted(ctx, a.tx.GetPool, i, spec, checked)
	if err != nil {
		return err
	}
	if len(wanted.applied.fields) > 0 {
		// Claims wait for who holds the pool, so that is done only where something changes; what was read may
		// be old by now.
		if wanted, err = a.poolWanted(ctx, a.tx.HoldPool, i, spec, checked); err != nil {
			return err
		}
	}
	if wanted.update {
		if _, err := a.tx.UpdatePool(ctx, spec.Name, wanted.change, actor(ctx)); err != nil {
			return err
		}
	}
	if wanted.template {
		if _, err := a.tx.SaveTemplate(ctx, spec.Name, checked.Doc, nil, actor(ctx)); err != nil {
			return err
		}
	}
	return a.change(ctx, wanted.applied)
}

// poolWanted is what a description makes of a pool.
type poolWanted struct {
	update   bool
	change   store.PoolChange
	template bool
	applied  applied
}

func (a *applying) poolWanted(
	ctx context.Context,
	read func(context.Context, string) (*store.Pool, error),
	i int,
	spec api.PoolSpec,
	checked *template.Checked,
) (poolWanted, error) {
	w := poolWanted{
		applied: applied{
			kind:   api.ChangeKindPool,
			name:   spec.Name,
			before: map[string]any{},
			after:  map[string]any{},
		},
	}
	current, err := read(ctx, spec.Name)
	if err != nil {
		return w, err
	}
	differs := func(field string, before, after any) {
		w.applied.fields = append(w.applied.fields, field)
		w.applied.before[field], w.applied.after[field] = before, after
	}
	if spec.Description != nil && *spec.Description != current.Description {
		w.update, w.change.Description = true, spec.Description
		differs("description", current.Description, *spec.Description)
	}
	if _, given := a.poolFields[i]["concurrency_limit"]; given &&
		!equalLimit(spec.ConcurrencyLimit, current.ConcurrencyLimit) {
		w.update, w.change.ConcurrencyLimit, w.change.NoConcurrencyLimit = true, spec.ConcurrencyLimit, spec.ConcurrencyLimit == nil
		differs("concurrency_limit", limitValue(current.ConcurrencyLimit), limitValue(spec.ConcurrencyLimit))
	}
	if checked == nil {
		return w, nil
	}
	version, err := a.tx.GetTemplate(ctx, spec.Name, 0)
	if err != nil || equalJSON(version.Document, checked.Doc.Document) {
		return w, err
	}
	before, err := decodeObject(version.Document)
	if err != nil {
		return w, err
	}
	after, err := decodeObject(checked.Doc.Document)
	if err != nil {
		return w, err
	}
	w.template = true
	differs("base_job_template", before, after)
	return w, nil
}

// checkTemplate checks the template that a pool is given, and keeps what it warns of.
func (a *applying) checkTemplate(spec api.PoolSpec) (*template.Checked, error) {
	checked, err := a.Templates.Check(spec.BaseJobTemplate)
	if err != nil {
		return nil, under(err, "/base_job_template")
	}
	a.compiled[spec.Name] = checked.Compiled
	a.warnings = append(a.warnings, moved(checked.Warnings, a.at+"/base_job_template")...)
	return checked, nil
}

func (a *applying) createPool(ctx context.Context, spec api.PoolSpec) error {
	if spec.Type == nil {
		return problem.Newf(problem.ApplyInvalid, "").
			At("/type", "pool %q does not exist yet: say of which type it shall be", spec.Name)
	}
	doc, err := a.newPoolTemplate(ctx, spec)
	if err != nil {
		return err
	}
	_, err = a.tx.CreatePool(ctx, store.NewPool{
		Name: spec.Name, Type: string(*spec.Type), Description: value(spec.Description, ""),
		ConcurrencyLimit: spec.ConcurrencyLimit, Template: doc,
	}, actor(ctx))
	if err != nil {
		return err
	}
	return a.change(ctx, applied{kind: api.ChangeKindPool, name: spec.Name, action: api.Create})
}

// newPoolTemplate is the template given, and otherwise the default one of the pool's type.
func (a *applying) newPoolTemplate(ctx context.Context, spec api.PoolSpec) (store.TemplateDoc, error) {
	if spec.BaseJobTemplate == nil {
		return a.poolTemplate(ctx, *spec.Type, nil)
	}
	checked, err := a.checkTemplate(spec)
	if err != nil {
		return store.TemplateDoc{}, err
	}
	return checked.Doc, nil
}

func equalLimit(a, b *int32) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// limitValue is a limit in the form of templating.DecodeJSON; nil where there is none.
func limitValue(limit *int32) any {
	if limit == nil {
		return nil
	}
	return int64(*limit)
}

// rawQueues tells null from absent in the queues of the i-th pool.
func (a *applying) rawQueues(i int) ([]map[string]json.RawMessage, error) {
	var raw []map[string]json.RawMessage
	if document := a.poolFields[i]["queues"]; len(document) > 0 {
		if err := json.Unmarshal(document, &raw); err != nil {
			return nil, err
		}
	}
	return raw, nil
}
