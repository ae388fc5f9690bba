package handler

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/request"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// maxParameters bounds the merged parameters of a run, in bytes of JSON: they travel in an environment variable.
const maxParameters = 64 << 10

// createTries bounds how often a run is validated anew because its deployment has changed meanwhile.
const createTries = 5

// CreateRun makes a run of a deployment. What it is given is checked and fixed now, against the deployment as it is when
// the run is stored.
func (h *Handler) CreateRun(ctx context.Context, r api.CreateRunRequestObject) (api.CreateRunResponseObject, error) {
	for try := 1; ; try++ {
		run, existed, err := h.createRun(ctx, r)
		switch {
		case isCode(err, store.RevisionChanged) && try < createTries:
		case err != nil:
			return nil, err
		case existed:
			return api.CreateRun200JSONResponse(wireRun(*run)), nil
		default:
			return api.CreateRun201JSONResponse(wireRun(*run)), nil
		}
	}
}

func (h *Handler) createRun(ctx context.Context, r api.CreateRunRequestObject) (run *store.Run, existed bool, err error) {
	deployment, err := h.store.GetDeployment(ctx, r.Deployment)
	if err != nil {
		return nil, false, err
	}
	if err := access.From(ctx).CheckPool(deployment.Pool); err != nil {
		return nil, false, err
	}
	hash, err := bodyHash(request.Body(ctx))
	if err != nil {
		return nil, false, err
	}
	key := value(r.Params.IdempotencyKey, "")
	first, err := h.store.RunOfKey(ctx, deployment, key, hash)
	if err != nil || first != nil {
		return first, true, err
	}
	parameters, err := runParameters(deployment, r.Body.Parameters)
	if err != nil {
		return nil, false, err
	}
	stored, err := h.checkRunVariables(ctx, deployment, r.Body.JobVariables)
	if err != nil {
		return nil, false, err
	}
	return h.store.CreateRun(ctx, store.NewRun{
		Deployment: deployment.Name, Name: value(r.Body.Name, ""), Parameters: parameters,
		JobVariables: object(r.Body.JobVariables), StoredNames: stored, Tags: value(r.Body.Tags, nil),
		ScheduledTime: r.Body.ScheduledTime, IdempotencyKey: key, BodyHash: hash, Revision: deployment.Revision,
	}, actor(ctx))
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
			frozen.At("/parameters/"+escape(name), "parameter %q is frozen by the deployment and can not be set here", name)
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
	return document, checkParameters(d.ParameterSchema, document)
}

// checkParameters validates parameters against a deployment's schema, if it has one.
func checkParameters(schema, parameters json.RawMessage) error {
	decoded, err := templating.DecodeJSON(parameters)
	if err != nil {
		return invalid(problem.ParametersInvalid, "/parameters", err)
	}
	if len(schema) == 0 {
		return nil
	}
	document, err := templating.DecodeJSON(schema)
	if err != nil {
		return invalid(problem.ParametersInvalid, "/parameter_schema", err)
	}
	compiled, err := templating.CompileSchema(document)
	if err != nil {
		return invalid(problem.ParametersInvalid, "/parameter_schema", err)
	}
	return invalid(problem.ParametersInvalid, "/parameters", compiled.Validate(decoded))
}

// checkRunVariables checks the job variables of both levels against the pool's template, stored variables resolved, and
// returns the names of the stored variables that the levels refer to.
func (h *Handler) checkRunVariables(ctx context.Context, d *store.Deployment, given json.RawMessage) ([]string, error) {
	version, err := h.store.GetTemplate(ctx, d.Pool, 0)
	if err != nil {
		return nil, err
	}
	compiled, err := h.Templates.Of(version)
	if err != nil {
		return nil, err
	}
	layers, err := layersOf(d, given)
	if err != nil {
		return nil, err
	}
	names := templating.StoredReferences(layers.Deployment, layers.Run)
	stored := map[string]any{}
	for _, name := range slices.Concat(names, compiled.StoredReferences()) {
		variable, err := h.store.GetVariable(ctx, name)
		if isCode(err, store.NotFound) {
			continue // the check below says where it is missing
		}
		if err != nil {
			return nil, err
		}
		if stored[name], err = templating.DecodeJSON(variable.Value); err != nil {
			return nil, err
		}
	}
	if _, err = compiled.ValidateRun(layers, stored); err != nil {
		return nil, invalid(problem.VariablesInvalid, "/job_variables", err)
	}
	return names, nil
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
