package verdict

import (
	"slices"

	"github.com/google/uuid"
)

// steps are the states that may follow a state in the history of a run.
func steps() map[string][]string {
	ends := []string{"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
	underWay := append([]string{"SCHEDULED", "PENDING", "RUNNING", "CANCELLING"}, ends...)
	return map[string][]string{
		"SCHEDULED":  {"SCHEDULED", "PENDING", "FAILED", "CANCELLED", "CRASHED"},
		"PENDING":    underWay,
		"RUNNING":    underWay,
		"CANCELLING": append([]string{"CANCELLING"}, ends...),
		"COMPLETED":  {"SCHEDULED"}, // by a retry that someone asked for
		"FAILED":     {"SCHEDULED"},
		"CRASHED":    {"SCHEDULED"},
		"CANCELLED":  {"SCHEDULED"},
	}
}

// history is the end of the events of a run.
type history struct {
	seq   int64
	state string
}

// eventGaps finds histories with a gap, with a step that runs do not take, or whose end is not that of the run.
func (j *judge) eventGaps() {
	allowed := steps()
	histories := map[uuid.UUID]history{}
	for _, e := range j.Events {
		h, begun := histories[e.Run]
		if !begun {
			h = history{1, "SCHEDULED"} // the run tells its creation
		}
		if e.Seq != h.seq+1 {
			j.violate(EventGap, e.Run, "event %d follows event %d", e.Seq, h.seq)
		}
		if !slices.Contains(allowed[h.state], e.State) {
			j.violate(EventGap, e.Run, "event %d: %s follows %s", e.Seq, e.State, h.state)
		}
		histories[e.Run] = history{e.Seq, e.State}
	}
	for _, r := range j.Runs {
		h, begun := histories[r.ID]
		if !begun {
			h = history{1, "SCHEDULED"}
		}
		if r.LastEvent != h.seq {
			j.violate(EventGap, r.ID, "its last event is number %d, stored are %d", r.LastEvent, h.seq)
		}
		if r.State != h.state {
			j.violate(EventGap, r.ID, "it is %s, its last event says %s", r.State, h.state)
		}
		delete(histories, r.ID)
	}
	for run := range histories {
		j.violate(LeftBehind, run, "it has events and does not exist")
	}
}
