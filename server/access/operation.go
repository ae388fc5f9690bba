package access

import (
	"strings"

	"github.com/berth-dev/berth/server/api"
)

// An Operation says who may call an operation of the API. Operations has one for each.
type Operation struct {
	// ID is the name of its method in the strict server interface, such as GetRun.
	ID string
	// Role is the lowest role that may call it; RoleWorker means workers and admins.
	Role api.Role
	// Job is true if job keys may call it too, for their run.
	Job bool
	// Pools says where to find the pools in which the caller needs the role. Every place is checked.
	Pools []Place
	// Does completes "may" and "may not", for the documentation and for refusals.
	Does string
}

// Roles of operations that need less than a role in a pool.
const (
	// Everyone marks operations that need no key.
	Everyone api.Role = "everyone"
	// AnyKey marks operations that every valid key may call, whatever its roles. Job keys need Job, too.
	AnyKey api.Role = "any key"
)

// A Place is where the pools of a call are found.
type Place string

// Places. A call has the pools of all its places.
const (
	// NoPool: the operation is not about pools. The role in any pool is enough.
	NoPool Place = "any"
	// EveryPool: it changes what all pools share. Only a role in all pools is enough.
	EveryPool Place = "all"
	// Listed: the answer contains only what is in pools in which the caller has the role. A pool that the
	// query names is refused if the caller does not have the role in it, so that an empty list does not look
	// like an empty pool.
	Listed Place = "each that is listed"
	// Selected: as Listed, for the runs that the body names or selects; each is checked.
	Selected Place = "that of each run"
	// Items: each item of the body is checked with the role that it needs, in the transaction.
	Items Place = "that of each item"
	// Granted: the role is needed in the pool of each binding of the key.
	Granted Place = "each in which the key has a role"

	PathPool       Place = "the one named"                  // in the path
	BodyPool       Place = "that of the worker"             // named in the body
	PathDeployment Place = "that of the deployment"         // named in the path
	BodyDeployment Place = "that of a deployment previewed" // named in the body, if any
	PathRun        Place = "that of the run"
	// RetriedRun: the pool of the run, and the one that its deployment is in now.
	RetriedRun   Place = "those of the run and its deployment"
	PathVersion  Place = "that of the template version"
	PathRuleSet  Place = "that of the rule set"
	PathApproval Place = "that of the request"
	// PathWebhook and BodyWebhook: each pool that the webhook is about now, and will be about.
	PathWebhook  Place = "each that the webhook names"
	BodyWebhook  Place = "each that it is to name"
	BodyAttempts Place = "those of the attempts"
)

// Find returns the row of an operation.
func Find(operation string) (Operation, bool) {
	for _, o := range operations {
		if o.ID == operation {
			return o, true
		}
	}
	return Operation{}, false
}

// Operations returns all rows, in the order of the documentation.
func Operations() []Operation { return append([]Operation{}, operations...) }

// Public reports whether an operation requires no key.
func Public(operation string) bool {
	o, ok := Find(operation)
	return ok && o.Role == Everyone
}

// OfWorkers reports whether the operation is one of workers, Jobs or load balancers, which must not wait for
// people.
func OfWorkers(operation string) bool {
	o, ok := Find(operation)
	return ok && (o.Role == api.RoleWorker || o.Role == RoleJob || o.ID == "GetReady")
}

// Allows reports whether a role may call the operation in the pool of its binding.
func (o Operation) Allows(role api.Role) bool {
	switch {
	case o.Role == Everyone:
		return true
	case role == RoleJob:
		return o.Job
	case o.Role == AnyKey:
		return true
	case o.Role == api.RoleWorker:
		return role == api.RoleWorker || role == api.RoleAdmin
	}
	return rank(o.Role) >= 0 && rank(role) >= rank(o.Role)
}

// NeedsAllPools reports whether the role is needed in all pools.
func (o Operation) NeedsAllPools() bool { return len(o.Pools) == 1 && o.Pools[0] == EveryPool }

// Where says in words in which pools the role is needed.
func (o Operation) Where() string {
	words := make([]string, len(o.Pools))
	for i, place := range o.Pools {
		words[i] = string(place)
	}
	return strings.Join(words, ", ")
}
