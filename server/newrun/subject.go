package newrun

import (
	"cmp"
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
	// References are what the pool allows; nil where they are not judged.
	References *References
	Now        time.Time
	Layers     templating.Layers
	Stored     map[string]any
	// Parameters are merged.
	Parameters json.RawMessage
	// ID, Name, Attempt and Scheduled are the run's, Tags all of its tags. What is not there is that of a
	// sample, with the tags of the deployment.
	ID        uuid.UUID
	Name      string
	Attempt   int
	Tags      []string
	Scheduled *time.Time
	Timezone  string
}

// Subject is a run that a deployment could have. Its Job is the one that a worker would make, as
// far as no environment or default of a worker comes into it.
func (d Deployment) Subject(o SubjectOf) preview.Subject {
	id := manifest.SampleIdentity()
	id.Installation, id.Protected = o.Installation, o.Protected
	id.Pool, id.Queue, id.Deployment, id.Parameters = d.Pool, d.Queue, d.Name, o.Parameters
	id.RunName = cmp.Or(o.Name, id.RunName)
	id.Attempt = cmp.Or(o.Attempt, id.Attempt)
	if o.ID != uuid.Nil {
		id.RunID = o.ID
	}
	o.References.limit(&id)
	scheduled := o.Now.UTC()
	if o.Scheduled != nil {
		scheduled = o.Scheduled.UTC()
	}
	id.ScheduledTime, id.Timezone = scheduled, o.Timezone
	tags := d.Tags
	if o.Tags != nil {
		tags = o.Tags
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
				Timezone:      o.Timezone,
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
