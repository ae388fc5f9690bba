package poolguard

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// maxAttempts bounds how many attempts of one request are looked up. It is more than any operation accepts.
const maxAttempts = 50_000

// Guard checks the pools of requests.
type Guard struct {
	store *store.Store
	rules map[string]rule
}

// New makes a Guard.
func New(s *store.Store) *Guard { return &Guard{store: s, rules: rules()} }

// Operations returns the names of the operations that have a rule.
func (g *Guard) Operations() []string { return slices.Sorted(maps.Keys(g.rules)) }

// Middleware checks the pools of a request before its handler. An operation without a rule is refused.
func (g *Guard) Middleware(next apiserver.StrictHandlerFunc, operation string) apiserver.StrictHandlerFunc {
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		who := access.From(ctx)
		if who.Limited() {
			check, ok := g.rules[operation]
			if !ok {
				return nil, problem.Newf(problem.Forbidden,
					"API key %q is limited to some work pools and may not call %s", who.Name, operation)
			}
			if err := check(ctx, g, who, call{route: r, request: request}); err != nil {
				return nil, err
			}
		}
		return next(ctx, w, r, request)
	}
}

// CheckRun refuses a run in a pool that the key is not for.
func (g *Guard) CheckRun(ctx context.Context, who access.Principal, id uuid.UUID) error {
	if !who.Limited() {
		return nil
	}
	run, err := g.store.GetRun(ctx, id)
	if err != nil {
		return err
	}
	return who.CheckPoolOf(run.Pool, "run "+id.String())
}

// CheckRetry refuses to retry a run from or into a pool that the key is not for: a retry goes to the pool
// that the deployment is in now.
func (g *Guard) CheckRetry(ctx context.Context, who access.Principal, id uuid.UUID) error {
	if !who.Limited() {
		return nil
	}
	run, err := g.store.GetRun(ctx, id)
	if err != nil {
		return err
	}
	if err := who.CheckPoolOf(run.Pool, "run "+id.String()); err != nil {
		return err
	}
	err = g.checkDeployment(ctx, who, run.Deployment)
	if store.IsCode(err, store.NotFound) {
		return nil // deleted; the store refuses the retry and says so
	}
	return err
}

func (g *Guard) checkDeployment(ctx context.Context, who access.Principal, name string) error {
	deployment, err := g.store.GetDeployment(ctx, name)
	if err != nil {
		return err
	}
	return who.CheckPoolOf(deployment.Pool, strconv.Quote(name))
}

func (g *Guard) checkTemplateVersion(ctx context.Context, who access.Principal, id uuid.UUID) error {
	version, err := g.store.GetTemplateVersionByID(ctx, id)
	if err != nil {
		return err
	}
	return who.CheckPoolOf(version.Pool, "this template version")
}

// checkAttempts refuses attempts of other pools: the pool that a worker names says nothing about them.
func (g *Guard) checkAttempts(ctx context.Context, who access.Principal, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	if len(ids) > maxAttempts {
		return problem.Newf(
			problem.InvalidBody,
			"%d attempts; at most %d are allowed in one call",
			len(ids),
			maxAttempts,
		)
	}
	pools, err := g.store.ListPoolsOfAttempts(ctx, ids)
	if err != nil {
		return err
	}
	for _, pool := range pools {
		if err := who.CheckPoolOf(pool, "one of these attempts"); err != nil {
			return err
		}
	}
	return nil
}
