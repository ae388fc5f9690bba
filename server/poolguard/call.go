package poolguard

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/webhook"
	"github.com/berth-dev/berth/server/wire"
)

// maxAttempts bounds how many attempts of one request are looked up. It is more than any operation accepts.
const maxAttempts = 50_000

// call is a request as its handler gets it.
type call struct {
	guard     *Guard
	who       access.Principal
	operation string
	route     *http.Request
	request   any // decoded, of the operation's request type
}

func (c call) path(parameter string) string { return mux.Vars(c.route)[parameter] }

// check checks the pools at the places of a call.
func (c call) check(ctx context.Context, places []access.Place) error {
	for _, place := range places {
		if err := c.checkPlace(ctx, place); err != nil {
			return err
		}
	}
	return nil
}

func (c call) checkPlace(ctx context.Context, place access.Place) error {
	switch place {
	case access.NoPool, access.Items:
		return nil // checked by the role alone, or where the items are changed
	case access.EveryPool:
		return c.who.Check(c.operation, access.AllPools)
	case access.Listed:
		return c.checkNamed(c.route.URL.Query().Get("pool"))
	case access.PathPool:
		return c.who.Check(c.operation, c.path("pool"))
	}
	if c.who.MayDo(c.operation, access.AllPools) {
		return nil
	}

	// From here on, the pools are in the body or in the database.
	switch place {
	case access.Selected, access.BodyPool, access.Granted:
		return c.checkBody()
	case access.BodyAttempts:
		return c.checkAttempts(ctx)
	case access.PathDeployment:
		return c.checkDeployment(ctx, c.path("deployment"))
	case access.BodyDeployment:
		return c.checkBodyDeployment(ctx)
	case access.PathVersion:
		return c.checkTemplateVersion(ctx)
	case access.PathRuleSet:
		return c.checkRuleSet(ctx)
	case access.PathApproval:
		return c.checkApproval(ctx)
	case access.PathWebhook:
		return c.checkWebhook(ctx)
	case access.BodyWebhook:
		return c.checkBodyWebhook()
	case access.PathRun, access.RetriedRun:
		return c.checkRun(ctx, place)
	}
	return fmt.Errorf("operation %s: the pool guard does not know the place %q", c.operation, place)
}

// checkNamed checks a pool by which a list is narrowed; empty for none.
func (c call) checkNamed(pool string) error {
	if pool == "" {
		return nil
	}
	return c.who.Check(c.operation, pool)
}

func (c call) checkRun(ctx context.Context, place access.Place) error {
	id, err := uuid.Parse(c.path("run"))
	if err != nil {
		return fmt.Errorf("read the run in the path: %w", err)
	}
	if place == access.RetriedRun {
		return c.guard.CheckRetry(ctx, c.who, c.operation, id)
	}
	return c.guard.CheckRun(ctx, c.who, c.operation, id)
}

func (c call) checkDeployment(ctx context.Context, name string) error {
	object := "deployment " + strconv.Quote(name)
	deployment, err := c.guard.store.GetDeployment(ctx, name)
	if err != nil {
		return missing(err, c.who, object)
	}
	return c.who.CheckObject(c.operation, deployment.Pool, object)
}

func (c call) checkTemplateVersion(ctx context.Context) error {
	id, err := uuid.Parse(c.path("version"))
	if err != nil {
		return fmt.Errorf("read the template version in the path: %w", err)
	}
	object := "template version " + id.String()
	version, err := c.guard.store.GetTemplateVersionByID(ctx, id)
	if err != nil {
		return missing(err, c.who, object)
	}
	return c.who.CheckObject(c.operation, version.Pool, object)
}

// checkRuleSet lets every worker read the rules of the installation, which count in its pools too.
func (c call) checkRuleSet(ctx context.Context) error {
	id, err := uuid.Parse(c.path("set"))
	if err != nil {
		return fmt.Errorf("read the rule set in the path: %w", err)
	}
	object := "rule set " + id.String()
	set, err := c.guard.store.GetRuleSetByID(ctx, id)
	if err != nil {
		return missing(err, c.who, object)
	}
	if set.Pool == "" {
		return nil
	}
	return c.who.CheckObject(c.operation, set.Pool, object)
}

func (c call) checkApproval(ctx context.Context) error {
	id, err := uuid.Parse(c.path("approval"))
	if err != nil {
		return fmt.Errorf("read the approval request in the path: %w", err)
	}
	object := "approval request " + id.String()
	request, err := c.guard.store.GetApproval(ctx, id)
	if err != nil {
		return missing(err, c.who, object)
	}
	return c.who.CheckObject(c.operation, request.Pool, object)
}

// checkWebhook checks the pools of a webhook. One that does not exist may be created, and is missing otherwise.
func (c call) checkWebhook(ctx context.Context) error {
	name := c.path("webhook")
	object := "webhook " + strconv.Quote(name)
	hook, err := c.guard.store.GetWebhook(ctx, name)
	if _, creates := c.request.(apiserver.SetWebhookRequestObject); creates && store.IsCode(err, store.NotFound) {
		return nil
	}
	if err != nil {
		return missing(err, c.who, object)
	}
	pools, all := webhook.Pools(hook.Filter)
	if all {
		return c.who.Missing(object) // the caller may not act in all pools
	}
	for _, pool := range pools {
		if err := c.who.CheckObject(c.operation, pool, object); err != nil {
			return err
		}
	}
	return nil
}

// checkBodyWebhook checks the pools that a webhook is to be about.
func (c call) checkBodyWebhook() error {
	set, ok := c.request.(apiserver.SetWebhookRequestObject)
	if !ok {
		return errUnknownBody
	}
	pools, all := webhook.Pools(wire.WebhookFilter(set.Body.Filter))
	if all {
		return problem.Newf(problem.Forbidden,
			"%s may set webhooks only that name their pools, without patterns: its roles are limited to pools", c.who)
	}
	for _, pool := range pools {
		if err := c.who.Check(c.operation, pool); err != nil {
			return err
		}
	}
	return nil
}

// checkAttempts refuses attempts of other pools: the pool that a worker names says nothing about them.
func (c call) checkAttempts(ctx context.Context) error {
	ids, err := attemptsOf(c.request)
	if err != nil || len(ids) == 0 {
		return err
	}
	if len(ids) > maxAttempts {
		return problem.Newf(problem.InvalidBody,
			"%d attempts; at most %d are allowed in one call", len(ids), maxAttempts)
	}
	pools, err := c.guard.store.ListPoolsOfAttempts(ctx, ids)
	if err != nil {
		return err
	}
	for _, pool := range pools {
		if !c.who.MayDo(c.operation, pool) {
			return problem.Newf(problem.Forbidden, "%s may not use the work pool of one of these attempts", c.who)
		}
	}
	return nil
}
