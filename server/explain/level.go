package explain

import (
	"fmt"

	"github.com/berth-dev/berth/server/store"
)

// level is one of the gates that can keep a run from being claimed, with what helps.
type level struct {
	kind         string // as a sentence names it
	gate         store.ClaimGate
	paused, full Code
	resume       Action
	raise        Action
	step         string // that raises its limit
}

// levels are the gates of a run, the narrowest first.
func levels(run store.Run, gates store.ClaimGates) []level {
	pool, queue := shellQuote(run.Pool), shellQuote(run.Queue)
	target := func(kind TargetKind, gate store.ClaimGate) Target { return Target{Kind: kind, Name: gate.Name} }
	ofDeployment, ofQueue := target(TargetDeployment, gates.Deployment), target(TargetQueue, gates.Queue)
	ofPool := target(TargetPool, gates.Pool)
	return []level{
		{
			kind: "deployment", gate: gates.Deployment, paused: DeploymentPaused, full: DeploymentFull,
			resume: Action{Resume, ofDeployment, "UpdateDeployment", "berth deployment resume " + shellQuote(run.Deployment)},
			raise:  Action{RaiseLimit, ofDeployment, "Apply", "berth deploy"},
			step:   "raise concurrency_limit of the deployment in its berth.yaml",
		},
		{
			kind: "queue", gate: gates.Queue, paused: QueuePaused, full: QueueFull,
			resume: Action{Resume, ofQueue, "UpdateWorkQueue", fmt.Sprintf("berth queue resume %s --pool %s", queue, pool)},
			raise: Action{
				RaiseLimit, ofQueue, "UpdateWorkQueue",
				fmt.Sprintf("berth queue update %s --pool %s --concurrency-limit N", queue, pool),
			},
			step: "raise the limit of the queue",
		},
		{
			kind: "work pool", gate: gates.Pool, paused: PoolPaused, full: PoolFull,
			resume: Action{Resume, ofPool, "UpdateWorkPool", "berth pool resume " + pool},
			raise: Action{
				RaiseLimit, ofPool, "UpdateWorkPool", fmt.Sprintf("berth pool update %s --concurrency-limit N", pool),
			},
			step: "raise the limit of the work pool",
		},
	}
}
