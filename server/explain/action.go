package explain

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// ActionKind is a kind of what helps. Kinds are part of the API.
type ActionKind string

// Kinds of actions.
const (
	RaiseLimit  ActionKind = "raise-limit"
	Resume      ActionKind = "resume"
	Cancel      ActionKind = "cancel"
	StartWorker ActionKind = "start-worker"
	Abandon     ActionKind = "abandon"
	Retry       ActionKind = "retry"
	RunAgain    ActionKind = "run-again"
)

// TargetKind is what an action changes. Kinds are part of the API.
type TargetKind string

// Targets of actions.
const (
	TargetPool       TargetKind = "pool"
	TargetQueue      TargetKind = "queue"
	TargetDeployment TargetKind = "deployment"
	TargetWorker     TargetKind = "worker"
	TargetRun        TargetKind = "run"
)

// Target is what an action changes. Queues and workers are those of the run's pool.
type Target struct {
	Kind TargetKind
	Name string
	Run  uuid.UUID // of a run
}

// Action is something that helps the run.
type Action struct {
	Kind   ActionKind
	Target Target
	// Operation of the API that does it; it says which role that takes.
	Operation string
	// Command that does it; empty where a command line cannot say it.
	Command string
}

// offer adds an action with the step that suggests it. The step ends with the command.
func (e *Explanation) offer(a Action, step string, args ...any) {
	e.addStep("%s: %s", fmt.Sprintf(step, args...), a.Command)
	e.Actions = append(e.Actions, a)
}

func ofRun(run store.Run) Target { return Target{TargetRun, run.Name, run.ID} }

// offerCancel offers to cancel each holder that is named.
func (e *Explanation) offerCancel(facts *store.RunFacts) {
	for _, h := range e.Holders {
		if h.Pool != facts.Run.Pool {
			continue // who may act on this run may have no role there
		}
		e.Actions = append(e.Actions, Action{
			Cancel, Target{TargetRun, h.Name, h.Run}, "CancelRun", "berth run cancel " + h.Run.String(),
		})
	}
}

// offerAgain offers a new run with the values of one that has ended.
func (e *Explanation) offerAgain(run store.Run) {
	e.Actions = append(e.Actions, Action{
		RunAgain, Target{Kind: TargetDeployment, Name: run.Deployment}, "CreateRun", runAgainCommand(run),
	})
}

// commandMax bounds a command with the values of a run: people read it, and copy it.
const commandMax = 1000

// runAgainCommand starts a run with the same values; empty where they are too long, or where the command line would read
// one of them as something else.
func runAgainCommand(run store.Run) string {
	command := "berth deployment run " + shellQuote(run.Deployment)
	for _, values := range []struct {
		flag     string
		document json.RawMessage
	}{{"--param", run.Parameters}, {"--job-variable", run.JobVariables}} {
		args, ok := assignments(values.flag, values.document)
		if !ok {
			return ""
		}
		command += args
	}
	if len(command) > commandMax {
		return ""
	}
	return command
}

// assignments are the members of an object as flags NAME=VALUE.
func assignments(flag string, document json.RawMessage) (string, bool) {
	var values map[string]json.RawMessage
	if len(document) > 0 && json.Unmarshal(document, &values) != nil {
		return "", false
	}
	var args strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text := string(values[name])
		var word string
		if json.Unmarshal(values[name], &word) == nil && text != "null" {
			if json.Valid([]byte(word)) {
				return "", false // "3" would be the number 3, unless the schema declares a string
			}
			text = word
		}
		if strings.Contains(name, "=") {
			return "", false
		}
		fmt.Fprintf(&args, " %s %s=%s", flag, shellQuote(name), shellQuote(text))
	}
	return args.String(), true
}
