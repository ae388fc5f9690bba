package explain

import (
	"strings"
	"time"

	"github.com/berth-dev/berth/server/store"
)

// DueCode is the code of what Explain says first of a run that is due, for counts of many runs.
func DueCode(facts *store.RunFacts) Code {
	var e Explanation
	e.checkPaused(facts)
	e.checkLimits(facts)
	e.checkWorkers(facts)
	if len(e.Reasons) == 0 {
		return AwaitingClaim
	}
	return e.Reasons[0].Code
}

// Codes of every run and of every attempt that waits.
var (
	RunCodes = []Code{
		NotDue, AwaitingRetry, PoolPaused, QueuePaused, DeploymentPaused, DeploymentFull, QueueFull, PoolFull, NoWorker,
		WorkersPaused, ClusterLost, AwaitingClaim,
	}
	AttemptCodes = []Code{LostCluster, Launching, Starting, Unschedulable, ImagePull, OutOfQuota, Suspended, Diagnosed}
)

// diagnoses are parts of what workers say of attempts that do not start.
var diagnoses = []struct {
	part string
	code Code
}{
	{"no node can run", Unschedulable},
	{"cannot pull image", ImagePull},
	{"quota", OutOfQuota},
	{"suspended", Suspended},
}

// StartCode is why attempts wait that have been claimed and have not started.
func StartCode(live store.LiveStats, workers []store.Worker, now time.Time) Code {
	if live.LeaseExpired {
		lost := true
		for _, w := range workers {
			lost = lost && (w.ClusterID != live.ClusterID || !alive(w, now))
		}
		if lost {
			return LostCluster
		}
	}
	for _, d := range diagnoses {
		if strings.Contains(live.Diagnosis, d.part) {
			return d.code
		}
	}
	switch {
	case live.Diagnosis != "":
		return Diagnosed
	case live.Phase == store.PhaseClaimed || live.Phase == store.PhaseSubmitting:
		return Launching
	}
	return Starting
}
