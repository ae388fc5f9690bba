package store

import (
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store/database"
)

// deploymentOutcome is a row of deployment_outcomes, or what some ended runs add to it.
type deploymentOutcome struct {
	DeploymentID   uuid.UUID           `json:"deployment_id"`
	LastState      lifecycle.StateType `json:"last_state"`
	LastEnd        database.Time       `json:"last_end"`
	LastCompletion *database.Time      `json:"last_completion"`
	Failures       int64               `json:"failures"`
}

// addOutcomesSQL adds what ended runs say, also late: a completion that is older than another one changes nothing. Runs of a deployment that was deleted have no place any more.
func addOutcomesSQL(d database.Dialect) string {
	return `
INSERT INTO deployment_outcomes (deployment_id, last_state, last_end, last_completion, failures)
SELECT n.deployment_id, n.last_state, n.last_end, n.last_completion, n.failures
FROM ` + database.RecordsOf[deploymentOutcome](d) + ` AS n
JOIN deployments d ON d.id = n.deployment_id
WHERE TRUE
ON CONFLICT (deployment_id) DO UPDATE
SET last_state = CASE
		WHEN excluded.last_end >= deployment_outcomes.last_end THEN excluded.last_state
		ELSE deployment_outcomes.last_state
	END,
	last_end = CASE
		WHEN excluded.last_end >= deployment_outcomes.last_end THEN excluded.last_end
		ELSE deployment_outcomes.last_end
	END,
	last_completion = CASE
		WHEN deployment_outcomes.last_completion IS NULL OR excluded.last_completion > deployment_outcomes.last_completion
			THEN excluded.last_completion
		ELSE deployment_outcomes.last_completion
	END,
	failures = excluded.failures + CASE
		WHEN excluded.last_completion IS NULL OR excluded.last_completion < deployment_outcomes.last_completion
			THEN deployment_outcomes.failures
		ELSE 0
	END`
}

// rollUpOutcomes says of each deployment how the runs of some changes ended, in the order of the IDs.
func rollUpOutcomes(changes []runCountChange) []deploymentOutcome {
	byDeployment := map[uuid.UUID]*deploymentOutcome{}
	ended := func(visit func(c runCountChange, o *deploymentOutcome)) {
		for _, c := range changes {
			if c.LastEnd != nil && c.N > 0 {
				visit(c, byDeployment[c.DeploymentID])
			}
		}
	}
	ended(func(c runCountChange, o *deploymentOutcome) {
		if o == nil {
			o = &deploymentOutcome{DeploymentID: c.DeploymentID}
			byDeployment[c.DeploymentID] = o
		}
		if !c.LastEnd.Time().Before(o.LastEnd.Time()) {
			o.LastState, o.LastEnd = c.StateType, *c.LastEnd
		}
		if c.StateType == lifecycle.Completed &&
			(o.LastCompletion == nil || c.LastEnd.Time().After(o.LastCompletion.Time())) {
			o.LastCompletion = c.LastEnd
		}
	})
	ended(func(c runCountChange, o *deploymentOutcome) {
		failed := c.StateType == lifecycle.Failed || c.StateType == lifecycle.Crashed
		if failed && (o.LastCompletion == nil || c.LastEnd.Time().After(o.LastCompletion.Time())) {
			o.Failures += c.N
		}
	})

	outcomes := make([]deploymentOutcome, 0, len(byDeployment))
	for _, o := range byDeployment {
		outcomes = append(outcomes, *o)
	}
	slices.SortFunc(outcomes, func(a, b deploymentOutcome) int { return slices.Compare(a.DeploymentID[:], b.DeploymentID[:]) })
	return outcomes
}
