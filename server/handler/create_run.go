package handler

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/request"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// maxParameters bounds the merged parameters of a run, in bytes of JSON: they travel in an environment
// variable.
const maxParameters = 64 << 10

// createTries bounds how often a run is validated anew because its deployment has changed meanwhile.
const createTries = 5

// CreateRun makes a run of a deployment. What it is given is checked and fixed now, against the deployment as
// it is when the run is stored.
func (h *Handler) CreateRun(
	ctx context.Context,
	r api.CreateRunRequestObject,
) (api.CreateRunResponseObject, error) {
	for try := 1; ; try++ {
		run, warnings, existed, err := h.createRun(ctx, r)
		if isCode(err, store.RevisionChanged) && try < createTries {
			continue
		}
		if err != nil {
			return nil, err
		}
		shown := wireRun(*run)
		shown.Warnings = nonEmpty(warnings)
		if existed {
			return api.CreateRun200JSONResponse(shown), nil
		}
		return api.CreateRun201JSONResponse(shown), nil
	}
}

func (h *Handler) createRun(
	ctx context.Context,
	r api.CreateRunRequestObject,
) (run *store.Run, warnings []api.Finding, existed bool, err error) {
	deployment, err := h.deployment(ctx, r.Deployment)
	if err != nil {
		return nil, nil, false, err
	}
	hash, err := bodyHash(request.Body(ctx))
	if err != nil {
		return nil, nil, false, err
	}
	key := value(r.Params.IdempotencyKey, "")
	first, err := h.store.RunOfKey(ctx, deployment, key, hash)
	if err == nil && first != nil {
		err = checkFirst(ctx, first, true)
	}
	if err != nil || first != nil {
		return first, nil, true, err
	}
	wanted, warnings, err := h.newRuns(deployment).make(ctx, *r.Body, key, hash)
	if err != nil {
		return nil, nil, false, err
	}
	run, existed, err = h.store.CreateRun(ctx, wanted, actor(ctx))
	if err == nil {
		err = checkFirst(ctx, run, existed)
	}
	return run, warnings, existed, err
}

// checkFirst refuses to show the run that an idempotency key made before where that is in a pool that the key
// is not for: the deployment has moved since.
func checkFirst(ctx context.Context, first *store.Run, existed bool) error {
	if !existed {
		return nil
	}
	return access.From(ctx).CheckPoolOf(first.Pool, "the run that this idempotency key made")
}

// runParameters lays the run's parameters over the deployment's and checks the result.
func runParameters(d *store.Deployment, given json.RawMessage) (json.RawMessage, error) {
	base, err := members(d.Parameters)
	if err != nil {
		return nil, err
	}
	over, err := members(given)
	if err != nil {
		return nil, err
	}
	frozen := problem.Newf(problem.Frozen, "deployment %q has frozen parameters", d.Name)
	for _, name := range d.FrozenParameters {
		if own, ok := over[name]; ok && !equalJSON(own, base[name]) {
			frozen.At(
				"/parameters/"+escape(name),
				"parameter %q is frozen by the deployment and can not be set here",
				name,
			)
		}
	}
	if len(frozen.Findings) > 0 {
		return nil, frozen
	}
	merged := maps.Clone(base)
	maps.Copy(merged, over)
	document, err := encode(merged)
	if err != nil {
		return nil, err
	}
	if len(document) > maxParameters {
		return nil, problem.Newf(problem.ParametersInvalid, "the parameters have %d bytes, at most %d are allowed", len(document), maxParameters).
			At("/parameters", "%d bytes, at most %d are allowed; put large inputs where the job can fetch them", len(document), maxParameters)
	}
	return document, nil
}

func layersOf(d *store.Deployment, given json.RawMessage) (templating.Layers, error) {
	var layers templating.Layers
	var err error
	if layers.Deployment, err = decodeObject(d.JobVariables); err != nil {
		return layers, err
	}
	if layers.Run, err = decodeObject(given); err != nil {
		return layers, invalid(problem.VariablesInvalid, "/job_variables", err)
	}
	layers.DeploymentFrozen = map[string]any{}
	for _, name := range d.FrozenVariables {
		if v, ok := layers.Deployment[name]; ok {
			layers.DeploymentFrozen[name] = v
		}
	}
	return layers, nil
}

// bodyHash tells bodies apart by what they say, not by how it is written.
func bodyHash(body []byte) (string, error) {
	decoded, err := decodeExact(body)
	if err != nil {
		return "", err
	}
	canonical, err := encode(decoded)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// decodeExact keeps numbers as they are written.
func decodeExact(document []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	var v any
	err := decoder.Decode(&v)
	return v, err
}
