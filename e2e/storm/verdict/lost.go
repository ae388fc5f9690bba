package verdict

import (
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
)

// lost finds what someone was told is stored, and is not.
func (j *judge) lost() {
	told := map[int64]uuid.UUID{} // run by request
	for _, e := range j.Entries {
		switch {
		case e.Kind == journal.Created:
			j.lostRun(told, e)
		case e.Kind == journal.Reported && e.Report == "ended" && e.Status == journal.Accepted:
			j.lostOutcome(e)
		}
	}
	j.lostExecutions()
}

func (j *judge) lostRun(told map[int64]uuid.UUID, e journal.Entry) {
	first, again := told[e.Request]
	switch {
	case !again:
		told[e.Request] = e.Run
		if j.runs[e.Run] == nil {
			j.violate(Lost, e.Run, "%s was told that request %d had created it; it does not exist", e.Who, e.Request)
		}
	case first != e.Run:
		j.violate(Doubled, e.Run, "request %d was answered with this run, and before with run %s", e.Request, first)
	}
}

func (j *judge) lostOutcome(e journal.Entry) {
	stored := j.attempts[e.Attempt]
	switch {
	case stored == nil:
		j.violate(Lost, e.Run, "the end of attempt %d (%s) was accepted from %s and is not stored", e.Number, e.Attempt, e.Who)
	case !strings.Contains(stored.Message, e.Outcome):
		j.violate(Lost, e.Run, "attempt %d: the outcome %q was accepted from %s, stored is %q", e.Number, e.Outcome, e.Who,
			stored.Message)
	}
}

// lostExecutions finds attempts that are stored as succeeded and whose process never came to its end.
func (j *judge) lostExecutions() {
	type key struct {
		run    uuid.UUID
		number int32
	}
	ended := map[key]bool{}
	for _, e := range j.Executions {
		ended[key{e.Run, e.Number}] = e.Ended > 0
	}
	for _, a := range j.Attempts {
		run := j.runs[a.Run]
		if run != nil && run.Pool == j.ProcessPool && a.Succeeded && !ended[key{a.Run, a.Number}] {
			j.violate(Lost, a.Run, "attempt %d is stored as succeeded, and its process did not come to its end", a.Number)
		}
	}
}
