package newrun

import (
	"context"
	"slices"

	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// referenceJudge knows what the Jobs of a pool may refer to.
type referenceJudge struct {
	store     *store.Store
	protected reference.Protected
	allowed   *reference.Allowed // of the pool, once read
}

// checkReferences refuses job variables of a run that bring a reference into its Job which the pool does not
// allow, by the code with which the worker builds the Job. The values of the deployment alone are left to the
// worker: they are the same in every run. What does not render is left to it as well.
func (m *Maker) checkReferences(
	ctx context.Context, layers templating.Layers, stored map[string]any,
) error {
	if m.judge == nil || len(layers.Run) == 0 {
		return nil
	}
	if m.judge.allowed == nil {
		raw, err := m.judge.store.GetAllowedReferences(ctx, m.deployment.Pool)
		if err != nil {
			return err
		}
		allowed, err := catalog.Allowed(raw)
		if err != nil {
			return err
		}
		m.judge.allowed = &allowed
	}
	rendered, err := m.compiled.Render(ctx, templating.Input{Layers: layers, Stored: stored})
	if err != nil {
		return ctx.Err()
	}

	id := manifest.SampleIdentity()
	id.Pool, id.Deployment = m.deployment.Pool, m.deployment.Name
	id.Allowed, id.AnyNamespace, id.Protected = m.judge.allowed, true, m.judge.protected
	_, err = manifest.Build(rendered, id)
	refused := slices.DeleteFunc(templating.AsProblems(err), func(p templating.Problem) bool {
		return p.Code != templating.CodeReference
	})
	for i := range refused {
		refused[i].Pointer = "" // the place is in the Job; which of the variables it was, the message says
	}
	return finding.Refuse(problem.VariablesInvalid, "/job_variables", refused.ErrorOrNil())
}
