package handler

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"github.com/aymanbagabas/go-udiff"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// applied is what was done to one thing.
type applied struct {
	kind   api.ChangeKind
	name   string
	action api.ChangeAction // empty: update or unchanged, as there are fields or not
	fields []string
	// before and after describe it, in the form of templating.DecodeJSON.
	before, after map[string]any
	// secret belongs to the plan and is not told.
	secret []json.RawMessage
}

// change records what was done, and gives the thing to the project.
func (a *applying) change(ctx context.Context, change applied) error {
	if err := a.own(ctx, &change); err != nil {
		return err
	}
	if change.action == "" {
		change.action = api.Unchanged
		if len(change.fields) > 0 {
			change.action = api.Update
		}
	}
	a.changes = append(a.changes, change)
	return nil
}

// own gives a thing to the project; where it belonged to another, or to none, that is a change like any
// other.
func (a *applying) own(ctx context.Context, change *applied) error {
	owner, ok := map[api.ChangeKind]store.Owner{
		api.ChangeKindPool: store.OwnPool, api.ChangeKindVariable: store.OwnVariable, api.ChangeKindDeployment: store.OwnDeployment,
	}[change.kind]
	if !ok || a.project == "" || change.action == api.Delete || slices.Contains(a.owned[owner], change.name) {
		return nil
	}
	before, err := a.tx.SetProject(ctx, store.Ownership{
		Kind: owner, Name: change.name, Project: a.project, New: change.action == api.Create,
	}, actor(ctx))
	if err != nil || change.action == api.Create {
		return err
	}
	change.fields = append(change.fields, "project")
	with := func(document map[string]any, project string) map[string]any {
		if document == nil {
			document = map[string]any{}
		}
		if project != "" {
			document["project"] = project
		}
		return document
	}
	change.before, change.after = with(change.before, before), with(change.after, a.project)
	return nil
}

// fingerprint stands for exactly these changes, values included.
func fingerprint(changes []applied) (string, error) {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	for _, c := range changes {
		if err := encoder.Encode([]any{c.kind, c.name, c.action, c.fields, c.before, c.after, c.secret}); err != nil {
			return "", fmt.Errorf("fingerprint the plan: %w", err)
		}
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)), nil
}

func wireApplied(changes []applied) ([]api.Change, error) {
	wired := make([]api.Change, 0, len(changes))
	for _, c := range changes {
		one := api.Change{Kind: c.kind, Name: c.name, Action: c.action}
		if c.action == api.Update {
			one.Fields = &c.fields
			if err := c.describe(&one); err != nil {
				return nil, fmt.Errorf("describe the change of %s %q: %w", c.kind, c.name, err)
			}
		}
		wired = append(wired, one)
	}
	return wired, nil
}

// describe says how a thing differs, as a list and for people.
func (c applied) describe(change *api.Change) error {
	diff, err := wireChanges(templating.Diff(decoded(c.before), decoded(c.after)))
	if err != nil || len(diff) == 0 {
		return err
	}
	before, err := templating.EncodeYAML(decoded(c.before))
	if err != nil {
		return err
	}
	after, err := templating.EncodeYAML(decoded(c.after))
	if err != nil {
		return err
	}
	text := udiff.Unified("before", "after", string(before), string(after))
	change.Diff, change.Text = &diff, &text
	return nil
}

// decoded is an object that is there, whatever it holds.
func decoded(object map[string]any) any {
	if object == nil {
		return map[string]any{}
	}
	return object
}

// scheduleDocument is a schedule as it is described.
type scheduleDocument struct {
	active bool
	spec   json.RawMessage
}

func storedSchedule(s store.Schedule) scheduleDocument    { return scheduleDocument{s.Active, s.Spec} }
func newlyScheduled(s store.NewSchedule) scheduleDocument { return scheduleDocument{s.Active, s.Spec} }

// deploymentDocument describes a deployment as an apply does.
func deploymentDocument(d store.Deployment, schedules []scheduleDocument) (map[string]any, error) {
	data, err := json.Marshal(wireDeployment(d))
	if err != nil {
		return nil, fmt.Errorf("describe deployment %q: %w", d.Name, err)
	}
	document, err := decodeObject(data)
	if err != nil {
		return nil, fmt.Errorf("describe deployment %q: %w", d.Name, err)
	}
	for _, told := range []string{"id", "name", "paused", "project", "created_at", "updated_at"} { // not described, never different, or said by own
		delete(document, told)
	}
	described := make([]any, 0, len(schedules))
	for _, s := range schedules {
		spec, err := decodeObject(s.spec)
		if err != nil {
			return nil, fmt.Errorf("describe a schedule of deployment %q: %w", d.Name, err)
		}
		spec["active"] = s.active
		described = append(described, spec)
	}
	sort.Slice(
		described,
		func(i, j int) bool { return scheduleName(described[i]) < scheduleName(described[j]) },
	)
	document["schedules"] = described
	return document, nil
}

func scheduleName(described any) string {
	name, _ := described.(map[string]any)["name"].(string) // every stored schedule has one
	return name
}
