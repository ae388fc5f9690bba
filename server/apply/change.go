package apply

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// change is what an apply does to one item.
type change struct {
	kind   api.ChangeKind
	name   string
	pool   string           // in which the caller needs a role; empty for variables
	from   string           // the pool that a deployment leaves; empty if it was in none
	action api.ChangeAction // empty: update if there are fields, otherwise unchanged
	fields []string
	// before and after are the item, or its changed fields, in the form of templating.DecodeJSON.
	before, after map[string]any
	// hidden values are part of the fingerprint and are not shown.
	hidden []json.RawMessage
}

// record adds a change to the plan and makes the item the project's. It checks that the caller may make the
// change: an item that stays as it is needs no role but viewer, so that a file may declare a pool that others
// own.
func (p *planner) record(ctx context.Context, c change) error {
	// Only who may change an item makes it the project's: another's pool can be declared without owning it.
	if c.action != "" || len(c.fields) > 0 || p.mayMake(c) {
		if err := p.own(ctx, &c); err != nil {
			return err
		}
	}
	if c.action == "" {
		c.action = api.Unchanged
		if len(c.fields) > 0 {
			c.action = api.Update
		}
	}
	if err := p.checkRole(c); err != nil {
		return err
	}
	p.changes = append(p.changes, c)
	return nil
}

// ownerKind returns how the store names a kind of item that a project can own; queues belong to their pool.
func ownerKind(kind api.ChangeKind) (store.OwnedKind, bool) {
	switch kind {
	case api.ChangeKindPool:
		return store.OwnedPool, true
	case api.ChangeKindVariable:
		return store.OwnedVariable, true
	case api.ChangeKindDeployment:
		return store.OwnedDeployment, true
	}
	return "", false
}

// newToProject reports whether an item in the file does not belong to the file's project yet.
func (p *planner) newToProject(kind api.ChangeKind, name string) bool {
	owner, ok := ownerKind(kind)
	return ok && p.project != "" && !slices.Contains(p.owned[owner], name)
}

// own makes an item the project's. If it exists and belonged to another project or to none, that is a change
// like any other.
func (p *planner) own(ctx context.Context, c *change) error {
	if c.action == api.Delete || !p.newToProject(c.kind, c.name) {
		return nil
	}
	owner, _ := ownerKind(c.kind)
	before, err := p.tx.UpdateProject(ctx, store.Ownership{
		Kind: owner, Name: c.name, Project: p.project, New: c.action == api.Create,
	}, p.By.Name)
	if err != nil || c.action == api.Create {
		return err
	}

	c.fields = append(c.fields, "project")
	c.before, c.after = withProject(c.before, before), withProject(c.after, p.project)
	return nil
}

func withProject(document map[string]any, project string) map[string]any {
	if document == nil {
		document = map[string]any{}
	}
	if project != "" {
		document["project"] = project
	}
	return document
}

// fingerprint identifies these changes with all their values.
func fingerprint(changes []change) (string, error) {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	for _, c := range changes {
		if err := encoder.Encode([]any{c.kind, c.name, c.action, c.fields, c.before, c.after, c.hidden}); err != nil {
			return "", fmt.Errorf("compute the fingerprint of the plan: %w", err)
		}
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)), nil
}

func wireChanges(changes []change) ([]api.Change, error) {
	converted := make([]api.Change, 0, len(changes))
	for _, c := range changes {
		one := api.Change{Kind: c.kind, Name: c.name, Action: c.action}
		if c.action == api.Update {
			one.Fields = &c.fields
			if err := wire.DescribeChange(c.before, c.after, &one); err != nil {
				return nil, fmt.Errorf("describe the change of %s %q: %w", c.kind, c.name, err)
			}
		}
		converted = append(converted, one)
	}
	return converted, nil
}
