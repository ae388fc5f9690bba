package berthfile_test

import (
	"strings"
	"testing"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
)

func TestValuesArriveAsTheyWereWrittenOrAreRefused(t *testing.T) {
	for _, c := range []struct{ name, yaml, want, refused string }{
		{"an environment keeps its text", "job_variables: {env: {PY: 3.10, MODE: 007, RATE: 1e3, ON: True, BIG: 123456789012345678901234567890}}",
			`"env":{"PY":"3.10","MODE":"007","RATE":"1e3","ON":"True","BIG":"123456789012345678901234567890"}`, ""},
		{"as a list", "job_variables: {env: [{name: PY, value: 3.10}]}", `[{"name":"PY","value":"3.10"}]`, ""},
		{"and with dotted keys", "job_variables: {env.PY: 3.10}", `"env.PY":"3.10"`, ""},
		{"of a schedule", "schedules: [{cron: '@daily', job_variables: {env: {PY: 3.10}}}]", `"PY":"3.10"`, ""},
		{"numbers that read as they are written", "job_variables: {a: 1, b: 2.5, c: 1.0, d: -3}", `"a":1,"b":2.5,"c":1.0,"d":-3`, ""},
		{"a version as a parameter", "parameters: {version: 1.10}", "", `deployments.d.parameters.version: 1.10 is the number 1.1: write that, or quote it to keep the text: "1.10"`},
		{"a number in octal", "parameters: {mode: 007}", "", "007 is the number 7"},
		{"an exponent", "job_variables: {rate: 1e3}", "", "1e3 is the number 1000.0"},
		{"deep inside", "parameters: {a: [{b: 0x1f}]}", "", "0x1f is the number 31"},
		{"underscores", "parameters: {a: 1_000}", "", "1_000 is the number 1000"},
		{"a number that its schema wants", "parameters: {rate: 1e3}\n  parameter_schema: {properties: {rate: {type: number}}}", `"rate":1e3`, ""},
		{"of a schedule's parameters", "schedules: [{cron: '@daily', parameters: {v: 3.10}}]", "", "deployments.d.schedules[0].parameters.v: 3.10 is the number 3.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "deployments:\n- name: d\n  pool: p\n  " + c.yaml + "\n"
			f, err := berthfile.Load("berth.yaml", berthfile.Source{Read: files(map[string]string{"berth.yaml": text})})
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) || !strings.HasPrefix(err.Error(), "berth.yaml:4:") {
					t.Errorf("got %v, want %s", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := f.Request(berthfile.Options{})
			if err != nil || !strings.Contains(string(body), c.want) {
				t.Errorf("got %s, %v, want %s", body, err, c.want)
			}
		})
	}
}

func TestAStoredVariableArrivesAsItWasWritten(t *testing.T) {
	_, err := berthfile.Load("berth.yaml", berthfile.Source{Read: files(map[string]string{"berth.yaml": "variables: {python: 3.10}\n"})})
	if err == nil || !strings.Contains(err.Error(), "variables.python: 3.10 is the number 3.1") {
		t.Errorf("got %v", err)
	}
}
