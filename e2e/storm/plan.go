package main

import (
	"fmt"
	"path/filepath"

	"github.com/berth-dev/berth/e2e/storm/verdict"
	"github.com/berth-dev/berth/server/api"
)

// Pools: one where everything is limited, one where nothing is, one whose workers are real and start processes, and one
// without workers for schedules that replace their runs.
const (
	limitedPool = "limited"
	openPool    = "open"
	processPool = "process"
	clockPool   = "clock"
)

const (
	poolLimit       = 30
	queueLimit      = 4
	deploymentLimit = 3
	processLimit    = 2
)

// limits are those of the site.
func limits() []verdict.Limit {
	return []verdict.Limit{
		{Scope: "pool " + limitedPool, Max: poolLimit},
		{Scope: "queue " + limitedPool + "/narrow", Max: queueLimit},
		{Scope: "deployment single", Max: deploymentLimit},
		{Scope: "deployment process", Max: processLimit},
	}
}

// deployments are what clients create runs of, each with its share.
func deployments() []share {
	return []share{
		{"open-a", 35}, {"open-b", 25}, {"free", 24}, {"queued", 6}, {"single", 5}, {"timed", 3}, {"process", 2},
	}
}

type share struct {
	name string
	part int
}

// schedules is how many deployments with a schedule there are. Each has another policy for slots that overlap.
const schedules = 4

// installation is what is deployed. Processes note their beginning and end in the file.
func installation(notes string) api.ApplyRequest {
	process := func(name string, limit int) api.PoolSpec {
		pool := api.PoolSpec{Name: name, Type: of(api.Process)}
		if limit > 0 {
			pool.ConcurrencyLimit = of(int32(limit))
		}
		return pool
	}
	limited := process(limitedPool, poolLimit)
	limited.Queues = &[]api.QueueSpec{{Name: "narrow", Priority: of(int32(1)), ConcurrencyLimit: of(int32(queueLimit))}}
	retried := &api.RetryPolicy{Max: of(int32(2)), DelaySeconds: of(int32(1)), InfrastructureMax: of(int32(1))}
	note := fmt.Sprintf(`echo "S $BERTH_RUN_ID $BERTH_ATTEMPT" >>%[1]s; sleep 0.05; echo "E $BERTH_RUN_ID $BERTH_ATTEMPT" >>%[1]s`,
		notes)
	deployed := []api.DeploymentSpec{
		{Name: "open-a", Pool: openPool, Retries: retried},
		{Name: "open-b", Pool: openPool},
		{Name: "free", Pool: limitedPool, Retries: retried},
		{Name: "queued", Pool: limitedPool, Queue: of("narrow")},
		{Name: "single", Pool: limitedPool, ConcurrencyLimit: of(int32(deploymentLimit))},
		{Name: "timed", Pool: limitedPool, TimeoutSeconds: of(int64(2)), StartDeadlineSeconds: of(int64(120))},
		{
			Name: "process", Pool: processPool, ConcurrencyLimit: of(int32(processLimit)), Retries: retried,
			JobVariables: api.JSONObject(fmt.Sprintf(`{"command": ["sh", "-c", %q]}`, note)),
		},
	}
	for i, overlap := range [schedules]api.ScheduleSpecOverlap{
		api.ScheduleSpecOverlapAllow, api.ScheduleSpecOverlapForbid, api.ScheduleSpecOverlapReplace, api.ScheduleSpecOverlapQueue,
	} {
		misfire := api.MisfirePolicyMode([...]string{"all", "latest"}[i%2])
		deployed = append(deployed, api.DeploymentSpec{
			Name: fmt.Sprint("clock-", i), Pool: clockPool, Schedules: &[]api.ScheduleSpec{{
				IntervalSeconds: of(int64(1)), Overlap: &overlap, Misfire: &api.MisfirePolicy{Mode: &misfire, Cap: of(int32(20))},
			}},
		})
	}
	pools := []api.PoolSpec{limited, process(openPool, 0), process(processPool, 0), process(clockPool, 0)}
	return api.ApplyRequest{Pools: &pools, Deployments: &deployed}
}

// notes is the file of the processes of a site.
func (s *site) notes() string { return filepath.Join(s.dir, "notes") }

func of[T any](v T) *T { return &v }
