package census

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/schedule"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

const (
	// slotsMax bounds the slots that are counted.
	slotsMax = 100
	// slotsEvery is how often they are: it takes the parsing of schedules.
	slotsEvery = 30 * time.Second
	// schedulesPerDeployment is how many schedules are read, for each deployment with separate figures.
	schedulesPerDeployment = 2
)

// slotCounts are the slots of deployments since a run completed.
type slotCounts struct {
	at     time.Time
	counts map[uuid.UUID]int
	// rested is until when a deployment was seen without an active schedule, or paused: earlier slots do not count.
	rested map[uuid.UUID]time.Time
}

// read counts anew where that is due.
func (c *slotCounts) read(ctx context.Context, from Source, facts *store.Stats, deployments int) error {
	if since := facts.Now.Sub(c.at); since >= 0 && since < slotsEvery || deployments == 0 {
		return nil
	}
	schedules, err := from.ListScheduleSlots(ctx, deployments*schedulesPerDeployment)
	if err != nil {
		return err
	}
	completed := map[uuid.UUID]time.Time{}
	for _, d := range facts.Deployments {
		if d.LastCompletion != nil {
			completed[d.ID] = d.LastCompletion.Time()
		}
	}
	counts := map[uuid.UUID]int{}
	for _, s := range schedules {
		// A schedule that no longer parses makes no run, which its state says.
		spec, err := wire.ReadStoredSchedule(s.Spec.Raw())
		if err != nil {
			continue
		}
		parsed, err := schedule.Parse(wire.ReadScheduleSpec(spec))
		if err != nil {
			continue
		}
		since := later(later(s.Since.Time(), completed[s.DeploymentID]), c.rested[s.DeploymentID])
		counts[s.DeploymentID] = max(counts[s.DeploymentID], len(parsed.Between(since, facts.Now, slotsMax)))
	}
	rested := map[uuid.UUID]time.Time{}
	for _, d := range facts.Deployments {
		if _, active := counts[d.ID]; !active {
			rested[d.ID] = facts.Now
		} else if at, ok := c.rested[d.ID]; ok {
			rested[d.ID] = at
		}
	}
	*c = slotCounts{facts.Now, counts, rested}
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
