package explain

import (
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Brief says in a few words what a run waits for, for a list: "limit 4 of 4, 37 ahead". It names what Explain says first.
// It is empty for a run that does not wait, or only for its scheduled time.
func Brief(run store.Run, gates store.ClaimGates, ahead int, now time.Time) string {
	if run.State.Type != lifecycle.Scheduled {
		return ""
	}
	if left := run.DueAt.Sub(now); left > 0 {
		if run.State.Name != "AwaitingRetry" {
			return ""
		}
		return fmt.Sprintf("attempt %d in %s", run.Attempt+1, span(left))
	}
	text := briefGate(run, gates)
	switch {
	case text != "":
	case gates.Workers == store.NoWorker:
		text = "no live worker"
	case gates.Workers == store.WorkersPaused:
		text = "all workers paused"
	}
	turn := ""
	switch {
	case ahead >= store.AheadListedMax: // counted no further
		turn = fmt.Sprintf("%d or more ahead", ahead)
	case ahead > 0:
		turn = fmt.Sprintf("%d ahead", ahead)
	}
	switch {
	case text == "" && turn == "":
		return "waits for a worker"
	case text == "" || turn == "":
		return text + turn
	}
	return text + ", " + turn
}

// briefGate names the gate that is closed: a pause, the widest first, or the narrowest limit that is reached.
func briefGate(run store.Run, gates store.ClaimGates) string {
	all := levels(run, gates)
	for _, l := range slices.Backward(all) {
		if l.gate.Paused {
			return l.kind + " paused"
		}
	}
	for i, l := range all {
		switch {
		case !l.gate.Full():
		case i == 0: // it is the limit that most runs wait for
			return fmt.Sprintf("limit %d of %d", l.gate.Used, *l.gate.Limit)
		default:
			return fmt.Sprintf("%s limit %d of %d", l.kind, l.gate.Used, *l.gate.Limit)
		}
	}
	return ""
}
