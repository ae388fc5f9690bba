package verdict

import "github.com/google/uuid"

// stuck finds runs that have not ended.
func (j *judge) stuck() {
	for _, r := range j.Runs {
		if !r.Ended || !terminal(r.State) {
			j.violate(Stuck, r.ID, "it is %s, with %d rows in ready and %d in live", r.State, r.Ready, r.Live)
		}
	}
}

// leftBehind finds what should be gone when all runs have ended.
func (j *judge) leftBehind() {
	for _, r := range j.Runs {
		if r.Ended && r.Ready+r.Live > 0 {
			j.violate(LeftBehind, r.ID, "it has ended as %s and has %d rows in ready and %d in live", r.State, r.Ready, r.Live)
		}
	}
	for _, what := range j.Left {
		j.violate(LeftBehind, uuid.Nil, "%s", what)
	}
}
