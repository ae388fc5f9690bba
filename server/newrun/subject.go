package newrun

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
	"github.com/berth-dev/berth/templating/preview"
)

// SubjectOf is what a Job is rendered for where there is no run yet.
type SubjectOf struct {
	Installation uuid.UUID
	Protected    reference.Protected
	Now          time.Time
	Layers       templating.Layers
	Stored       map[string]any
	// Parameters are merged.
	Parameters json.RawMessage
	// Name, Tags and Scheduled are the run's own; they may be empty.
	Name      string
	Tags      []string
	Scheduled *time.Time
}

// Subject is a run that a deployment could have. Its ID is that of a sample, and its Job is the one that a
// worker would make, as far as no environment of a worker comes into it.
func (d Deployment) Subject(o SubjectOf) preview.Subject {
	id := manifest.SampleIdentity()
	id.Installation, id.Protected = o.Installation, o.Protected
	id.Pool, id.Queue, id.Deployment, id.Parameters = d.Pool, d.Queue, d.Name, o.Parameters
	if o.Name != "" {
		id.RunName = o.Name
	}
	scheduled := o.Now.UTC()
	if o.Scheduled != nil {
		scheduled = o.Scheduled.UTC()
	}
	tags := d.Tags
	if len(o.Tags) > 0 {
		tags = append(append([]string{}, d.Tags...), o.Tags...)
	}
	return preview.Subject{
		Deployment: d.Name,
		Identity:   id,
		Input: templating.Input{Layers: o.Layers, Stored: o.Stored, Context: templating.Context{
			Run: templating.RunContext{
				ID:            id.RunID.String(),
				Name:          id.RunName,
				Attempt:       id.Attempt,
				ScheduledTime: scheduled,
				Tags:          tags,
				Parameters:    o.Parameters,
			},
			Deployment: templating.DeploymentContext{ID: d.ID.String(), Name: d.Name, Version: d.Version},
			Pool:       templating.NameContext{Name: d.Pool},
			Queue:      templating.NameContext{Name: d.Queue},
			Worker:     templating.NameContext{Name: "sample"},
		}},
	}
}
