package newrun

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating/freeze"
	"github.com/berth-dev/berth/templating/rule"
)

// Retry gives a run that has ended another attempt.
//
// A retry repeats the run with the values that it was created with, held to what is frozen and allowed now:
// who freezes a value wants no job to start without it, whenever its run was created. Where the run has what
// its deployment had, the next attempt takes the frozen value, and the history of the run says so. Where the
// run was asked for another value by whoever created it, the retry is refused instead: it would answer another
// question than the one that was asked.
//
// may says whether the caller may retry runs in a pool: the run goes to the pool that its deployment is in when it
// is retried.
func (c *Creator) Retry(
	ctx context.Context, id uuid.UUID, actor string, may func(pool string) error,
) (*store.Run, error) {
	run, err := c.store.GetRun(ctx, id)
	if err != nil {
		return nil, err
	}
	// The store checks both again; here they only decide whether there are values to check.
	d, err := c.store.GetDeployment(ctx, run.Deployment)
	if err != nil && !store.IsCode(err, store.NotFound) {
		return nil, err
	}
	checked := err == nil && d.ID == run.DeploymentID && run.State.Type.Terminal()
	if checked {
		if err := c.checkRetry(ctx, run, d); err != nil {
			return nil, err
		}
	}
	err = c.store.InTx(ctx, func(tx *store.Tx) error {
		if run, err = tx.RetryRun(ctx, id, actor); err != nil {
			return err
		}
		if checked && run.Pool != d.Pool {
			return &store.Error{Code: store.Conflict, Message: fmt.Sprintf(
				"deployment %q has moved to work pool %q meanwhile: retry run %s again", d.Name, run.Pool, run.Name)}
		}
		return may(run.Pool)
	})
	if err != nil {
		return nil, err
	}
	return run, nil
}

// checkRetry checks the values of a run as they would be in an attempt that is claimed now. The claim holds
// them to what is frozen then.
func (c *Creator) checkRetry(ctx context.Context, run *store.Run, d *store.Deployment) error {
	was, err := c.store.GetRunRevision(ctx, run.ID)
	if err != nil {
		return err
	}
	err = c.checkRetryVariables(ctx, run, d, was)
	if err == nil {
		err = checkRetryParameters(run, d, was)
	}
	var refused *problem.Error
	if errors.As(err, &refused) {
		refused.Detail = fmt.Sprintf("run %s cannot be retried with its values: %s; create a new run of "+
			"deployment %q", run.Name, refused.Detail, d.Name)
	}
	return err
}

func (c *Creator) checkRetryVariables(
	ctx context.Context, run *store.Run, d *store.Deployment, was *store.RunRevision,
) error {
	facts, err := c.store.ListRuleFacts(ctx, []uuid.UUID{run.ID})
	if err != nil {
		return err
	}
	f := facts[run.ID]
	maker, err := c.Maker(ctx, d, rule.Caller{Name: f.CallerName, Kind: f.CallerKind, Role: f.CallerRole})
	if err != nil {
		return err
	}
	layers, err := maker.deployment.Layers(run.JobVariables)
	if err != nil {
		return err
	}
	if layers.Deployment, err = jsondoc.Object(was.JobVariables); err != nil {
		return err
	}
	checked, err := maker.check(ctx, layers)
	if err != nil {
		return err
	}
	_, err = maker.judge(ctx, runFacts{
		id: run.ID, name: run.Name, attempt: int(run.Attempt) + 1, tags: run.Tags,
		scheduled: &run.ScheduledTime, timezone: run.Timezone, parameters: run.Parameters,
	}, checked)
	return err
}

func checkRetryParameters(run *store.Run, d *store.Deployment, was *store.RunRevision) error {
	decoded, err := Decode(d)
	if err != nil {
		return err
	}
	own, err := jsondoc.Object(run.Parameters)
	if err != nil {
		return err
	}
	before, err := jsondoc.Object(was.Parameters)
	if err != nil {
		return err
	}
	var findings finding.List
	for _, f := range freeze.Adapt(own, before, decoded.frozenParameters()).Refused {
		findings.Addf(problem.Frozen, "/parameters"+f.Pointer(),
			"parameter %q is frozen by the deployment, and this run has another value", f.Name())
	}
	return findings.Err()
}
