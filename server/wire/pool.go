package wire

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// DefaultQueue is the queue that every pool has.
const DefaultQueue = "default"

// WorkPool converts a pool.
func WorkPool(p store.Pool) api.WorkPool {
	return api.WorkPool{
		ID:               p.ID,
		Name:             p.Name,
		Type:             api.PoolType(p.Type),
		Description:      p.Description,
		ConcurrencyLimit: p.ConcurrencyLimit,
		SlotsUsed:        p.SlotsUsed,
		Paused:           p.Paused,
		Pause:            Pause(p.Pause),
		TemplateVersion:  p.TemplateVersion,
		Project:          OrNil(p.Project),

		RunTokenAudiences: append([]string{}, p.RunTokenAudiences...),
		References:        AllowedReferences(p.References),
		Approvals:         ApprovalPolicy(p.Approvals),
		OpenApprovals:     OrNil(p.OpenApprovals),
		CreatedAt:         Time(p.CreatedAt),
		UpdatedAt:         Time(p.UpdatedAt),
	}
}

// ApprovalPolicy converts the policy of a pool.
func ApprovalPolicy(p store.ApprovalPolicy) api.ApprovalPolicy {
	policy := api.ApprovalPolicy{Require: []api.ApprovalSubject{}}
	for _, subject := range p.Require {
		policy.Require = append(policy.Require, api.ApprovalSubject(subject))
	}
	if len(p.Require) > 0 {
		approver := api.ApproverRole(p.Approver)
		policy.Approver, policy.LifetimeSeconds = &approver, &p.Lifetime
	}
	return policy
}

// AllowedReferences reads a stored list. What cannot be read allows nothing.
func AllowedReferences(raw json.RawMessage) api.AllowedReferences {
	var list api.AllowedReferences
	if err := json.Unmarshal(raw, &list); err != nil {
		return api.AllowedReferences{}
	}
	return list
}

// WorkQueue converts a queue of a pool.
func WorkQueue(q store.Queue) api.WorkQueue {
	return api.WorkQueue{
		ID:               q.ID,
		Pool:             q.Pool,
		Name:             q.Name,
		Priority:         q.Priority,
		ConcurrencyLimit: q.ConcurrencyLimit,
		Objective:        Objective(q.Objective),
		SlotsUsed:        q.SlotsUsed,
		Paused:           q.Paused,
		Pause:            Pause(q.Pause),
	}
}

// objectiveUnits are the units of objectives, the longest first.
var objectiveUnits = []struct {
	letter string
	unit   time.Duration
}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

// Objective writes the objective of a queue; nil for none.
func Objective(d time.Duration) *string {
	for _, u := range objectiveUnits {
		if d > 0 && d%u.unit == 0 {
			text := strconv.FormatInt(int64(d/u.unit), 10) + u.letter
			return &text
		}
	}
	return nil
}

// ReadObjective reads the objective of a queue; nil where there is none.
func ReadObjective(text *string) (*time.Duration, error) {
	if text == nil {
		return nil, nil
	}
	for _, u := range objectiveUnits {
		number, ok := strings.CutSuffix(*text, u.letter)
		if n, err := strconv.ParseUint(number, 10, 17); ok && err == nil && n > 0 {
			objective := time.Duration(n) * u.unit
			return &objective, nil
		}
	}
	return nil, problem.Newf(problem.InvalidParameter, "objective %q must be a number and a unit: 30s, 5m, 2h or 1d", *text)
}

// WorkQueueWithWait converts a queue and what waits in it.
func WorkQueueWithWait(q store.Queue, wait store.QueueWait) api.WorkQueue {
	shown, lately := WorkQueue(q), Percentiles(wait.Lately)
	shown.Waiting, shown.OldestDue, shown.Wait = &wait.Waiting, TimePtr(wait.Oldest), &lately
	return shown
}

// Worker converts a worker; now decides whether it counts as alive.
func Worker(w store.Worker, now time.Time) api.Worker {
	return api.Worker{
		Name:           w.Name,
		Pool:           w.Pool,
		Type:           api.PoolType(w.Type),
		ClusterID:      w.ClusterID,
		Version:        w.Version,
		LastSeenAt:     Time(w.LastSeenAt),
		Alive:          now.Sub(w.LastSeenAt) < store.WorkerAliveFor,
		ActiveAttempts: w.ActiveAttempts,
		Paused:         w.Paused,
		Pause:          Pause(w.Pause),
		LostNamespaces: lostNamespaces(w.Lost),
	}
}

func lostNamespaces(lost []store.LostNamespace) *[]api.LostNamespace {
	if len(lost) == 0 {
		return nil
	}
	list := Each(lost, func(l store.LostNamespace) api.LostNamespace {
		return api.LostNamespace{Namespace: l.Namespace, Reason: l.Reason}
	})
	return &list
}

// Pause converts who paused something; nil stays nil.
func Pause(p *store.Pause) *api.Pause {
	if p == nil {
		return nil
	}
	return &api.Pause{By: p.By, At: Time(p.At), Reason: OrNil(p.Reason)}
}

// PauseChange reads whether to pause or to resume, and why; nil leaves it as it is.
func PauseChange(paused *bool, reason *string) (*store.PauseChange, error) {
	if reason != nil && !Or(paused, false) {
		return nil, problem.Newf(problem.InvalidBody, "a reason goes with a pause").
			At("/pause_reason", "pause it too")
	}
	if paused == nil {
		return nil, nil
	}
	return &store.PauseChange{Paused: *paused, Reason: strings.TrimSpace(Or(reason, ""))}, nil
}

// TemplateVersion converts a version of a pool's template.
func TemplateVersion(t store.TemplateVersion) api.TemplateVersion {
	return api.TemplateVersion{
		ID:        t.ID,
		Pool:      t.Pool,
		Version:   t.Version,
		Document:  t.Document,
		Comment:   t.Comment,
		CreatedAt: Time(t.CreatedAt),
		CreatedBy: t.CreatedBy,
	}
}

// DocumentChanges converts the differences between two documents.
func DocumentChanges(changes []templating.Change) ([]api.DocumentChange, error) {
	converted := make([]api.DocumentChange, 0, len(changes))
	for _, c := range changes {
		change := api.DocumentChange{Kind: api.DocumentChangeKind(c.Kind), Pointer: c.Pointer}
		var err error
		if c.Kind != templating.ChangeAdded {
			if change.Before, err = jsondoc.Encode(c.Before); err != nil {
				return nil, err
			}
		}
		if c.Kind != templating.ChangeRemoved {
			if change.After, err = jsondoc.Encode(c.After); err != nil {
				return nil, err
			}
		}
		converted = append(converted, change)
	}
	return converted, nil
}
