package access

import (
	"slices"

	"github.com/berth-dev/berth/server/api"
)

// AllPools stands in a binding for every pool, future ones included.
const AllPools = "*"

// RoleJob is the role of a job key, in the pool of its run. Claims create job keys; people cannot grant it.
const RoleJob api.Role = "job"

// userRoles are the roles of people and their keys, in order. Each includes the rights of the roles before it.
var userRoles = [...]api.Role{
	api.RoleViewer, api.RoleOperator, api.RoleDeployer, api.RoleEditor, api.RoleAdmin,
}

// Roles returns the roles that can be granted: those of people in ascending order, and the one of workers.
func Roles() []api.Role { return append(userRoles[:len(userRoles):len(userRoles)], api.RoleWorker) }

// rank returns the position of a user role; -1 for other roles.
func rank(role api.Role) int { return slices.Index(userRoles[:], role) }

// AtLeast reports whether a role includes the rights of another. The role of workers includes none.
func AtLeast(role, least api.Role) bool { return rank(least) >= 0 && rank(role) >= rank(least) }

// A Binding gives its holder a role in one pool, or in AllPools.
type Binding struct {
	Role api.Role
	Pool string
}

// Covers reports whether the binding counts in a pool. Only a binding for all pools covers AllPools.
func (b Binding) Covers(pool string) bool { return b.Pool == AllPools || b.Pool == pool }

func (b Binding) String() string {
	if b.Pool == AllPools {
		return string(b.Role)
	}
	return string(b.Role) + ":" + b.Pool
}
