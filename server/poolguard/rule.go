package poolguard

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
)

// call is a request as its handler gets it.
type call struct {
	route   *http.Request
	request any // decoded, of the operation's request type
}

func (c call) path(parameter string) string { return mux.Vars(c.route)[parameter] }

// A rule finds the pools that a call is about and checks them for a key that is limited to some pools.
type rule func(ctx context.Context, g *Guard, who access.Principal, c call) error

// rules has a rule for every operation of the API.
func rules() map[string]rule {
	return map[string]rule{
		// Not about pools.
		"GetHealth": noPool, "GetReady": noPool, "GetInfo": noPool, "PreviewSchedule": noPool,

		// Every pool may use stored variables, so that any key may read them and no limited key may change
		// them.
		"ListVariables":  noPool,
		"GetVariable":    noPool,
		"SetVariable":    unlimitedKey("change stored variables"),
		"DeleteVariable": unlimitedKey("delete stored variables"),

		// A limited key could create a key without a limit.
		"ListAPIKeys":  unlimitedKey("manage API keys"),
		"CreateAPIKey": unlimitedKey("manage API keys"),
		"RevokeAPIKey": unlimitedKey("manage API keys"),

		// The store lists what is in the key's pools. Asking for one pool by name is refused instead, so that
		// an empty list does not look like an empty pool.
		"ListWorkPools":   noPool,
		"ListAudit":       noPool,
		"ListDeployments": poolInQuery,
		"ListSchedules":   poolInQuery,
		"ListWorkers":     poolInQuery,
		"ListRuns":        poolInQuery,
		"CountRuns":       poolInQuery,
		"StreamRuns":      poolInQuery,

		"CreateWorkPool": pool(func(r apiserver.CreateWorkPoolRequestObject) string { return r.Body.Name }),
		"GetWorkPool":    poolInPath, "UpdateWorkPool": poolInPath, "DeleteWorkPool": poolInPath,
		"ListWorkQueues": poolInPath, "CreateWorkQueue": poolInPath,
		"GetWorkQueue": poolInPath, "UpdateWorkQueue": poolInPath, "DeleteWorkQueue": poolInPath,
		"UpdateWorker": poolInPath,

		"GetTemplate": poolInPath, "SetTemplate": poolInPath, "RollBackTemplate": poolInPath,
		"ListTemplateVersions": poolInPath, "LintTemplate": poolInPath,
		"DiffTemplate": poolInPath, "ImpactTemplate": poolInPath,
		"PreviewTemplate": all(poolInPath, previewedDeployment),

		// An apply checks each item of its file, in its transaction.
		"Apply": noPool,

		"GetDeployment": deploymentInPath, "UpdateDeployment": deploymentInPath, "DeleteDeployment": deploymentInPath,
		"GetRunSchema":            deploymentInPath,
		"ListDeploymentSchedules": deploymentInPath, "UpdateSchedule": deploymentInPath,
		"CreateRun": deploymentInPath, "CreateRuns": deploymentInPath,

		"GetRun": runInPath, "CancelRun": runInPath, "AbandonRun": runInPath,
		"ExplainRun": runInPath, "ListRunEvents": runInPath, "GetAttemptManifest": runInPath,
		"GetRunLogs": runInPath, "StreamRun": runInPath,
		"GetRunResult": runInPath, "SetRunResult": runInPath, "SetRunProgress": runInPath,
		"RetryRun": retryInPath,

		// The handler checks each run, and answers with the refused ones.
		"CancelRuns": selectedPool(
			func(r apiserver.CancelRunsRequestObject) *api.RunSelection { return r.Body },
		),
		"RetryRuns": selectedPool(
			func(r apiserver.RetryRunsRequestObject) *api.RunSelection { return r.Body },
		),

		"WorkerHello":    pool(func(r apiserver.WorkerHelloRequestObject) string { return r.Body.Pool }),
		"LookUpAttempts": pool(func(r apiserver.LookUpAttemptsRequestObject) string { return r.Body.Pool }),
		"ClaimRuns": all(
			pool(func(r apiserver.ClaimRunsRequestObject) string { return r.Body.Pool }),
			attempts(func(r apiserver.ClaimRunsRequestObject) []uuid.UUID { return leased(r.Body.Held) }),
		),
		"RenewLeases": all(
			pool(func(r apiserver.RenewLeasesRequestObject) string { return r.Body.Pool }),
			attempts(func(r apiserver.RenewLeasesRequestObject) []uuid.UUID {
				return append(leased(&r.Body.Leases), leased(r.Body.Release)...)
			}),
		),
		"ReportAttempts": all(
			pool(func(r apiserver.ReportAttemptsRequestObject) string { return r.Body.Pool }),
			attempts(func(r apiserver.ReportAttemptsRequestObject) []uuid.UUID {
				return attemptIDs(r.Body.Reports, func(r api.Report) uuid.UUID { return r.AttemptID })
			}),
		),
		"AppendLogs": attempts(func(r apiserver.AppendLogsRequestObject) []uuid.UUID {
			return attemptIDs(r.Body.Chunks, func(c api.LogAppendChunk) uuid.UUID { return c.AttemptID })
		}),
		"GetTemplateForWorker": templateVersionInPath,
	}
}

func noPool(context.Context, *Guard, access.Principal, call) error { return nil }

// unlimitedKey refuses every limited key.
func unlimitedKey(action string) rule {
	return func(_ context.Context, _ *Guard, who access.Principal, _ call) error {
		return who.CheckUnlimited(action)
	}
}

// all checks several rules in order.
func all(rules ...rule) rule {
	return func(ctx context.Context, g *Guard, who access.Principal, c call) error {
		for _, check := range rules {
			if err := check(ctx, g, who, c); err != nil {
				return err
			}
		}
		return nil
	}
}

func poolInPath(_ context.Context, _ *Guard, who access.Principal, c call) error {
	return who.CheckPool(c.path("pool"))
}

// poolInQuery checks the pool that a list is narrowed to.
func poolInQuery(_ context.Context, _ *Guard, who access.Principal, c call) error {
	if name := c.route.URL.Query().Get("pool"); name != "" {
		return who.CheckPool(name)
	}
	return nil
}

func deploymentInPath(ctx context.Context, g *Guard, who access.Principal, c call) error {
	return g.checkDeployment(ctx, who, c.path("deployment"))
}

func runInPath(ctx context.Context, g *Guard, who access.Principal, c call) error {
	id, err := uuid.Parse(c.path("run"))
	if err != nil {
		return fmt.Errorf("read the run in the path: %w", err)
	}
	return g.CheckRun(ctx, who, id)
}

func retryInPath(ctx context.Context, g *Guard, who access.Principal, c call) error {
	id, err := uuid.Parse(c.path("run"))
	if err != nil {
		return fmt.Errorf("read the run in the path: %w", err)
	}
	return g.CheckRetry(ctx, who, id)
}

func templateVersionInPath(ctx context.Context, g *Guard, who access.Principal, c call) error {
	id, err := uuid.Parse(c.path("version"))
	if err != nil {
		return fmt.Errorf("read the template version in the path: %w", err)
	}
	return g.checkTemplateVersion(ctx, who, id)
}

// pool checks the pool that a body names.
func pool[R any](of func(R) string) rule {
	return func(_ context.Context, _ *Guard, who access.Principal, c call) error {
		request, err := as[R](c)
		if err != nil {
			return err
		}
		return who.CheckPool(of(request))
	}
}

// attempts checks the pools of the attempts that a body names.
func attempts[R any](of func(R) []uuid.UUID) rule {
	return func(ctx context.Context, g *Guard, who access.Principal, c call) error {
		request, err := as[R](c)
		if err != nil {
			return err
		}
		return g.checkAttempts(ctx, who, of(request))
	}
}

// selectedPool checks the pool by which runs are selected, if any.
func selectedPool[R any](of func(R) *api.RunSelection) rule {
	return func(_ context.Context, _ *Guard, who access.Principal, c call) error {
		request, err := as[R](c)
		if err != nil {
			return err
		}
		if filter := of(request).Filter; filter != nil && filter.Pool != nil && *filter.Pool != "" {
			return who.CheckPool(*filter.Pool)
		}
		return nil
	}
}

// previewedDeployment checks the deployment that a preview takes values from, if any.
func previewedDeployment(ctx context.Context, g *Guard, who access.Principal, c call) error {
	request, err := as[apiserver.PreviewTemplateRequestObject](c)
	if err != nil {
		return err
	}
	if name := request.Body.Deployment; name != nil && *name != "" {
		return g.checkDeployment(ctx, who, *name)
	}
	return nil
}

func as[R any](c call) (R, error) {
	request, ok := c.request.(R)
	if !ok {
		return request, errors.New("the pool rule does not fit the request of its operation")
	}
	return request, nil
}

func leased(leases *[]api.AttemptLease) []uuid.UUID {
	if leases == nil {
		return nil
	}
	return attemptIDs(*leases, func(l api.AttemptLease) uuid.UUID { return l.AttemptID })
}

func attemptIDs[T any](items []T, id func(T) uuid.UUID) []uuid.UUID {
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		ids[i] = id(item)
	}
	return ids
}
