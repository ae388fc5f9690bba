package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/request"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/template"
	"github.com/berth-dev/berth/templating"
)

// errDryRun rolls a plan back after it has been carried out: what a dry run says is what the real one does.
var errDryRun = errors.New("dry run")

// Apply brings pools, variables and deployments to what is described, in one transaction.
func (h *Handler) Apply(ctx context.Context, r api.ApplyRequestObject) (api.ApplyResponseObject, error) {
	given, err := givenPoolFields(request.Body(ctx))
	if err != nil {
		return nil, err
	}
	if err := checkProject(r.Body); err != nil {
		return nil, err
	}
	dryRun := value(r.Body.DryRun, false)
	var done *applying
	var plan string
	err = h.store.InTx(ctx, func(tx *store.Tx) (err error) {
		done = &applying{
			Handler:    h,
			tx:         tx,
			compiled:   map[string]*templating.Compiled{},
			poolFields: given,
		} // anew for each try
		if err := done.all(ctx, r.Body); err != nil {
			return err
		}
		if plan, err = fingerprint(done.changes); err != nil {
			return err
		}
		if shown := value(r.Body.Plan, plan); shown != plan {
			return problem.Newf(
				problem.PlanChanged,
				"what would change is not what the plan shows any more, somebody else was faster: make the plan again",
			)
		}
		if dryRun {
			return errDryRun
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	changes, err := wireApplied(done.changes)
	if err != nil {
		return nil, err
	}
	return api.Apply200JSONResponse{
		DryRun:   dryRun,
		Plan:     plan,
		Changes:  changes,
		Warnings: list(done.warnings),
	}, nil
}

// applying is one try at an apply.
type applying struct {
	*Handler
	tx *store.Tx
	// compiled templates by pool, the ones of this very request included.
	compiled map[string]*templating.Compiled
	// poolFields holds the fields that each pool was given, null or not.
	poolFields []map[string]json.RawMessage
	// project is what all that is described belongs to, "" for none; owned is what belonged to it before.
	project string
	owned   store.Owned

	// at is the place of what is being applied.
	at       string
	changes  []applied
	warnings []api.Finding
	refusal  refusal
}

func (a *applying) all(ctx context.Context, body *api.ApplyRequest) error {
	if err := a.tx.HoldApply(ctx); err != nil {
		return err
	}
	if a.project = value(body.Project, ""); a.project != "" {
		var err error
		if a.owned, err = a.tx.OwnedBy(ctx, a.project); err != nil {
			return err
		}
	}
	pools, variables, deployments := value(
		body.Pools,
		nil,
	), value(
		body.Variables,
		nil,
	), value(
		body.Deployments,
		nil,
	)
	a.refuseTwice("/pools", len(pools), func(i int) string { return pools[i].Name })
	a.refuseTwice("/variables", len(variables), func(i int) string { return variables[i].Name })
	a.refuseTwice("/deployments", len(deployments), func(i int) string { return deployments[i].Name })
	if len(variables) > 0 {
		if err := access.From(ctx).CheckUnlimited("change stored variables"); err != nil {
			return err
		}
	}
	for i, spec := range pools {
		a.at = fmt.Sprintf("/pools/%d", i)
		if err := a.collect(a.pool(ctx, i, spec)); err != nil {
			return err
		}
	}
	for i, spec := range variables {
		a.at = fmt.Sprintf("/variables/%d", i)
		if err := a.collect(a.variable(ctx, spec)); err != nil {
			return err
		}
	}
	for i, spec := range deployments {
		a.at = fmt.Sprintf("/deployments/%d", i)
		if err := a.collect(a.deployment(ctx, spec)); err != nil {
			return err
		}
	}
	if err := a.refusal.errorOrNil(); err != nil || !value(body.Prune, false) {
		return err
	}
	return a.prune(ctx, body)
}

// refuseTwice finds names that are described twice.
func (a *applying) refuseTwice(at string, n int, name func(int) string) {
	first := map[string]int{}
	for i := range n {
		if j, twice := first[name(i)]; twice {
			a.refusal.say(
				problem.InvalidBody,
				fmt.Sprintf("%s/%d/name", at, i),
				"%q is described already, at %s/%d",
				name(i),
				at,
				j,
			)
			continue
		}
		first[name(i)] = i
	}
}

// collect keeps what is wrong with one thing, so that everything wrong is said at once. Only what the caller
// can correct in the description is collected; the rest ends the apply.
func (a *applying) collect(err error) error {
	var one *problem.Error
	if !errors.As(err, &one) || len(one.Findings) == 0 {
		return err
	}
	a.refusal.add(one.Code, a.at, one.Findings)
	return nil
}

func (a *applying) warn(at string, problems []templating.Problem) {
	a.warnings = append(a.warnings, moved(template.Findings(problems), a.at+at)...)
}

func (a *applying) variable(ctx context.Context, spec api.VariableSpec) error {
	current, err := a.tx.HoldVariable(ctx, spec.Name)
	if isCode(err, store.NotFound) {
		if _, err := a.tx.PutVariable(ctx, spec.Name, spec.Value, actor(ctx)); err != nil {
			return err
		}
		return a.change(ctx, applied{kind: api.ChangeKindVariable, name: spec.Name, action: api.Create})
	}
	if err != nil {
		return err
	}
	change := applied{
		kind:   api.ChangeKindVariable,
		name:   spec.Name,
		secret: []json.RawMessage{current.Value, spec.Value},
	}
	if !equalJSON(current.Value, spec.Value) {
		change.fields = []string{"value"}
		if _, err := a.tx.PutVariable(ctx, spec.Name, spec.Value, actor(ctx)); err != nil {
			return err
		}
	}
	return a.change(ctx, change)
}

// givenPoolFields tells null from absent, which typed decoding does not.
func givenPoolFields(body []byte) ([]map[string]json.RawMessage, error) {
	var raw struct {
		Pools []map[string]json.RawMessage `json:"pools"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, fmt.Errorf("read pools: %w", err)
	}
	return raw.Pools, nil
}
