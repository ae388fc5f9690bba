package access

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
)

// Principal is who asks.
type Principal struct {
	// Name is what the history of changes says: the key's name.
	Name string
	// KeyID is the public part of the key; empty without one.
	KeyID string
	Role  api.Role
	// Run is the only one that the key of a job is for; the zero value where it is nobody's but a person's or
	// worker's.
	Run     uuid.UUID
	Attempt uuid.UUID // of that run
	// Pools limits the key; nil is no limit.
	Pools []string
	// Authenticated is false where the server runs without keys.
	Authenticated bool
}

// Anonymous is who asks where the server runs without keys: may do everything.
func Anonymous() Principal { return Principal{Name: "anonymous", Role: api.RoleAdmin} }

// MayUsePool reports whether the pool is within the key's limits.
func (p Principal) MayUsePool(pool string) bool {
	return p.Pools == nil || slices.Contains(p.Pools, pool)
}

// Limited reports whether the key is limited to some pools, and so may not touch what is everybody's.
func (p Principal) Limited() bool { return p.Pools != nil }

// CheckPool refuses a pool that the key is not for.
func (p Principal) CheckPool(pool string) error {
	if p.MayUsePool(pool) {
		return nil
	}
	return problem.Newf(problem.Forbidden, "API key %q is not for work pool %q", p.Name, pool)
}

// CheckPoolOf refuses a thing of a pool that the key is not for, without saying which pool that is.
func (p Principal) CheckPoolOf(pool, thing string) error {
	if p.MayUsePool(pool) {
		return nil
	}
	return problem.Newf(problem.Forbidden, "API key %q is not for the work pool of %s", p.Name, thing)
}

// CheckRun refuses any other run than the one that a job's key is for; run is as a path gives it.
func (p Principal) CheckRun(run string) error {
	if p.Role != RoleJob {
		return nil
	}
	if id, err := uuid.Parse(run); err == nil && id == p.Run {
		return nil
	}
	return problem.Newf(problem.Forbidden, "this key is for the job of run %s and for nothing else", p.Run)
}

// CheckUnlimited refuses a key that is limited to some pools.
func (p Principal) CheckUnlimited(what string) error {
	if !p.Limited() {
		return nil
	}
	return problem.Newf(
		problem.Forbidden,
		"API key %q is limited to some work pools and may not %s",
		p.Name,
		what,
	)
}

type contextKey struct{}

type stillKey struct{}

// WithAccessCheck returns a context that can ask whether who asks is still let in.
func WithAccessCheck(ctx context.Context, still func() error) context.Context {
	return context.WithValue(ctx, stillKey{}, still)
}

// CheckStillAllowed is why who asks is not let in any more; nil where they are. What goes on for long, as
// streams do, has to ask: keys expire and are revoked.
func CheckStillAllowed(ctx context.Context) error {
	if still, ok := ctx.Value(stillKey{}).(func() error); ok {
		return still()
	}
	return nil
}

// WithPrincipal returns a context that knows who asks.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From returns who asks. Without anybody it is a Principal that may do nothing.
func From(ctx context.Context) Principal {
	p, ok := ctx.Value(contextKey{}).(Principal)
	if !ok {
		return Principal{Pools: []string{}}
	}
	return p
}
