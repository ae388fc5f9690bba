package ui

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
)

// waitView is what a run waits for, and what helps.
type waitView struct {
	Holders []slotHolder
	More    int32  // holders that are not named
	Ahead   string // empty without any
	Start   string // in how long it is likely to start; empty where nothing tells
	Helps   []help
}

// slotHolder is a run that holds a slot that another waits for.
type slotHolder struct {
	api.SlotHolder

	Cancel string // address of the question; empty without the role
	now    time.Time
}

// UsualText is the usual duration as a reader says it.
func (h slotHolder) UsualText() string {
	if h.UsualSeconds == nil {
		return ""
	}
	return length(secondsOf(*h.UsualSeconds))
}

// Slow reports whether the run takes more than twice as long as usual.
func (h slotHolder) Slow() bool {
	return h.UsualSeconds != nil && h.now.Sub(h.Since) > 2*secondsOf(*h.UsualSeconds)
}

// help is an action: a link where the role of whoever looks allows it, and the command.
type help struct {
	Label, Address, Command string
	Question                bool
}

// wait shows an explanation of a run that waits; nil where it says no more than its words.
func (r runView) wait(now time.Time) *waitView {
	if r.Run.State.Type != api.SCHEDULED {
		return nil
	}
	why := r.Why
	w := &waitView{More: why.HoldersTotal - int32(len(why.Holders)), Start: startText(why.Eta)}
	if n := valueOf(why.Ahead); n > 0 {
		w.Ahead = fmt.Sprintf("%s ahead in %s", number(n), r.Run.Queue)
	}
	cancels := map[uuid.UUID]string{}
	for _, action := range why.Actions {
		if run := action.Target.Run; action.Kind == "cancel" && run != nil {
			if r.May("CancelRun", r.Run.Pool) {
				cancels[*run] = r.To("runs", run.String(), "cancel")
			}
		} else if shown, ok := r.help(action); ok {
			w.Helps = append(w.Helps, shown)
		}
	}
	for _, holder := range why.Holders {
		w.Holders = append(w.Holders, slotHolder{holder, cancels[holder.Run], now})
	}
	if len(w.Holders)+len(w.Helps) == 0 && w.Ahead+w.Start == "" {
		return nil
	}
	return w
}

// helpPage is where an action is done: by its kind and its target, what it is called, the operation that it takes, and the
// address, in which {pool} is the pool of the run and {name} the target.
type helpPage struct {
	label, operation string
	path             []string
	question         bool
}

var helpPages = map[[2]string]helpPage{
	{"raise-limit", "pool"}:  {"Raise the limit of work pool %s", "UpdateWorkPool", []string{"pools", "{pool}", "limit"}, true},
	{"raise-limit", "queue"}: {"Raise the limit of work queue %s", "UpdateWorkQueue", []string{"pools", "{pool}", "queues", "{name}", "edit"}, true},
	{"resume", "pool"}:       {"Resume work pool %s", "UpdateWorkPool", []string{"pools", "{pool}", "resume"}, true},
	{"resume", "queue"}:      {"Resume work queue %s", "UpdateWorkQueue", []string{"pools", "{pool}", "queues", "{name}", "resume"}, true},
	{"resume", "worker"}:     {"Resume worker %s", "UpdateWorker", []string{"pools", "{pool}", "workers", "{name}", "resume"}, true},
	{"resume", "deployment"}: {"Resume deployment %s", "UpdateDeployment", []string{"deployments", "{name}", "resume"}, true},
	{"start-worker", "pool"}: {"Start a worker of work pool %s", "GetWorkPool", []string{"pools", "{pool}"}, false}, // it says how
	{"raise-limit", "deployment"}: { // it shows the file that has the limit
		"Raise the limit of deployment %s", "Apply", []string{"deployments", "{name}"}, false,
	},
}

// help shows an action that has a page; false for others.
func (r runView) help(a api.RunAction) (help, bool) {
	where, ok := helpPages[[2]string{a.Kind, a.Target.Kind}]
	if !ok {
		return help{}, false
	}
	shown := help{
		Label: fmt.Sprintf(where.label, a.Target.Name), Command: valueOf(a.Command), Question: where.question,
	}
	if r.May(where.operation, r.Run.Pool) {
		path := slices.Clone(where.path)
		for i, segment := range path {
			switch segment {
			case "{pool}":
				path[i] = r.Run.Pool
			case "{name}":
				path[i] = a.Target.Name
			}
		}
		shown.Address = r.To(path...)
	}
	return shown, true
}

// otherSteps are those whose command no action has.
func (w *waitView) otherSteps(steps []step) []step {
	if w == nil {
		return steps
	}
	return slices.DeleteFunc(steps, func(s step) bool {
		return s.Command != "" && slices.ContainsFunc(w.Helps, func(h help) bool { return h.Command == s.Command })
	})
}

// startText says in how long a run is likely to start: "40–70 min", "50 min to 2 h".
func startText(f *api.StartForecast) string {
	if f == nil {
		return ""
	}
	from, to := secondsOf(f.From), secondsOf(f.To)
	const moment = 5 * time.Second
	switch {
	case to < moment:
		return "likely to start any moment"
	case span(from) == span(to):
		return "likely to start in about " + span(to)
	case from < moment:
		return "likely to start within about " + span(to)
	case from >= time.Minute && to < 2*time.Hour:
		return fmt.Sprintf("likely to start in about %d–%d min", int(from.Minutes()), int(math.Ceil(to.Minutes())))
	}
	return "likely to start in about " + span(from) + " to " + span(to)
}
