package wire

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// Run converts a run with the state that is stored.
func Run(r store.Run) api.Run {
	run := ListedRun(r)
	run.Parameters, run.JobVariables = document(r.Parameters), document(r.JobVariables)
	return run
}

// ListedRun converts one of many runs: without parameters and job variables, which may be large.
func ListedRun(r store.Run) api.Run {
	run := api.Run{
		ID:             r.ID,
		Name:           r.Name,
		Deployment:     r.Deployment,
		DeploymentID:   r.DeploymentID,
		Pool:           r.Pool,
		Queue:          r.Queue,
		State:          State(r.State),
		Tags:           NonNil(r.Tags),
		ScheduledTime:  Time(r.ScheduledTime),
		CreatedAt:      Time(r.CreatedAt),
		CreatedBy:      r.CreatedBy,
		StartedAt:      TimePtr(r.StartedAt),
		EndedAt:        TimePtr(r.EndedAt),
		Attempt:        r.Attempt,
		ExitCode:       r.ExitCode,
		Category:       OrNil(r.Category),
		IdempotencyKey: OrNil(r.IdempotencyKey),
	}
	if broken := brokenFields(r); broken != "" {
		message := strings.TrimSpace(r.State.Message + " " + broken)
		run.State.Message = &message
	}
	return run
}

// brokenFields says which fields of a stored run are not shown as they are stored; empty if all are.
func brokenFields(r store.Run) string {
	var broken []string
	for _, field := range []struct {
		name string
		at   *time.Time
	}{
		{"scheduled_time", &r.ScheduledTime}, {"created_at", &r.CreatedAt}, {"started_at", r.StartedAt},
		{"ended_at", r.EndedAt}, {"state.at", &r.State.At},
	} {
		if field.at != nil && !printable(*field.at) {
			broken = append(broken, field.name)
		}
	}
	for name, document := range map[string]json.RawMessage{
		"parameters": r.Parameters, "job_variables": r.JobVariables,
	} {
		if len(document) > 0 && !json.Valid(document) {
			broken = append(broken, name)
		}
	}
	if len(broken) == 0 {
		return ""
	}
	slices.Sort(broken)
	return "(broken in the database: " + strings.Join(broken, ", ") + ")"
}

// State converts the state of a run.
func State(s lifecycle.State) api.State {
	return api.State{Type: api.StateType(s.Type), Name: s.Name, Message: OrNil(s.Message), At: Time(s.At)}
}

// Attempt converts one try of a run.
func Attempt(a store.Attempt) api.Attempt {
	return api.Attempt{
		ID:              a.ID,
		Number:          a.Number,
		Phase:           api.AttemptPhase(a.Phase),
		Worker:          a.Worker,
		ClusterID:       a.ClusterID,
		LeaseEpoch:      a.Epoch,
		TemplateVersion: OrNil(a.TemplateVersion),
		JobNamespace:    OrNil(a.JobNamespace),
		JobName:         OrNil(a.JobName),
		JobUID:          OrNil(a.JobUID),
		Node:            OrNil(a.Node),
		Diagnosis:       OrNil(a.Diagnosis),
		Raised:          a.Raised,
		ExitCode:        a.ExitCode,
		Category:        OrNil(a.Category),
		Message:         OrNil(a.Message),
		LastLines:       OrNil(a.LastLines),
		Image:           OrNil(a.Image),
		ClaimedAt:       Time(a.ClaimedAt),
		SubmittedAt:     TimePtr(a.SubmittedAt),
		RunningAt:       TimePtr(a.RunningAt),
		EndedAt:         TimePtr(a.EndedAt),
		Indexes:         indexes(a.Indexes),
	}
}

// Attempts converts the tries of a run with their output.
func Attempts(attempts []store.Attempt, outputs []store.Output) []api.Attempt {
	of := make(map[uuid.UUID]*api.AttemptOutput, len(outputs))
	for _, o := range outputs {
		of[o.AttemptID] = &api.AttemptOutput{
			Size:            o.Size,
			ArchivedSize:    o.ArchivedSize,
			StoredSize:      OrNil(o.ObjectSize),
			ArchivedAt:      TimePtr(o.ArchivedAt),
			ArchiveFailures: OrNil(o.Failures),
		}
	}
	return Each(attempts, func(a store.Attempt) api.Attempt {
		converted := Attempt(a)
		converted.Output = of[a.ID]
		return converted
	})
}

// RunEvent converts an entry of a run's history.
func RunEvent(e store.Event) api.RunEvent {
	return api.RunEvent{
		Seq:     e.Seq,
		At:      Time(e.At),
		Actor:   e.Actor,
		Attempt: OrNil(e.Attempt),
		State:   State(e.State),
		Message: e.Message,
	}
}

// LogChunk converts a part of an attempt's output.
func LogChunk(c store.LogChunk) api.LogChunk {
	return api.LogChunk{Attempt: c.Number, Offset: c.Offset, Text: c.Text}
}

// RunResult converts the result of a run; nil where it has none.
func RunResult(r *store.Result) *api.RunResult {
	if r == nil {
		return nil
	}
	return &api.RunResult{Value: r.Value, Attempt: r.Attempt, At: Time(r.At)}
}

// RunProgress converts the progress of a run; nil where it has none.
func RunProgress(p *store.Progress) *api.RunProgress {
	if p == nil {
		return nil
	}
	return &api.RunProgress{Percent: p.Percent, Message: OrNil(p.Message), Attempt: p.Attempt, At: Time(p.At)}
}

// RuleFindings converts what rules said of a run; nil where they said nothing.
func RuleFindings(list []store.RunRuleFinding) *[]api.RunRuleFinding {
	if len(list) == 0 {
		return nil
	}
	findings := Each(list, func(f store.RunRuleFinding) api.RunRuleFinding {
		return api.RunRuleFinding{
			Attempt: f.Attempt, Rule: f.Rule, Pool: OrNil(f.Pool), Action: api.RuleAction(f.Action), Message: f.Message,
		}
	})
	return &findings
}
