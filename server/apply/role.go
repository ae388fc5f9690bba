package apply

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
)

// checkRole refuses a change that the caller could not make by the operation for it, naming the item and the
// role that it needs.
func (p *planner) checkRole(c change) error {
	if c.action == api.Unchanged {
		return nil
	}
	if p.mayMake(c) {
		return nil
	}

	row, _ := access.Find(c.operation())
	where := fmt.Sprintf("in work pool %q", c.pool)
	if row.NeedsAllPools() {
		where = "in all work pools"
	}
	role := string(p.By.RoleIn(c.poolOrAll()))
	if role == "" {
		role = "no role"
	}
	return problem.Newf(problem.Forbidden, "").At("/name",
		"%s: this needs role %s %s, and %s has %s; leave it out, or apply with a key that may do it",
		c.summary(), row.Role, where, p.By, role)
}

func (p *planner) mayMake(c change) bool { return p.By.MayDo(c.operation(), c.poolOrAll()) }

func (c change) poolOrAll() string { return cmp.Or(c.pool, access.AllPools) }

// operation returns the operation that makes such a change alone. Apply is the one for deployments.
func (c change) operation() string {
	byAction := map[api.ChangeKind][3]string{
		api.ChangeKindPool:       {"CreateWorkPool", "UpdateWorkPool", "DeleteWorkPool"},
		api.ChangeKindQueue:      {"CreateWorkQueue", "UpdateWorkQueue", "DeleteWorkQueue"},
		api.ChangeKindVariable:   {"SetVariable", "SetVariable", "DeleteVariable"},
		api.ChangeKindDeployment: {"Apply", "Apply", "DeleteDeployment"},
	}
	operations := byAction[c.kind]
	if c.kind == api.ChangeKindRule {
		operations = [3]string{"SetPoolRule", "SetPoolRule", "DeletePoolRule"}
		if c.pool == "" {
			operations = [3]string{"SetRule", "SetRule", "DeleteRule"}
		}
	}
	switch c.action {
	case api.Create:
		return operations[0]
	case api.Delete:
		return operations[2]
	}
	return operations[1]
}

func (c change) summary() string {
	text := fmt.Sprintf("%s %s %q", c.action, c.kind, c.name)
	if c.action == api.Update {
		text += " (" + strings.Join(c.fields, ", ") + ")"
	}
	return text
}

// checkVisible refuses an item of a pool in which the caller has no role, whether or not the pool exists.
func (p *planner) checkVisible(pool, pointer string) error {
	if p.By.RoleIn(pool) != "" {
		return nil
	}
	return problem.Newf(problem.Forbidden, "").At(pointer, "%s", p.By.NoRoleIn(pool))
}
