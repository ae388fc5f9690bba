package access

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
)

// Principal is the sender of a request.
type Principal struct {
	// Name is the name of the key. It appears in the audit log.
	Name string
	// KeyID is the public part of the key; empty if the server runs without keys.
	KeyID string
	Role  api.Role
	// Run is the run that a job key is limited to; zero for other keys.
	Run     uuid.UUID
	Attempt uuid.UUID // of Run
	// Pools are the pools that the key is limited to; nil means no limit.
	Pools []string
	// Authenticated is false if the server runs without keys.
	Authenticated bool
}

// Anonymous is the principal of every request to a server without keys. It may do everything.
func Anonymous() Principal { return Principal{Name: "anonymous", Role: api.RoleAdmin} }

// MayUsePool reports whether the key may use the pool.
func (p Principal) MayUsePool(pool string) bool {
	return p.Pools == nil || slices.Contains(p.Pools, pool)
}

// Limited reports whether the key is limited to some pools. Such a key may not change what all pools share.
func (p Principal) Limited() bool { return p.Pools != nil }

// CheckPool refuses a pool that the key may not use.
func (p Principal) CheckPool(pool string) error {
	if p.MayUsePool(pool) {
		return nil
	}
	return problem.Newf(problem.Forbidden, "API key %q may not use work pool %q", p.Name, pool)
}

// CheckPoolOf refuses an object of a pool that the key may not use, without naming the pool.
func (p Principal) CheckPoolOf(pool, object string) error {
	if p.MayUsePool(pool) {
		return nil
	}
	return problem.Newf(problem.Forbidden, "API key %q may not use the work pool of %s", p.Name, object)
}

// CheckRun refuses a job key for any run but its own. run is the ID in the request path.
func (p Principal) CheckRun(run string) error {
	if p.Role != RoleJob {
		return nil
	}
	if id, err := uuid.Parse(run); err == nil && id == p.Run {
		return nil
	}
	return problem.Newf(problem.Forbidden, "this job key is limited to run %s", p.Run)
}

// CheckUnlimited refuses a key that is limited to some pools; action completes "may not".
func (p Principal) CheckUnlimited(action string) error {
	if !p.Limited() {
		return nil
	}
	return problem.Newf(
		problem.Forbidden, "API key %q is limited to some work pools and may not %s", p.Name, action)
}

type principalKey struct{}

type accessCheckKey struct{}

// WithAccessCheck returns a context for CheckStillAllowed; check authenticates and authorizes the request
// again.
func WithAccessCheck(ctx context.Context, check func() error) context.Context {
	return context.WithValue(ctx, accessCheckKey{}, check)
}

// CheckStillAllowed repeats the access check of the request and returns its error. Long-lived responses, such
// as streams, have to call it from time to time, because keys expire and are revoked.
func CheckStillAllowed(ctx context.Context) error {
	if check, ok := ctx.Value(accessCheckKey{}).(func() error); ok {
		return check()
	}
	return nil
}

// WithPrincipal returns a context that carries the principal.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns the principal of a request. A context without one yields a Principal that may do nothing.
func From(ctx context.Context) Principal {
	p, ok := ctx.Value(principalKey{}).(Principal)
	if !ok {
		return Principal{Pools: []string{}}
	}
	return p
}
