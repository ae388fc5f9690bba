package handler

import (
	"context"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/template"
)

// pool creates or changes a pool. What is not given stays as it is: a limit that an operator has set survives a deploy that
// says nothing of limits.
func (a *applying) pool(ctx context.Context, i int, spec api.PoolSpec) error {
	if err := access.From(ctx).CheckPool(spec.Name); err != nil {
		return problem.Newf(problem.Forbidden, "").At("/name", "%s", err)
	}
	current, err := a.tx.GetPool(ctx, spec.Name)
	switch {
	case isCode(err, store.NotFound):
		return a.createPool(ctx, spec)
	case err != nil:
		return err
	case spec.Type != nil && string(*spec.Type) != current.Type:
		return problem.Newf(problem.ApplyInvalid, "").At("/type", "pool %q has type %s, which can not be changed", spec.Name, current.Type)
	}
	var fields []string
	change := store.PoolChange{}
	if spec.Description != nil && *spec.Description != current.Description {
		change.Description, fields = spec.Description, append(fields, "description")
	}
	if _, given := a.poolFields[i]["concurrency_limit"]; given && !equalLimit(spec.ConcurrencyLimit, current.ConcurrencyLimit) {
		change.ConcurrencyLimit, change.NoConcurrencyLimit = spec.ConcurrencyLimit, spec.ConcurrencyLimit == nil
		fields = append(fields, "concurrency_limit")
	}
	if len(fields) > 0 {
		if _, err := a.tx.UpdatePool(ctx, spec.Name, change, actor(ctx)); err != nil {
			return err
		}
	}
	saved, err := a.poolTemplate(ctx, spec)
	if err != nil {
		return err
	}
	if saved {
		fields = append(fields, "base_job_template")
	}
	a.change(api.ChangeKindPool, spec.Name, false, fields)
	return nil
}

// poolTemplate saves the template of a pool that exists, where one is given and it says something new.
func (a *applying) poolTemplate(ctx context.Context, spec api.PoolSpec) (saved bool, err error) {
	if spec.BaseJobTemplate == nil {
		return false, nil
	}
	checked, err := a.checkTemplate(spec)
	if err != nil {
		return false, err
	}
	current, err := a.tx.GetTemplate(ctx, spec.Name, 0)
	if err != nil || equalJSON(current.Document, checked.Doc.Document) {
		return false, err
	}
	_, err = a.tx.SaveTemplate(ctx, spec.Name, checked.Doc, nil, actor(ctx))
	return err == nil, err
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
		return problem.Newf(problem.ApplyInvalid, "").At("/type", "pool %q does not exist yet: say of which type it shall be", spec.Name)
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
	a.change(api.ChangeKindPool, spec.Name, true, nil)
	return nil
}

// newPoolTemplate is the template given, and otherwise the default one of the pool's type.
func (a *applying) newPoolTemplate(ctx context.Context, spec api.PoolSpec) (store.TemplateDoc, error) {
	if spec.BaseJobTemplate == nil {
		return a.Handler.poolTemplate(ctx, *spec.Type, nil)
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
