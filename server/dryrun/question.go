package dryrun

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/impact"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/wire"
)

// question is what a worker gets: a claim of a run that does not exist, so that it makes the Job as it makes every other.
// Its ID is new, so that no Job has its name.
func (a *Asker) question(
	ctx context.Context, r Request, seen *impact.Previewed, id uuid.UUID, wait time.Duration,
) (json.RawMessage, error) {
	claim, err := a.claim(ctx, r, seen)
	if err != nil {
		return nil, err
	}
	q := api.DryRunQuestion{ID: id, WaitSeconds: int32(wait / time.Second), Claim: claim}
	if seen.Version == nil {
		q.Document = r.Body.Document
	}
	encoded, err := jsondoc.Encode(q)
	if err != nil {
		return nil, err
	}
	if len(encoded) > maxQuestion {
		return nil, problem.Newf(problem.BodyTooLarge,
			"the template and its values have %d bytes; a dry run can have %d", len(encoded), maxQuestion)
	}
	return encoded, nil
}

func (a *Asker) claim(ctx context.Context, r Request, seen *impact.Previewed) (api.Claim, error) {
	identity, d := seen.Subject.Identity, seen.Deployment
	run, err := uuid.NewV7()
	if err != nil {
		return api.Claim{}, fmt.Errorf("generate an ID: %w", err)
	}
	claim := api.Claim{
		AttemptID: uuid.New(), Attempt: 1, Epoch: 1, RunID: run, RunName: identity.RunName,
		Deployment: d.Name, DeploymentID: d.ID, DeploymentVersion: d.Version, Pool: r.Pool, Queue: d.Queue,
		ScheduledTime: identity.ScheduledTime, Timezone: wire.OrNil(identity.Timezone), Tags: wire.NonNil(d.Tags),
		Parameters: jsondoc.OrEmpty(identity.Parameters), TemplateVersion: int32(identity.TemplateVersion),
	}
	if seen.Version != nil {
		claim.TemplateVersionID = seen.Version.ID
	}
	if d.Timeout != nil {
		seconds := int64((*d.Timeout + time.Second - 1) / time.Second)
		claim.TimeoutSeconds = &seconds
	}
	if claim.RenderInput, err = renderInput(seen); err != nil {
		return claim, err
	}

	allowed, err := a.Store.GetAllowedReferences(ctx, r.Pool)
	if err != nil {
		return claim, err
	}
	references := wire.AllowedReferences(allowed)
	claim.References = &references
	sets, err := a.Store.ListCurrentRuleSets(ctx, r.Pool)
	if err != nil || len(sets) == 0 {
		return claim, err
	}
	claim.Rules = &api.ClaimRules{
		Sets: sets, Retries: int32(d.Retries.Max),
		Caller: api.RuleCaller{Name: r.Caller.Name, Kind: r.Caller.Kind, Role: r.Caller.Role},
	}
	return claim, nil
}

// renderInput is that of the preview, with the values that it has invented.
func renderInput(seen *impact.Previewed) (in api.RenderInput, err error) {
	input := seen.Subject.Input
	own := maps.Clone(seen.Samples)
	if own == nil {
		own = map[string]any{}
	}
	maps.Copy(own, input.Run)
	in.Deployment = jsondoc.OrEmpty(seen.Deployment.JobVariables)
	if in.Run, err = jsondoc.Encode(own); err != nil {
		return in, err
	}
	if len(input.DeploymentFrozen) > 0 {
		if in.Frozen, err = jsondoc.Encode(input.DeploymentFrozen); err != nil {
			return in, err
		}
	}
	stored := input.Stored
	if stored == nil {
		stored = map[string]any{}
	}
	in.Stored, err = jsondoc.Encode(stored)
	return in, err
}
