package apply

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestDeclaresTellsNullFromAbsent(t *testing.T) {
	var document any
	text := `{"pools":[{"concurrency_limit":null,"queues":[{"name":"q"},{"concurrency_limit":2}]},{}]}`
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		path []any
		want bool
	}{
		{"null is declared", []any{"pools", 0, "concurrency_limit"}, true},
		{"an absent member is not declared", []any{"pools", 1, "concurrency_limit"}, false},
		{"a value in a nested list is declared", []any{"pools", 0, "queues", 1, "concurrency_limit"}, true},
		{"an absent member in a nested list is not declared", []any{"pools", 0, "queues", 0, "concurrency_limit"}, false},
		{"an index behind the end is not declared", []any{"pools", 2}, false},
		{"a member of a list is not declared", []any{"pools", "name"}, false},
		{"an item of an object is not declared", []any{0}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := &planner{Request: Request{Document: document}}
			if got := p.declares(test.path...); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestUndeclaredIsWhatTheProjectOwnsAndTheFileLacks(t *testing.T) {
	names := func(names ...string) *[]api.PoolSpec {
		specs := make([]api.PoolSpec, len(names))
		for i, name := range names {
			specs[i].Name = name
		}
		return &specs
	}
	p := &planner{
		Request: Request{File: &api.ApplyRequest{Pools: names("a", "new")}},
		owned: store.Owned{
			store.OwnedPool: {"a", "b"}, store.OwnedVariable: {"a"}, store.OwnedDeployment: {"new", "old"},
		},
	}
	for kind, want := range map[store.OwnedKind][]string{
		store.OwnedPool:       {"b"},
		store.OwnedVariable:   {"a"}, // a pool of that name does not keep a variable
		store.OwnedDeployment: {"new", "old"},
	} {
		if got := p.undeclared(kind); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", kind, got, want)
		}
	}
	if owned := p.owned[store.OwnedPool]; !slices.Equal(owned, []string{"a", "b"}) {
		t.Errorf("the names that the project owns have become %q", owned)
	}
}

func TestFingerprintChangesWithEveryValueOfThePlan(t *testing.T) {
	base := func() change {
		return change{
			kind: api.ChangeKindDeployment, name: "etl", action: api.Update, fields: []string{"version"},
			before: map[string]any{"version": "1"}, after: map[string]any{"version": "2"},
			hidden: []json.RawMessage{json.RawMessage(`"old"`), json.RawMessage(`"new"`)},
		}
	}
	of := func(changes ...change) string {
		t.Helper()
		plan, err := fingerprint(changes)
		if err != nil {
			t.Fatal(err)
		}
		return plan
	}
	first := of(base())
	if again := of(base()); first != again {
		t.Error("two equal plans have different fingerprints")
	}
	for name, alter := range map[string]func(*change){
		"the kind":           func(c *change) { c.kind = api.ChangeKindPool },
		"the name":           func(c *change) { c.name = "other" },
		"the action":         func(c *change) { c.action = api.Delete },
		"the fields":         func(c *change) { c.fields = append(c.fields, "tags") },
		"the value before":   func(c *change) { c.before["version"] = "0" },
		"the value after":    func(c *change) { c.after["version"] = "3" },
		"a value not shown":  func(c *change) { c.hidden[1] = json.RawMessage(`"newer"`) },
		"a removed document": func(c *change) { c.after = nil },
	} {
		changed := base()
		alter(&changed)
		if of(changed) == of(base()) {
			t.Errorf("%s is not part of the fingerprint", name)
		}
	}
	if of(base(), base()) == of(base()) {
		t.Error("the number of changes is not part of the fingerprint")
	}
}

func TestDifferencesNamesTheFieldsThatChange(t *testing.T) {
	limit, timeout := int32(2), time.Minute
	current := func() store.Deployment {
		return store.Deployment{
			Name: "etl", Pool: "local", Queue: "default", Tags: []string{"a"}, Paused: true,
			JobVariables: json.RawMessage(`{"memory":1,"image":"x"}`), Parameters: json.RawMessage(`{}`),
			ConcurrencyLimit: &limit, Timeout: &timeout, FrozenVariables: []string{"image"},
		}
	}
	tests := []struct {
		name  string
		alter func(*store.Deployment)
		want  []string
	}{
		{"an equal deployment has no differences", func(*store.Deployment) {}, nil},
		{"the order of members is no difference", func(d *store.Deployment) {
			d.JobVariables = json.RawMessage(`{"image": "x", "memory": 1}`)
		}, nil},
		{"a pause is not declared by a file", func(d *store.Deployment) { d.Paused = false }, nil},
		{"an equal limit in other memory is no difference", func(d *store.Deployment) {
			same := limit
			d.ConcurrencyLimit = &same
		}, nil},
		{"a removed limit is a difference", func(d *store.Deployment) { d.ConcurrencyLimit = nil },
			[]string{"concurrency_limit"}},
		{"a removed timeout is a difference", func(d *store.Deployment) { d.Timeout = nil }, []string{"timeout_seconds"}},
		{"thawed values are a difference", func(d *store.Deployment) { d.FrozenVariables = nil }, []string{"frozen"}},
		{"a schema where there was none is a difference", func(d *store.Deployment) {
			d.ParameterSchema = json.RawMessage(`{}`)
		}, []string{"parameter_schema"}},
		{"a budget of 0 differs from none: the template cannot set it", func(d *store.Deployment) {
			d.Retries = lifecycle.RetryPolicy{InfrastructureSet: true}
		}, []string{"retries"}},
		{"several fields are all named, in order", func(d *store.Deployment) {
			d.Pool, d.Tags, d.Parameters = "other", nil, json.RawMessage(`{"a":null}`)
		}, []string{"pool", "tags", "parameters"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wanted := current()
			test.alter(&wanted)
			if got := differences(current(), wanted); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAScheduleKeepsItsStateAndItsPlaceAmongTheSlots(t *testing.T) {
	daily, hourly, no := "@daily", "@hourly", false
	stored := []store.Schedule{{Name: "s", Active: false, Spec: json.RawMessage(`{"name":"s","cron":"@daily"}`)}}
	tests := []struct {
		name              string
		spec              api.ScheduleSpec
		current           []store.Schedule
		active, continues bool
	}{
		{"a new schedule is active", api.ScheduleSpec{Cron: &daily}, nil, true, false},
		{"a new schedule can be inactive", api.ScheduleSpec{Cron: &daily, Active: &no}, nil, false, false},
		{"a paused schedule stays paused", api.ScheduleSpec{Cron: &daily}, stored, false, true},
		{"other values for its runs keep its place",
			api.ScheduleSpec{Cron: &daily, Parameters: json.RawMessage(`{"a":1}`)}, stored, false, true},
		{"other slots start anew", api.ScheduleSpec{Cron: &hourly}, stored, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := newSchedule("s", test.spec, test.current)
			if err != nil {
				t.Fatal(err)
			}
			if got.Active != test.active || got.Continues != test.continues {
				t.Errorf("got active %t, continues %t; want %t, %t", got.Active, got.Continues, test.active, test.continues)
			}
			var spec map[string]any
			if err := json.Unmarshal(got.Spec, &spec); err != nil {
				t.Fatal(err)
			}
			if _, ok := spec["active"]; ok || spec["name"] != "s" {
				t.Errorf("stored %s; want the name, and whether it is active apart from it", got.Spec)
			}
		})
	}
}
