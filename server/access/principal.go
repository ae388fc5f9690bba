package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// ErrHidden is the cause of a refusal that looks like a missing object, because the caller may not know that
// the object exists.
var ErrHidden = errors.New("the object is in a work pool that is hidden from the caller")

// Principal is the sender of a request. Ask its methods what it may do.
type Principal struct {
	// Name is the name of the key. It appears in the audit log.
	Name string
	// KeyID is the public part of the key; empty if the server runs without keys.
	KeyID string
	// Kind says where the principal comes from.
	Kind api.CallerKind
	// CreatedBy and ExpiresAt describe the key; ExpiresAt is nil if it does not expire.
	CreatedBy string
	ExpiresAt *time.Time
	// Bindings are the roles of the caller, each in one pool or in all.
	Bindings []Binding
	// Run is the run that a job key is limited to; zero for other keys.
	Run     uuid.UUID
	Attempt uuid.UUID // of Run
	// Owner is whose key it is; zero for a service account.
	Owner store.KeyOwner
	// Token is the token that the key was exchanged for; nil for other keys.
	Token *store.TokenIdentity
	// Session is the person who signed in; nil for keys.
	Session *SignedIn
	// Authenticated is false if the server runs without keys.
	Authenticated bool
}

// SignedIn is a person with a session.
type SignedIn struct {
	Issuer, Subject string
	Email, Name     string
	// IDToken decrypts the ID token of the sign-in; empty if there is none.
	IDToken func() string
}

// Anonymous is the principal of every request to a server without keys. It may do everything.
func Anonymous() Principal {
	return Principal{Name: "anonymous", Kind: api.CallerAnonymous, Bindings: []Binding{{Role: api.RoleAdmin, Pool: AllPools}}}
}

// String names the principal in a sentence.
func (p Principal) String() string {
	switch {
	case p.Session != nil:
		return fmt.Sprintf("user %q", p.Name)
	case p.Token != nil:
		return fmt.Sprintf("workload %q", p.Name)
	}
	return fmt.Sprintf("API key %q", p.Name)
}

// ActorKind says what the audit calls the principal, whatever its name.
func (p Principal) ActorKind() store.ActorKind {
	switch p.Kind {
	case api.CallerUser:
		return store.ActorPerson
	case api.CallerCI:
		return store.ActorCI
	case api.CallerJobKey:
		return store.ActorJob
	case api.CallerAnonymous:
		return store.ActorAnonymous
	case api.CallerAPIKey:
		other := func(b Binding) bool { return b.Role != api.RoleWorker }
		if len(p.Bindings) > 0 && !slices.ContainsFunc(p.Bindings, other) {
			return store.ActorWorker
		}
		return store.ActorKey
	}
	return store.ActorSystem
}

// KeyOwner is the owner of the keys that the principal creates: the person, also behind a personal key, or the
// service account.
func (p Principal) KeyOwner() store.KeyOwner {
	switch {
	case p.Session != nil:
		return store.KeyOwner{Name: p.Name, Kind: store.ActorPerson, ID: p.Session.Subject}
	case p.Owner != store.KeyOwner{}:
		return p.Owner
	case p.KeyID != "":
		return store.KeyOwner{Name: p.Name, Kind: p.ActorKind(), ID: p.KeyID}
	}
	return store.KeyOwner{}
}

// RateKey names whose requests are counted together: new keys of one workload are no new rate.
func (p Principal) RateKey() string {
	if p.Token != nil {
		return p.Token.Rule + " " + p.Token.Subject
	}
	return p.KeyID
}

// RoleIn returns the highest role of the principal in a pool; empty for none. RoleIn(AllPools) is the role
// that it has in every pool.
func (p Principal) RoleIn(pool string) api.Role {
	var highest api.Role
	for _, b := range p.Bindings {
		if b.Covers(pool) && (highest == "" || rank(b.Role) > rank(highest)) {
			highest = b.Role
		}
	}
	return highest
}

// Has reports whether the principal has this very role in some pool.
func (p Principal) Has(role api.Role) bool {
	return slices.ContainsFunc(p.Bindings, func(b Binding) bool { return b.Role == role })
}

// IsLimited reports whether the principal has no role in all pools, so that pools can be hidden from it.
func (p Principal) IsLimited() bool { return p.RoleIn(AllPools) == "" }

// MayDo reports whether the principal may call an operation on a pool. An operation on what all pools share
// needs the role in all pools, whatever pool is given.
func (p Principal) MayDo(operation, pool string) bool {
	o, ok := Find(operation)
	if !ok {
		return false
	}
	if o.NeedsAllPools() {
		pool = AllPools
	}
	return slices.ContainsFunc(p.Bindings, func(b Binding) bool { return b.Covers(pool) && o.Allows(b.Role) })
}

// PoolsFor returns the pools in which the principal may call an operation; nil for all, and an empty list for
// none.
func (p Principal) PoolsFor(operation string) []string {
	pools := []string{}
	o, ok := Find(operation)
	if ok && o.NeedsAllPools() && !p.MayDo(operation, AllPools) {
		return pools
	}
	for _, b := range p.Bindings {
		switch {
		case !ok || !o.Allows(b.Role):
		case b.Pool == AllPools:
			return nil
		case !slices.Contains(pools, b.Pool):
			pools = append(pools, b.Pool)
		}
	}
	return pools
}

// CheckCall refuses an operation that the principal may call in no pool at all.
func (p Principal) CheckCall(operation string) error {
	o, ok := Find(operation)
	if ok && slices.ContainsFunc(p.Bindings, func(b Binding) bool { return o.Allows(b.Role) }) {
		return nil
	}
	return p.refuse(o)
}

// Check refuses an operation on a pool that the caller has named. The answer is the same for a pool that does
// not exist.
func (p Principal) Check(operation, pool string) error {
	if p.MayDo(operation, pool) {
		return nil
	}
	o, _ := Find(operation)
	role := p.RoleIn(pool)
	switch {
	case o.NeedsAllPools():
		return p.refuse(o)
	case pool == AllPools:
		return problem.Newf(problem.Forbidden, "%s may not %s in all work pools: it has %s, and needs %s in all",
			p, o.Does, p.roles(), o.Role)
	case role == "":
		return problem.Newf(problem.Forbidden, "%s", p.NoRoleIn(pool))
	}
	return problem.Newf(problem.Forbidden, "%s may not %s in work pool %q: it has role %s there, and needs %s",
		p, o.Does, pool, role, o.Role)
}

// NoRoleIn says that the principal may do nothing in a pool, and where it may.
func (p Principal) NoRoleIn(pool string) string {
	return fmt.Sprintf("%s has no role in work pool %q: it has %s", p, pool, p.roles())
}

// CheckObject refuses an operation on an object, such as `run "…"`, by the pool that it is in. An object in
// a pool that is hidden from the principal is answered like a missing one.
func (p Principal) CheckObject(operation, pool, object string) error {
	if p.RoleIn(pool) != "" {
		return p.Check(operation, pool)
	}
	hidden := p.Missing(object)
	hidden.Err = ErrHidden
	return hidden
}

// Missing answers that an object does not exist, or may be hidden. Callers that are limited to some pools get
// it for both, so that the answer does not tell which.
func (p Principal) Missing(object string) *problem.Error {
	return problem.Newf(problem.NotFound, "%s does not exist, or is in a work pool in which %s has no role",
		object, p)
}

// refuse says which role is missing, without the name of a pool that the caller has not named.
func (p Principal) refuse(o Operation) error {
	if o.ID == "" {
		return problem.Newf(problem.Forbidden, "%s may not call this operation", p)
	}
	where := ""
	if o.NeedsAllPools() {
		where = " in all work pools"
	}
	return problem.Newf(problem.Forbidden, "%s may not %s: it has %s, and needs role %s%s",
		p, o.Does, p.roles(), o.Role, where)
}

func (p Principal) roles() string {
	if len(p.Bindings) == 0 {
		return "no role"
	}
	words := make([]string, len(p.Bindings))
	for i, b := range p.Bindings {
		words[i] = b.String()
	}
	return strings.Join(words, ", ")
}

// CheckRun refuses a job key for any run but its own. run is the ID in the request path; empty if the path
// has none.
func (p Principal) CheckRun(run string) error {
	if !p.Has(RoleJob) || run == "" {
		return nil
	}
	if id, err := uuid.Parse(run); err == nil && id == p.Run {
		return nil
	}
	return problem.Newf(problem.Forbidden, "this job key is limited to run %s", p.Run)
}
