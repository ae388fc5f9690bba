package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

const frozenMode = `,"job_variables":{"image":"a:1","env.MODE":"safe"},"frozen":{"job_variables":["env.MODE"]}`

// Schedules give runs values too: at deploy they are held to what is frozen, in every form.
func TestASchedulesValuesAreHeldToWhatIsFrozen(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	for _, values := range []string{
		`{"env.MODE":"mine"}`, `{"env":{"MODE":"mine"}}`, `{"env":[{"name":"MODE","value":"mine"}]}`,
		`{"env":{"MODE":null}}`,
	} {
		r.apply(`{"deployments":[{"name":"etl","pool":"local"`+frozenMode+
			`,"schedules":[{"cron":"0 6 * * *","job_variables":`+values+`}]}]}`).
			refused(http.StatusUnprocessableEntity, "frozen")
	}
	r.deploy("etl", frozenMode+`,"schedules":[{"cron":"0 6 * * *","job_variables":{"env.OTHER":"1"}}]`)
	// Freezing what a schedule sets is refused as well, so that no slot fails at night.
	r.deploy("other", `,"job_variables":{"image":"a:1","env.MODE":"x"},`+
		`"schedules":[{"cron":"0 6 * * *","job_variables":{"env.MODE":"mine"}}]`)
	r.apply(`{"deployments":[{"name":"other","pool":"local"`+frozenMode+
		`,"schedules":[{"cron":"0 6 * * *","job_variables":{"env.MODE":"mine"}}]}]}`).
		refused(http.StatusUnprocessableEntity, "frozen")
}

func TestWhoThawsAValueIsInTheAudit(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	r.deploy("etl", frozenMode)
	deployer := r.makeKey("ada", api.RoleDeployer, "local")
	r.send(r.request(deployer, http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"etl","pool":"local","job_variables":{"image":"a:1","env.MODE":"safe"}}]}`)).
		is(http.StatusOK)
	audit := string(r.call(http.MethodGet, "/api/v1/audit?kind=deployment&limit=1", "").is(http.StatusOK).body)
	for _, want := range []string{`"actor":"ada"`, "frozen", "env.MODE"} {
		if !strings.Contains(audit, want) {
			t.Errorf("the audit has no %s: %s", want, audit)
		}
	}

	r.saveTemplate(`{"frozen":{"resources.cpu":1},`+strings.TrimPrefix(freeTemplate, "{"), "").is(http.StatusOK)
	editor := r.makeKey("bob", api.RoleEditor, "local")
	r.send(r.request(editor, http.MethodPut, templatePath, asSave(freeTemplate))).is(http.StatusOK)
	audit = string(r.call(http.MethodGet, "/api/v1/audit?kind=template&limit=1", "").is(http.StatusOK).body)
	if !strings.Contains(audit, `"actor":"bob"`) || !strings.Contains(audit, "resources.cpu") {
		t.Errorf("the audit does not say who thawed a value of the template, and which: %s", audit)
	}
	operator := r.makeKey("op", api.RoleOperator, "local")
	r.send(r.request(operator, http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"etl","pool":"local","job_variables":{"image":"b:1"}}]}`)).is(http.StatusForbidden)
}

// A run that takes a whole variable away keeps what is frozen in it.
func TestAVariableThatIsTakenAwayKeepsWhatIsFrozen(t *testing.T) {
	t.Parallel()
	r := withFreeTemplate(t)
	r.deploy("etl", frozenMode)
	for _, values := range []string{`{"env":null}`, `{"env":{}}`, `{"env":[]}`, `{"env":{"OTHER":"1"}}`} {
		answer := r.call(http.MethodPost, templatePath+"/preview", `{"deployment":"etl","job_variables":`+values+`}`).
			is(http.StatusOK)
		if !strings.Contains(string(answer.body), `{"name":"MODE","value":"safe"}`) {
			t.Errorf("%s: %s", values, answer.body)
		}
	}
}

// A retry that got more memory is held to memory that is frozen after, and to what else is frozen.
func TestARetryWithMoreMemoryIsHeldToWhatIsFrozenMeanwhile(t *testing.T) {
	t.Parallel()
	const hungry = `,"retries":{"oom":{"max":5,"variable":"memory","factor":1.5}},"job_variables":{"date":"2026-01-01","memory":%d}`
	for name, test := range map[string]struct{ frozen, run, holds string }{
		"the memory itself": {`["memory"]`, `{}`, `"memory":100`},
		"another value":     {`["date"]`, `{"memory":150}`, `"date":"2026-01-01"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := withTemplate(t)
			r.deploy("hungry", fmt.Sprintf(hungry, 100))
			r.startRun("hungry", `{}`)
			w := r.newWorker("w")
			claim := w.claimOne()
			w.begin(claim)
			w.runOutOfMemory(claim)
			r.deploy("hungry", fmt.Sprintf(hungry, 100)+`,"frozen":{"job_variables":`+test.frozen+`}`)

			claim = w.claimOne()
			if got := string(claim.RenderInput.Run); got != test.run || claim.Attempt != 2 {
				t.Errorf("attempt %d has %s, want attempt 2 with %s", claim.Attempt, got, test.run)
			}
			if got := string(claim.RenderInput.Frozen); !strings.Contains(got, test.holds) {
				t.Errorf("it is held to %s, want %s", got, test.holds)
			}
		})
	}
}
