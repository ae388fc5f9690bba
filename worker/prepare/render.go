package prepare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// build renders the template of an attempt and builds its Job.
func (p *Preparer) build(ctx context.Context, c api.Claim) (*manifest.Finished, error) {
	compiled, err := p.compile(ctx, c.TemplateVersionID)
	if err != nil {
		return nil, err
	}
	return p.buildFrom(ctx, c, compiled)
}

func (p *Preparer) buildFrom(
	ctx context.Context, c api.Claim, compiled *templating.Compiled,
) (*manifest.Finished, error) {
	input, err := p.input(c)
	if err != nil {
		return nil, &templateError{kind: "input", err: err}
	}

	start := p.Now()
	rendered, err := compiled.RenderRun(ctx, input)
	p.Rendered(compiled.Engine(), p.Now().Sub(start))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, &templateError{kind: "render", err: err}
	}

	finished, err := manifest.Build(rendered, p.identity(c))
	if err == nil {
		err = p.checkCluster(finished.ClusterConfig)
	}
	if err != nil {
		return nil, &templateError{kind: "manifest", err: err}
	}
	return finished, nil
}

// compile gets the compiled template version. A server that refuses to give it ends the attempt.
func (p *Preparer) compile(ctx context.Context, version uuid.UUID) (*templating.Compiled, error) {
	compiled, err := p.Templates.Get(ctx, version, func(ctx context.Context) ([]byte, error) {
		return p.FetchTemplate(ctx, version)
	})
	return compiled, compileError(ctx, err)
}

// compileError is what an error of the template cache means.
func compileError(ctx context.Context, err error) error {
	var failed *templating.CompileError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &failed):
		return &templateError{kind: failed.Stage, err: failed.Problems}
	}
	return &templateError{kind: "fetch", err: err}
}

func (p *Preparer) identity(c api.Claim) manifest.Identity {
	return manifest.Identity{
		Installation:    p.Installation,
		RunID:           c.RunID,
		RunName:         c.RunName,
		Attempt:         int(c.Attempt),
		Pool:            c.Pool,
		Queue:           c.Queue,
		Deployment:      c.Deployment,
		LeaseEpoch:      c.Epoch,
		TemplateVersion: int(c.TemplateVersion),
		Parameters:      c.Parameters,
		ScheduledTime:   c.ScheduledTime,
		Timezone:        timezone(c),
		Namespace:       p.Namespace,
		EnvAsSecret:     p.EnvAsSecret,
		ServiceAccount:  p.ServiceAccount,
		Protected:       p.Protected,
		Allowed:         allowed(c.References),
		API:             p.apiAccess(c),
	}
}

// apiAccess says how the attempt's job calls the API.
func (p *Preparer) apiAccess(c api.Claim) *manifest.APIAccess {
	if !p.JobKeys {
		return p.JobAPI
	}
	access := *p.JobAPI
	if c.JobKey != nil {
		access.Key = *c.JobKey
	}
	if access.Key == "" {
		p.Log.Warn("the server is older than this worker and gave the job no API key; upgrade the server",
			"run", c.RunID, "attempt", c.Attempt)
	}
	return &access
}

// checkCluster refuses a template that names another cluster than this worker's: its Jobs must not end up in
// the wrong one.
func (p *Preparer) checkCluster(wanted *manifest.SecretReference) error {
	own := p.ClusterConfig
	switch {
	case wanted == nil && own == nil, wanted != nil && own != nil && *wanted == *own:
		return nil
	case wanted == nil:
		return fmt.Errorf("the template names no cluster_config, but this worker creates Jobs in the "+
			"cluster of Secret %s/%s: start a worker without --cluster-config", own.Name, own.Key)
	}
	return fmt.Errorf("cluster_config names the cluster of Secret %[1]s/%[2]s, but this worker creates Jobs "+
		"in another: start a worker with --cluster-config %[1]s/%[2]s", wanted.Name, wanted.Key)
}

// input joins the values that the server fixed at the first claim with this worker's own.
func (p *Preparer) input(c api.Claim) (templating.Input, error) {
	deployment, err := decodeObject("deployment", c.RenderInput.Deployment)
	if err != nil {
		return templating.Input{}, err
	}
	run, err := decodeObject("run", c.RenderInput.Run)
	if err != nil {
		return templating.Input{}, err
	}
	frozen, err := decodeObject("frozen", c.RenderInput.Frozen)
	if err != nil {
		return templating.Input{}, err
	}
	stored, err := decodeObject("stored", c.RenderInput.Stored)
	if err != nil {
		return templating.Input{}, err
	}
	return templating.Input{
		Layers:  templating.Layers{Deployment: deployment, Run: run, DeploymentFrozen: frozen},
		Stored:  stored,
		Env:     p.TemplateEnv,
		Context: p.context(c),
	}, nil
}

func (p *Preparer) context(c api.Claim) templating.Context {
	return templating.Context{
		Run: templating.RunContext{
			ID:            c.RunID.String(),
			Name:          c.RunName,
			Attempt:       int(c.Attempt),
			ScheduledTime: c.ScheduledTime,
			Timezone:      timezone(c),
			Tags:          c.Tags,
			Parameters:    c.Parameters,
		},
		Deployment: templating.DeploymentContext{
			ID:      c.DeploymentID.String(),
			Name:    c.Deployment,
			Version: c.DeploymentVersion,
		},
		Pool:   templating.NameContext{Name: c.Pool},
		Queue:  templating.NameContext{Name: c.Queue},
		Worker: templating.NameContext{Name: p.Worker},
	}
}

// timezone is that of the run's schedule; empty is UTC.
func timezone(c api.Claim) string {
	if c.Timezone == nil {
		return ""
	}
	return *c.Timezone
}

// decodeObject reads a JSON object and keeps its numbers as they are written. Empty JSON is an empty object.
func decodeObject(name string, raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	v, err := templating.DecodeJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: want a JSON object, got %.40s", name, raw)
	}
	return object, nil
}

// allowed reads the pool's list of what job variables may refer to. Without a list they may refer to nothing.
func allowed(list *api.AllowedReferences) *reference.Allowed {
	result := &reference.Allowed{}
	if list == nil {
		return result
	}
	objects := func(list *[]api.AllowedObject) (found []reference.Object) {
		if list == nil {
			return nil
		}
		for _, o := range *list {
			object := reference.Object{Name: o.Name}
			if o.Keys != nil {
				object.Keys = *o.Keys
			}
			found = append(found, object)
		}
		return found
	}
	names := func(list *[]string) []string {
		if list == nil {
			return nil
		}
		return *list
	}
	result.Secrets, result.ConfigMaps = objects(list.Secrets), objects(list.ConfigMaps)
	result.ServiceAccounts, result.VolumeClaims = names(list.ServiceAccounts), names(list.VolumeClaims)
	result.Namespaces, result.PriorityClasses = names(list.Namespaces), names(list.PriorityClasses)
	result.NodeLabels, result.Tolerations = names(list.NodeLabels), names(list.Tolerations)
	result.MetadataKeys = names(list.MetadataKeys)
	return result
}
