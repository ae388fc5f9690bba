package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/approval"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/rulebook"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
	"github.com/berth-dev/berth/templating"
)

// planner is one try to apply a file, in one transaction.
type planner struct {
	Request
	tx        *store.Tx
	templates *catalog.Catalog
	now       time.Time

	book         *rulebook.Book
	gate         *approval.Gate
	installation uuid.UUID
	// rules holds the rules that count in each pool, with the changes of this file.
	rules map[string]rulebook.Rules
	// references are what the Jobs of a pool may refer to, once read.
	references map[string]*newrun.References

	// budget bounds the validations of all parameters in the file.
	budget templating.SchemaBudget

	// approvals decides about the changes, by the policies that counted before them.
	approvals *approval.Check

	// compiled holds the templates by pool, with the changes of this file.
	compiled map[string]*templating.Compiled
	// project is what everything in the file belongs to, "" for none; owned is what belonged to it before.
	project string
	owned   store.Owned

	// place is the JSON pointer of the item that is being applied.
	place    string
	changes  []change
	warnings []api.Finding
	findings finding.List
	// broken are deployments whose runs would be refused, and replaced the templates that the file changes.
	broken   []string
	replaced []replacedTemplate
	// inUse is what uses the objects that a prune could not delete.
	inUse      []store.User
	inUseTotal int
}

// replacedTemplate is a template of a pool that the file changes.
type replacedTemplate struct {
	place, pool string
	current     *store.TemplateVersion
	checked     *catalog.Checked
}

func (p *planner) applyFile(ctx context.Context) error {
	if err := p.tx.LockApply(ctx); err != nil {
		return err
	}
	var err error
	if p.approvals, err = p.gate.Begin(ctx, p.tx); err != nil {
		return err
	}
	if p.project = wire.Or(p.File.Project, ""); p.project != "" {
		if p.owned, err = p.tx.ListOwned(ctx, p.project); err != nil {
			return err
		}
	}

	pools := wire.Or(p.File.Pools, nil)
	variables := wire.Or(p.File.Variables, nil)
	deployments := wire.Or(p.File.Deployments, nil)
	p.refuseDuplicates("/pools", len(pools), func(i int) string { return pools[i].Name })
	p.refuseDuplicates("/variables", len(variables), func(i int) string { return variables[i].Name })
	p.refuseDuplicates("/deployments", len(deployments), func(i int) string { return deployments[i].Name })

	if err := p.applyRules(ctx, "", "/rules", wire.Or(p.File.Rules, nil)); err != nil {
		return err
	}

	// Pools and variables come first: deployments use them.
	for i, spec := range pools {
		p.place = fmt.Sprintf("/pools/%d", i)
		if err := p.collect(p.applyPool(ctx, i, spec)); err != nil {
			return err
		}
	}
	for i, spec := range variables {
		p.place = fmt.Sprintf("/variables/%d", i)
		if err := p.collect(p.applyVariable(ctx, spec)); err != nil {
			return err
		}
	}
	for i, spec := range deployments {
		p.place = fmt.Sprintf("/deployments/%d", i)
		if err := p.collect(p.applyDeployment(ctx, spec)); err != nil {
			return err
		}
	}

	if err := p.refusal(); err != nil || !wire.Or(p.File.Prune, false) {
		return err
	}
	return p.prune(ctx)
}

// refusal returns everything that is wrong with the file; nil for nothing. A file of which only the caller's
// roles are wrong is forbidden, and recorded in the audit like any other refusal.
func (p *planner) refusal() error {
	forbidden := func(f api.Finding) bool { return wire.Or(f.Code, "") == string(problem.Forbidden) }
	if p.findings.All(forbidden) {
		return p.findings.ErrAs(problem.Forbidden)
	}
	return p.findings.Err()
}

// refuseDuplicates finds names that a list of the file declares more than once.
func (p *planner) refuseDuplicates(at string, n int, name func(int) string) {
	first := map[string]int{}
	for i := range n {
		if j, duplicate := first[name(i)]; duplicate {
			p.findings.Addf(problem.InvalidBody, fmt.Sprintf("%s/%d/name", at, i),
				"duplicate name %q, first declared at %s/%d", name(i), at, j)
			continue
		}
		first[name(i)] = i
	}
}

// collect keeps the findings about the current item, so that one answer names everything that is wrong in the
// file. An error without findings is not about the file and ends the apply.
func (p *planner) collect(err error) error {
	var refused *problem.Error
	if !errors.As(err, &refused) || len(refused.Findings) == 0 {
		return err
	}
	p.findings.Add(refused.Code, p.place, refused.Findings)
	return nil
}

func (p *planner) warn(at string, problems []templating.Problem) {
	p.warnings = append(p.warnings, finding.Under(finding.FromProblems(problems), p.place+at)...)
}

// declares reports whether the file has a member at a path of names and indexes, be it null.
func (p *planner) declares(path ...any) bool {
	at := p.Document
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, ok := at.(map[string]any)
			if !ok {
				return false
			}
			if at, ok = object[step]; !ok {
				return false
			}
		case int:
			list, ok := at.([]any)
			if !ok || step >= len(list) {
				return false
			}
			at = list[step]
		}
	}
	return true
}

func (p *planner) applyVariable(ctx context.Context, spec api.VariableSpec) error {
	if err := newrun.CheckVariable(spec.Value, "/value"); err != nil {
		return err
	}
	current, err := p.tx.LockVariable(ctx, spec.Name)
	if store.IsCode(err, store.NotFound) {
		if _, err := p.tx.UpsertVariable(ctx, spec.Name, spec.Value, p.By.Name); err != nil {
			return err
		}
		return p.record(ctx, change{kind: api.ChangeKindVariable, name: spec.Name, action: api.Create})
	}
	if err != nil {
		return err
	}

	c := change{
		kind:   api.ChangeKindVariable,
		name:   spec.Name,
		hidden: []json.RawMessage{current.Value, spec.Value},
	}
	if !jsondoc.Equal(current.Value, spec.Value) {
		c.fields = []string{"value"}
		if _, err := p.tx.UpsertVariable(ctx, spec.Name, spec.Value, p.By.Name); err != nil {
			return err
		}
	}
	return p.record(ctx, c)
}
