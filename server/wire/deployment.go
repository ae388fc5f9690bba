package wire

import (
	"math"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/store"
)

// Deployment converts a deployment without its schedules.
func Deployment(d store.Deployment) api.Deployment {
	deployment := ListedDeployment(d)
	deployment.JobVariables = jsondoc.OrEmpty(d.JobVariables)
	deployment.Parameters = jsondoc.OrEmpty(d.Parameters)
	deployment.ParameterSchema = d.ParameterSchema
	return deployment
}

// ListedDeployment converts one of many deployments: without its values, which may be large.
func ListedDeployment(d store.Deployment) api.Deployment {
	deployment := api.Deployment{
		ID:                   d.ID,
		Name:                 d.Name,
		Pool:                 d.Pool,
		Queue:                d.Queue,
		Version:              d.Version,
		Description:          d.Description,
		Tags:                 NonNil(d.Tags),
		ConcurrencyLimit:     d.ConcurrencyLimit,
		TimeoutSeconds:       seconds(d.Timeout),
		StartDeadlineSeconds: seconds(d.StartDeadline),
		Retries:              RetryPolicy(d.Retries),
		Paused:               d.Paused,
		Pause:                Pause(d.Pause),
		Project:              OrNil(d.Project),
		CreatedAt:            Time(d.CreatedAt),
		UpdatedAt:            Time(d.UpdatedAt),
	}
	if len(d.FrozenVariables) > 0 || len(d.FrozenParameters) > 0 {
		variables, parameters := NonNil(d.FrozenVariables), NonNil(d.FrozenParameters)
		deployment.Frozen = &api.FrozenNames{JobVariables: &variables, Parameters: &parameters}
	}
	return deployment
}

// ReadDeployment reads a deployment as a file declares it. A field that the file leaves out has its default.
func ReadDeployment(spec api.DeploymentSpec) store.Deployment {
	d := store.Deployment{
		Name:             spec.Name,
		Pool:             spec.Pool,
		Queue:            Or(spec.Queue, DefaultQueue),
		Version:          Or(spec.Version, ""),
		Description:      Or(spec.Description, ""),
		Tags:             Or(spec.Tags, nil),
		JobVariables:     jsondoc.OrEmpty(spec.JobVariables),
		Parameters:       jsondoc.OrEmpty(spec.Parameters),
		ParameterSchema:  spec.ParameterSchema,
		ConcurrencyLimit: spec.ConcurrencyLimit,
		Timeout:          readSeconds(spec.TimeoutSeconds),
		StartDeadline:    readSeconds(spec.StartDeadlineSeconds),
	}
	if spec.Retries != nil {
		d.Retries = ReadRetryPolicy(*spec.Retries)
	}
	if frozen := spec.Frozen; frozen != nil {
		d.FrozenVariables, d.FrozenParameters = Or(frozen.JobVariables, nil), Or(frozen.Parameters, nil)
	}
	return d
}

func seconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	whole := int64(*d / time.Second)
	return &whole
}

// readSeconds reads whole seconds; more than a duration can hold is the longest duration.
func readSeconds(whole *int64) *time.Duration {
	if whole == nil {
		return nil
	}
	const longest = math.MaxInt64 / int64(time.Second)
	d := time.Duration(min(*whole, longest)) * time.Second
	return &d
}
