package poolguard

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// Guard checks the pools of requests.
type Guard struct{ store *store.Store }

// New makes a Guard.
func New(s *store.Store) *Guard { return &Guard{store: s} }

// Middleware checks the pools of a request before its handler. An operation that is not in the table of
// package access, or whose pools cannot be found, is refused.
func (g *Guard) Middleware(next apiserver.StrictHandlerFunc, operation string) apiserver.StrictHandlerFunc {
	row, known := access.Find(operation)
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		who := access.From(ctx)
		if !access.Public(operation) {
			if !known {
				return nil, problem.Newf(problem.Forbidden, "%s may not call this operation", who)
			}
			c := call{guard: g, who: who, operation: operation, route: r, request: request}
			if err := c.check(ctx, row.Pools); err != nil {
				return nil, err
			}
		}
		return next(ctx, w, r, request)
	}
}

// CheckRun refuses an operation on a run in a pool in which the caller may not call it.
func (g *Guard) CheckRun(ctx context.Context, who access.Principal, operation string, id uuid.UUID) error {
	if who.MayDo(operation, access.AllPools) {
		return nil
	}
	_, err := g.checkRunHome(ctx, who, operation, id)
	return err
}

// checkRunHome checks the pool of a run. The runs of a deleted pool are hidden from callers that are limited to
// pools: another pool may have its name now. The job of such a run may still report.
func (g *Guard) checkRunHome(
	ctx context.Context, who access.Principal, operation string, id uuid.UUID,
) (store.RunHome, error) {
	object := "run " + id.String()
	home, err := g.store.GetRunHome(ctx, id)
	if err != nil {
		return home, missing(err, who, object)
	}
	if home.PoolDeleted && who.IsLimited() && !who.Has(access.RoleJob) {
		return home, who.Missing(object)
	}
	return home, who.CheckObject(operation, home.Pool, object)
}

// CheckRetry refuses to retry a run from or into a pool in which the caller may not retry: a retry goes to
// the pool that the deployment is in now.
func (g *Guard) CheckRetry(ctx context.Context, who access.Principal, operation string, id uuid.UUID) error {
	if who.MayDo(operation, access.AllPools) {
		return nil
	}
	home, err := g.checkRunHome(ctx, who, operation, id)
	if err != nil {
		return err
	}
	deployment, err := g.store.GetDeployment(ctx, home.Deployment)
	if store.IsCode(err, store.NotFound) {
		return nil // deleted; the store refuses the retry and says so
	}
	if err != nil {
		return err
	}
	if !who.MayDo(operation, deployment.Pool) {
		return problem.Newf(problem.Forbidden,
			"a retry of run %s goes to the work pool that its deployment is in now, in which %s may not retry runs",
			id, who)
	}
	return nil
}

// missing gives an object that does not exist the same answer as one that is hidden from the caller.
func missing(err error, who access.Principal, object string) error {
	if store.IsCode(err, store.NotFound) && who.IsLimited() {
		return who.Missing(object)
	}
	return err
}
