package preview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// Subject is a deployment, or a run that could be, that a template is rendered for.
type Subject struct {
	// Deployment is its name.
	Deployment string
	// Input holds its values, and whatever else a render depends on.
	Input templating.Input
	// Identity names the run of the Job; manifest.SampleIdentity is that of no real run.
	Identity manifest.Identity
}

// Job makes the Job that a run of the subject would be, on the way that a run takes: values are checked,
// rendered and built by the same code. Samples are the invented values of required variables that nothing
// sets. What is wrong comes back as templating.Problems.
func Job(
	ctx context.Context, c *templating.Compiled, s Subject,
) (finished *manifest.Finished, samples map[string]any, err error) {
	samples = c.Samples(s.Input.Layers)
	finished, err = finish(ctx, c, s.with(samples))
	return finished, samples, err
}

// with gives invented values to the run's level, unless the run sets the variable.
func (s Subject) with(samples map[string]any) Subject {
	if len(samples) > 0 {
		run := maps.Clone(samples)
		maps.Copy(run, s.Input.Run)
		s.Input.Run = run
	}
	return s
}

// finish validates the values, renders and builds.
func finish(ctx context.Context, c *templating.Compiled, s Subject) (*manifest.Finished, error) {
	rendered, err := c.RenderRun(ctx, s.Input)
	if err != nil {
		return nil, err
	}
	return manifest.Build(rendered, s.Identity)
}

// settingsKey is where a document keeps what the template asks of Berth beside the Job.
const settingsKey = "berth"

// Document is the finished Job as a tree in the form of templating.DecodeJSON, without its empty status. What
// the template asks of Berth beside the Job (timeout_seconds, start_deadline_seconds, infrastructure_retries,
// cluster_config, stream_output) stands under the key "berth".
func Document(f *manifest.Finished) (map[string]any, error) {
	data, err := json.Marshal(f.Job)
	if err != nil {
		return nil, fmt.Errorf("encode the Job: %w", err)
	}
	v, err := templating.DecodeJSON(data)
	if err != nil {
		return nil, fmt.Errorf("decode the Job: %w", err)
	}
	document, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the encoded Job is not an object")
	}
	delete(document, "status")
	if settings := settingsOf(f); len(settings) > 0 {
		document[settingsKey] = settings
	}
	return document, nil
}

func settingsOf(f *manifest.Finished) map[string]any {
	settings := map[string]any{}
	seconds := func(key string, d *time.Duration) {
		if d != nil {
			settings[key] = int64(*d / time.Second)
		}
	}
	seconds("timeout_seconds", f.Timeout)
	seconds("start_deadline_seconds", f.StartDeadline)
	if f.InfrastructureRetries != nil {
		settings["infrastructure_retries"] = int64(*f.InfrastructureRetries)
	}
	if f.ClusterConfig != nil {
		settings["cluster_config"] = map[string]any{
			"secretKeyRef": map[string]any{"name": f.ClusterConfig.Name, "key": f.ClusterConfig.Key},
		}
	}
	if !f.StreamOutput {
		settings["stream_output"] = false
	}
	return settings
}
