package newrun_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/server/newrun"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// variables are stored variables in memory. It counts how often each is read.
type variables struct {
	values map[string]string
	reads  map[string]int
}

func (v *variables) GetVariable(_ context.Context, name string) (*store.Variable, error) {
	v.reads[name]++
	value, ok := v.values[name]
	if !ok {
		return nil, &store.Error{Code: store.NotFound, Message: "no such variable"}
	}
	return &store.Variable{Name: name, Value: json.RawMessage(value)}, nil
}

const template = `{"job_configuration":{"command":"{{ command }}","job_manifest":{"spec":{"template":{
	"metadata":{"annotations":{"day":"{{ ctx.run.parameters.day }}"}},
	"spec":{"containers":[{"name":"job","image":"{{ image }}","resources":{"limits":{"memory":"{{ memory }}"}}}]}}}}},
	"variables":{"properties":{"command":{"type":"string","enum":["true","date"],"default":"true"},
		"image":{"type":"string","default":"busybox:1.36"},"memory":{"type":"string"}}}}`

func newMaker(t *testing.T, d store.Deployment, stored *variables) *newrun.Maker {
	t.Helper()
	version := &store.TemplateVersion{ID: uuid.New(), Document: json.RawMessage(template)}
	compiled, err := catalog.New(templating.DefaultRegistry()).Compiled(t.Context(), version)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := newrun.Decode(&d)
	if err != nil {
		t.Fatal(err)
	}
	maker, err := newrun.NewMaker(decoded, compiled, newrun.NewStoredVariables(stored))
	if err != nil {
		t.Fatal(err)
	}
	maker.Enforce(newrun.Enforcement{Now: time.Now})
	return maker
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func TestMakeMergesParametersAndChecksValues(t *testing.T) {
	tests := []struct {
		name                  string
		deployment            store.Deployment
		parameters, variables string
		want                  string // the merged parameters
		wantCode              problem.Code
		wantPointer           string
	}{
		{name: "without values, the deployment's parameters are kept",
			deployment: store.Deployment{Parameters: raw(`{"b":1,"a":2.50}`)}, want: `{"a":2.50,"b":1}`},
		{name: "the run's parameters override the deployment's",
			deployment: store.Deployment{
				Parameters: raw(`{"a":1,"b":1}`),
			}, parameters: `{"b":2}`, want: `{"a":1,"b":2}`},
		{name: "a frozen parameter cannot be set",
			deployment: store.Deployment{Parameters: raw(`{"a":1}`), FrozenParameters: []string{"a"}},
			parameters: `{"a":2}`, wantCode: problem.Frozen, wantPointer: "/parameters/a"},
		{name: "a frozen parameter without a value cannot be set, not even to null",
			deployment: store.Deployment{FrozenParameters: []string{"a"}},
			parameters: `{"a":null}`, wantCode: problem.Frozen, wantPointer: "/parameters/a"},
		{name: "a frozen parameter can be repeated, however it is written",
			deployment: store.Deployment{
				Parameters: raw(`{"a":{"x":1,"y":2}}`), FrozenParameters: []string{"a"},
			},
			parameters: `{"a":{ "y": 2, "x": 1 }}`, want: `{"a":{"y":2,"x":1}}`},
		{name: "the merged parameters must match the schema",
			deployment: store.Deployment{
				Parameters: raw(`{"a":1}`), ParameterSchema: raw(`{"required":["b"]}`),
			},
			parameters: `{"c":1}`, wantCode: problem.ParametersInvalid, wantPointer: "/parameters"},
		{name: "the run completes what the schema requires",
			deployment: store.Deployment{
				Parameters: raw(`{"a":1}`), ParameterSchema: raw(`{"required":["a","b"]}`),
			},
			parameters: `{"b":1}`, want: `{"a":1,"b":1}`},
		{name: "parameters above the limit are refused",
			parameters: `{"a":"` + strings.Repeat("x", newrun.MaxParameters) + `"}`,
			wantCode:   problem.ParametersInvalid, wantPointer: "/parameters"},
		{name: "job variables must match the template",
			variables: `{"command":"rm"}`, wantCode: problem.VariablesInvalid, wantPointer: "/job_variables/command"},
		{name: "a frozen job variable cannot be set",
			deployment: store.Deployment{
				JobVariables: raw(`{"command":"date"}`), FrozenVariables: []string{"command"},
			},
			variables: `{"command":"true"}`, wantCode: problem.Frozen, wantPointer: "/job_variables/command"},
		{name: "a Job that its values make invalid is refused before there is a run",
			variables: `{"memory":"12x"}`, wantCode: problem.VariablesInvalid, wantPointer: "/job_variables/memory"},
		{name: "so is a Job whose image was taken away",
			deployment: store.Deployment{JobVariables: raw(`{"image":null}`)},
			wantCode:   problem.VariablesInvalid, wantPointer: "/job_variables/image"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			maker := newMaker(t, test.deployment, &variables{})
			run, _, err := maker.Make(t.Context(),
				api.RunCreate{Parameters: raw(test.parameters), JobVariables: raw(test.variables)})
			if test.wantCode == "" {
				if err != nil || string(run.Parameters) != test.want {
					t.Errorf("got %s, %v; want %s", run.Parameters, err, test.want)
				}
				return
			}
			var refusal *problem.Error
			if !errors.As(err, &refusal) || refusal.Code != test.wantCode ||
				refusal.Findings[0].Pointer != test.wantPointer {
				t.Errorf("got %#v, want %s at %s", err, test.wantCode, test.wantPointer)
			}
		})
	}
}

func TestARunIsRefusedForItsJobAlsoAfterOneThatWasGood(t *testing.T) {
	maker := newMaker(t, store.Deployment{JobVariables: raw(`{"memory":"{{ ctx.run.parameters.memory }}"}`)}, &variables{})
	for _, test := range []struct {
		parameters string
		ok         bool
	}{{`{"memory":"1Gi"}`, true}, {`{"memory":"1x"}`, false}, {`{}`, true}} {
		_, _, err := maker.Make(t.Context(), api.RunCreate{Parameters: raw(test.parameters)})
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", test.parameters, err)
		}
	}
}

func TestTheRunOfASlotHasTheDayOfItsTimeZone(t *testing.T) {
	zone, slot := "Europe/Berlin", time.Date(2026, 6, 30, 22, 30, 0, 0, time.UTC)
	maker := newMaker(t, store.Deployment{}, &variables{})
	run, _, err := maker.MakeScheduled(t.Context(), api.ScheduleSpec{Timezone: &zone}, &slot)
	if err != nil || run.Timezone != zone || !run.ScheduledTime.Equal(slot) {
		t.Errorf("got %q %s, %v", run.Timezone, run.ScheduledTime, err)
	}
}

func TestStoredVariablesAreReadOnceForAllRuns(t *testing.T) {
	stored := &variables{values: map[string]string{"command": `"date"`}, reads: map[string]int{}}
	maker := newMaker(t, store.Deployment{JobVariables: raw(`{"command":"{{ berth.variables.command }}"}`)},
		stored)
	for range 3 {
		run, _, err := maker.Make(t.Context(), api.RunCreate{})
		if err != nil || len(run.StoredNames) != 1 || run.StoredNames[0] != "command" {
			t.Fatalf("got %v, %v", run.StoredNames, err)
		}
	}
	if stored.reads["command"] != 1 {
		t.Errorf("read %d times", stored.reads["command"])
	}
}

func TestAMissingStoredVariableIsRefusedWhereItIsUsed(t *testing.T) {
	stored := &variables{reads: map[string]int{}}
	maker := newMaker(t, store.Deployment{}, stored)
	_, _, err := maker.Make(t.Context(),
		api.RunCreate{JobVariables: raw(`{"command":"{{ berth.variables.missing }}"}`)})
	var refusal *problem.Error
	if !errors.As(err, &refusal) || refusal.Findings[0].Pointer != "/job_variables/command" {
		t.Errorf("got %v", err)
	}
}
