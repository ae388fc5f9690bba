package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

// prepared is an attempt that is ready to be launched, or to be adopted.
type prepared struct {
	attempt job.Attempt
	raw     json.RawMessage // the manifest as the server keeps it
	limits  limits          // of the template
	// failEvicted is the template's policy to end a run whose pod was taken away.
	failEvicted bool
	uid         string // of the Job that was reported already
	// taken: an earlier holder has reported the manifest, so there may be a Job.
	taken bool
	// launched: the Job is there, as far as the server knows.
	launched bool
	// startBy is when launching is given up; zero is never.
	startBy time.Time
}

// prepare makes the manifest of an attempt, or reads the one that the server keeps: whoever takes over sends
// the same bytes. An error that is not temporary is a *job.Refused.
func (w *worker) prepare(ctx context.Context, c api.Claim) (prepared, error) {
	if hasManifest(c) {
		p, err := restore(c)
		if err != nil || p.launched {
			return p, err
		}
		return p, w.unseal(ctx, c, p.attempt.Manifest.Annotations[manifest.AnnotationSecret], &p)
	}
	finished, err := w.finish(ctx, c)
	if err != nil {
		return prepared{}, w.refusal(err)
	}
	limitTime(finished.Job, c.TimeoutSeconds, finished.Timeout)
	raw, err := json.Marshal(finished.Job)
	if err != nil {
		return prepared{}, &job.Refused{
			Category: api.CategoryInvalid,
			Err:      err,
			Message:  fmt.Sprintf("the manifest can not be written: %v", err),
		}
	}
	for _, warning := range finished.Warnings {
		w.log.Warn("template", "run", c.RunID, "attempt", c.Attempt, "warning", warning.String())
	}
	return prepared{
		raw:         raw,
		limits:      limitsOf(finished),
		failEvicted: finished.Policy.FailEvicted,
		startBy:     earliest(c.StartDeadline, finished.StartDeadline, w.now()),
		attempt: job.Attempt{Ref: job.Ref{RunID: c.RunID, Attempt: int(c.Attempt)}, Manifest: finished.Job,
			Container: finished.JobContainer, StreamOutput: finished.StreamOutput, Secret: secretOf(finished)},
	}, nil
}

// refusal makes what a template does not allow final, and counts it.
func (w *worker) refusal(err error) error {
	var wrong *templateError
	if !errors.As(err, &wrong) {
		return err
	}
	w.metrics.templateErrors.WithLabelValues(w.pool, wrong.kind).Inc()
	category := api.CategoryTemplate
	if wrong.kind == "manifest" {
		category = api.CategoryInvalid
	}
	return &job.Refused{Category: category, Message: wrong.Error(), Err: err}
}

// apiAccess is how the attempt's job may call the API.
func (w *worker) apiAccess(c api.Claim) *manifest.APIAccess {
	if !w.jobKeys {
		return w.jobAPI
	}
	own := *w.jobAPI
	if own.Key = value(c.JobKey); own.Key == "" {
		w.log.Warn(
			"the server gives no keys to jobs, it is older than this worker: the job has to do without",
			"run",
			c.RunID,
			"attempt",
			c.Attempt,
		)
	}
	return &own
}

func secretOf(f *manifest.Finished) *job.Secret {
	if f.Secret == nil {
		return nil
	}
	return &job.Secret{Name: f.Secret.Name, Data: f.Secret.Data}
}

// finish renders the template and builds the Job.
func (w *worker) finish(ctx context.Context, c api.Claim) (*manifest.Finished, error) {
	compiled, err := w.compiled(ctx, c.TemplateVersionID)
	if err != nil {
		return nil, err
	}
	input, err := w.input(c)
	if err != nil {
		return nil, &templateError{kind: "input", err: err}
	}
	start := w.now()
	rendered, err := compiled.Render(ctx, input)
	w.metrics.renderSeconds.WithLabelValues(compiled.Engine()).Observe(w.now().Sub(start).Seconds())
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &templateError{kind: "render", err: err}
	}
	finished, err := manifest.Build(rendered, manifest.Identity{
		Installation: w.installation, RunID: c.RunID, RunName: c.RunName, Attempt: int(c.Attempt), Pool: c.Pool, Queue: c.Queue,
		Deployment: c.Deployment, LeaseEpoch: c.Epoch, TemplateVersion: int(c.TemplateVersion), Parameters: c.Parameters,
		Namespace: w.runtime.DefaultNamespace(), EnvAsSecret: w.envAsSecret, API: w.apiAccess(c),
	})
	if err != nil {
		return nil, &templateError{kind: "manifest", err: err}
	}
	if err := w.reaches(finished.ClusterConfig); err != nil {
		return nil, &templateError{kind: "manifest", err: err}
	}
	return finished, nil
}

// reaches says that a template wants its Jobs in a cluster that is not this worker's: they must not end up in
// another.
func (w *worker) reaches(wanted *manifest.SecretReference) error {
	switch {
	case wanted == nil && w.clusterConfig == nil,
		wanted != nil && w.clusterConfig != nil && *wanted == *w.clusterConfig:
		return nil
	case wanted == nil:
		return fmt.Errorf(
			"the template names no cluster_config, and this worker sends Jobs to the cluster of Secret %s/%s: start it without --cluster-config",
			w.clusterConfig.Name,
			w.clusterConfig.Key,
		)
	}
	return fmt.Errorf(
		"cluster_config names the cluster of Secret %s/%s, and this worker sends Jobs to another: start one with --cluster-config %s/%s",
		wanted.Name,
		wanted.Key,
		wanted.Name,
		wanted.Key,
	)
}

// compiled gets the template version, asking again for as long as the server is away. A server that does not
// have it, or does not give it, ends the attempt.
func (w *worker) compiled(ctx context.Context, version uuid.UUID) (*templating.Compiled, error) {
	retry := backoff{least: w.tuning.retryMin, most: w.tuning.retryMax}
	for {
		compiled, err := w.templates.get(ctx, version)
		var wrong *templateError
		if err == nil || errors.As(err, &wrong) {
			return compiled, err
		}
		call := asCallError(err)
		if !call.temporary() {
			return nil, &templateError{kind: "fetch", err: call}
		}
		w.log.Warn("template not fetched, trying again", "version", version, "error", err)
		if !retry.wait(ctx, call.retryAfter) {
			return nil, context.Cause(ctx)
		}
	}
}

func (w *worker) fetchTemplate(ctx context.Context, version uuid.UUID) ([]byte, error) {
	v, err := w.client.template(ctx, version)
	if err != nil {
		return nil, err
	}
	return v.Document, nil
}

// input is what the server fixed at the first claim, and this worker's own part.
func (w *worker) input(c api.Claim) (templating.Input, error) {
	levels := map[string]json.RawMessage{"deployment": c.RenderInput.Deployment, "run": c.RenderInput.Run,
		"frozen": c.RenderInput.Frozen, "stored": c.RenderInput.Stored}
	objects := map[string]map[string]any{}
	for name, raw := range levels {
		object, err := decodeObject(raw)
		if err != nil {
			return templating.Input{}, fmt.Errorf("%s: %w", name, err)
		}
		objects[name] = object
	}
	return templating.Input{
		Layers: templating.Layers{
			Deployment:       objects["deployment"],
			Run:              objects["run"],
			DeploymentFrozen: objects["frozen"],
		},
		Stored: objects["stored"],
		Env:    w.templateEnv,
		Context: templating.Context{
			Run: templating.RunContext{ID: c.RunID.String(), Name: c.RunName, Attempt: int(c.Attempt),
				ScheduledTime: c.ScheduledTime, Tags: c.Tags, Parameters: c.Parameters},
			Deployment: templating.DeploymentContext{
				ID:      c.DeploymentID.String(),
				Name:    c.Deployment,
				Version: c.DeploymentVersion,
			},
			Pool:   templating.NameContext{Name: c.Pool},
			Queue:  templating.NameContext{Name: c.Queue},
			Worker: templating.NameContext{Name: w.name},
		},
	}, nil
}

// decodeObject reads a JSON object with its numbers as they are; nothing is an empty one.
func decodeObject(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	v, err := templating.DecodeJSON(raw)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("not an object: %.40s", raw)
	}
	return object, nil
}
