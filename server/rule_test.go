package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

const rulesPath = "/api/v1/work-pools/local/rules"

// setRule creates a rule of the pool `local`.
func (r *running) setRule(name, body string) api.Rule {
	r.t.Helper()
	return read[api.Rule](r.call(http.MethodPut, rulesPath+"/"+name, body).is(http.StatusOK))
}

const noSunday = `{"expression":"job.metadata.labels['team'] != 'bad'","message":"team bad may not run"}`

func TestARuleRefusesRunsOnEveryWayToThem(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	r.setRule("no-bad-team", noSunday)
	values := `"parameters":{},"job_variables":{"date":"2026-01-01","team":"bad"}`

	refused := r.call(http.MethodPost, "/api/v1/deployments/small/runs", "{"+values+"}").
		refused(http.StatusUnprocessableEntity, "rule-denied", "")
	want := `rule "no-bad-team" of work pool "local" refuses this: team bad may not run`
	if refused.Detail == nil || *refused.Detail != want {
		t.Errorf("got %+v", refused)
	}
	r.call(http.MethodPost, "/api/v1/deployments/small/runs/bulk", `{"runs":[{`+values+`}]}`).
		refused(http.StatusUnprocessableEntity, "rule-denied", "/runs/0")
	r.startRun("small", `{"job_variables":{"date":"2026-01-01"}}`)

	metrics := string(r.call(http.MethodGet, "/metrics", "").is(http.StatusOK).body)
	if !strings.Contains(metrics, `berth_rule_denials_total{pool="local",rule="no-bad-team"} 2`) {
		t.Error("the denials are not counted")
	}
}

func TestPreviewAndLintSayWhatRulesRefuse(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	r.setRule("memory-limit", `{"from":"memory-limit","params":{"max":"150Mi"}}`)
	r.setRule("named", `{"expression":"run.name == 'x'","message":"name it x","action":"warn"}`)
	preview := func(body string) api.TemplatePreview {
		return read[api.TemplatePreview](r.call(http.MethodPost, templatePath+"/preview", body).is(http.StatusOK))
	}
	shown := preview(`{"deployment":"big","job_variables":{"date":"x"}}`)
	if len(shown.Errors) != 1 || !strings.Contains(shown.Errors[0].Message, "at most 150Mi") || shown.Job == nil ||
		len(shown.Warnings) != 1 || !strings.Contains(shown.Warnings[0].Message, "name it x") {
		t.Errorf("got %+v, %+v", shown.Errors, shown.Warnings)
	}
	if shown = preview(`{"deployment":"dated"}`); len(shown.Errors) != 0 {
		t.Errorf("got %+v", shown.Errors)
	}
	// With invented values it is a warning: a run gives others.
	if shown = preview(`{"deployment":"big"}`); len(shown.Errors) != 0 || len(shown.Warnings) != 2 {
		t.Errorf("got %+v, %+v", shown.Errors, shown.Warnings)
	}
	report := read[api.LintReport](r.call(http.MethodPost, templatePath+"/lint",
		aTemplate(256, "512Mi")).is(http.StatusOK))
	if !slices.ContainsFunc(report.Warnings, func(f api.Finding) bool {
		return strings.Contains(f.Message, `rule "memory-limit" of work pool "local"`)
	}) {
		t.Errorf("got %+v", report.Warnings)
	}
}

func TestATemplateThatARuleRefusesBreaksDeployments(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	r.setRule("memory-limit", `{"from":"memory-limit","params":{"max":"250Mi"}}`)
	impact := read[api.TemplateImpact](r.call(http.MethodPost, templatePath+"/impact",
		`{"document":`+aTemplate(256, "512Mi")+`}`).is(http.StatusOK))
	for _, item := range impact.Items {
		if item.Deployment == "dated" && (item.Verdict != api.Broken || item.BrokenBefore ||
			!strings.Contains(item.Errors[0].Message, "at most 250Mi")) {
			t.Errorf("got %+v", item)
		}
	}
	r.saveTemplate(aTemplate(256, "512Mi"), "?require_unbroken=true").
		refused(http.StatusConflict, "template-breaks-deployments")
}

func TestATestOfARuleShowsWhatItWouldRefuse(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	w := r.newWorker("w")
	run := r.startRun("dated", `{}`)
	claim := w.claimOne()
	w.begin(claim)
	try := func(body string) api.RuleTest {
		return read[api.RuleTest](r.call(http.MethodPost, rulesPath+"/test", body).is(http.StatusOK))
	}
	tried := try(`{"rule":{"from":"memory-limit","params":{"max":"150Mi"}}}`)
	if s := tried.Summary; s.Deployments != 3 || s.RefusedDeployments != 1 || s.Runs != 1 {
		t.Errorf("got %+v", tried)
	}
	tried = try(`{"rule":{"expression":"caller.kind == 'schedule'","message":"no"}}`)
	if s := tried.Summary; s.RefusedDeployments != 3 || s.RefusedRuns != 1 || *tried.Items[3].RunID != run.ID {
		t.Errorf("got %+v", tried)
	}
	tried = try(`{"rule":{"from":"memory-limit"},"deployment":"big"}`)
	if len(tried.Items) != 1 || tried.Items[0].Verdict != api.RuleVerdictPass {
		t.Errorf("got %+v", tried)
	}
	tried = try(`{"rule":{"from":"no-host-path"},"job":{"spec":{"template":{"spec":{"volumes":[{"name":"x","hostPath":{}}]}}}}}`)
	if len(tried.Items) != 1 || tried.Items[0].Verdict != api.RuleVerdictDeny {
		t.Errorf("got %+v", tried)
	}
	if rules := read[api.RuleList](r.call(http.MethodGet, rulesPath, "").is(http.StatusOK)); len(rules.Items) != 0 {
		t.Errorf("the tests saved %+v", rules)
	}
}

func TestARuleThatDoesNotCompileIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	r := start(t)
	refused := r.call(http.MethodPut, rulesPath+"/x",
		`{"expression":"true &&\n  job.spec.tempalte.x","message":"no"}`).
		refused(http.StatusUnprocessableEntity, "rule-invalid", "/expression")
	f := (*refused.Errors)[0]
	if f.Line == nil || *f.Line != 2 || *f.Column != 11 || *f.Suggestion != `did you mean "template"?` ||
		!strings.Contains(*refused.Detail, "\n          ^") {
		t.Errorf("got %+v, %s", f, *refused.Detail)
	}
	r.call(http.MethodPost, rulesPath+"/test", `{"rule":{"expression":"1","message":"no"}}`).
		refused(http.StatusUnprocessableEntity, "rule-invalid", "/rule/expression")
}

func TestThePoolsEditorCannotWeakenARuleOfTheInstallation(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	r.call(http.MethodPut, "/api/v1/rules/teams", noSunday).is(http.StatusOK)
	editor := r.makeKey("e", api.RoleEditor, "local")
	call := func(method, path, body string) answer { return r.send(r.request(editor, method, path, body)) }

	call(http.MethodPut, "/api/v1/rules/teams", `{"expression":"true","message":"x"}`).is(http.StatusForbidden)
	call(http.MethodDelete, "/api/v1/rules/teams", "").is(http.StatusForbidden)
	call(http.MethodDelete, rulesPath+"/teams", "").is(http.StatusNotFound)
	call(http.MethodPut, "/api/v1/work-pools/other/rules/x", noSunday).is(http.StatusForbidden)
	// A rule of the same name in the pool comes beside it.
	call(http.MethodPut, rulesPath+"/teams", `{"expression":"true","message":"x"}`).is(http.StatusOK)
	call(http.MethodPost, "/api/v1/deployments/dated/runs", `{"job_variables":{"team":"bad"}}`).
		refused(http.StatusUnprocessableEntity, "rule-denied", "")
	operator := r.makeKey("o", api.RoleOperator, "local")
	r.send(r.request(operator, http.MethodPut, rulesPath+"/x", noSunday)).is(http.StatusForbidden)

	rules := read[api.RuleList](call(http.MethodGet, rulesPath, "").is(http.StatusOK)).Items
	if len(rules) != 2 || rules[0].Pool != nil || rules[1].Pool == nil {
		t.Errorf("got %+v", rules)
	}
}

func TestAClaimNamesTheRulesThatCountNow(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	w := r.newWorker("w")
	r.startRun("dated", `{}`)
	r.setRule("teams", noSunday)
	claim := w.claimOne()
	if claim.Rules == nil || len(claim.Rules.Sets) != 1 || claim.Rules.Caller.Name != "bootstrap-admin" ||
		claim.Rules.Caller.Kind != "api-key" || claim.Rules.Caller.Role != "admin" {
		t.Fatalf("got %+v", claim.Rules)
	}
	set := read[api.RuleSet](r.send(r.request(r.worker, http.MethodGet,
		"/api/v1/worker/rule-sets/"+claim.Rules.Sets[0].String(), "")).is(http.StatusOK))
	if len(set.Rules) != 1 || set.Rules[0].Name != "teams" || *set.Pool != "local" {
		t.Errorf("got %+v", set)
	}
	r.startRun("dated", `{}`)
	r.call(http.MethodDelete, rulesPath+"/teams", "").is(http.StatusOK)
	if claim = w.claimOne(); claim.Rules != nil {
		t.Errorf("without rules, the claim has %+v", claim.Rules)
	}
}

func TestADeployIsHeldToTheRulesOfItsFile(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.saveTemplate(aTemplate(256, "{{ memory }}Mi"), "").is(http.StatusOK)
	file := func(limit, memory string) string {
		return `{"rules":[{"name":"hosts","from":"no-host-path"}],"pools":[{"name":"local","rules":[
			{"name":"memory","from":"memory-limit","params":{"max":"` + limit + `"}},
			{"name":"dated","expression":"run.parameters.?x.hasValue()","message":"give x","action":"warn"}]}],
			"deployments":[{"name":"a","pool":"local","job_variables":{"date":"x","memory":` + memory + `}},
				{"name":"open","pool":"local","job_variables":{"memory":` + memory + `}}]}`
	}
	refused := r.apply(file("150Mi", "200")).refused(http.StatusUnprocessableEntity, "rule-denied", "/deployments/0")
	if len(*refused.Errors) != 1 || !strings.Contains((*refused.Errors)[0].Message, "at most 150Mi") {
		t.Errorf("got %+v", *refused.Errors)
	}
	if rules := read[api.RuleList](r.call(http.MethodGet, rulesPath, "").is(http.StatusOK)); len(rules.Items) != 0 {
		t.Errorf("a refused file saved %+v", rules.Items)
	}

	result := r.applies(file("150Mi", "100"), "create rule hosts", "unchanged pool local", "create rule local/memory",
		"create rule local/dated", "create deployment a", "create deployment open")
	if !slices.ContainsFunc(result.Warnings, func(f api.Finding) bool {
		return f.Pointer == "/deployments/0" && strings.Contains(f.Message, "give x")
	}) {
		t.Errorf("got %+v", result.Warnings)
	}
	r.applies(file("140Mi", "100"), "unchanged rule hosts", "unchanged pool local", "update rule local/memory params",
		"unchanged rule local/dated", "unchanged deployment a", "unchanged deployment open")
	r.apply(`{"pools":[{"name":"local","rules":[{"name":"x","expression":"jbo","message":"m"}]}]}`).
		refused(http.StatusUnprocessableEntity, "rule-invalid", "/pools/0/rules/0/expression")

	editor := r.makeKey("e", api.RoleEditor, "local")
	apply := func(body string) answer {
		return r.send(r.request(editor, http.MethodPost, "/api/v1/apply", body))
	}
	apply(`{"rules":[{"name":"hosts","expression":"true","message":"m"}]}`).is(http.StatusForbidden)
	apply(`{"pools":[{"name":"local","rules":[{"name":"mine","expression":"true","message":"m"}]}]}`).is(http.StatusOK)
	deployer := r.makeKey("d", api.RoleDeployer, "local")
	r.send(r.request(deployer, http.MethodPost, "/api/v1/apply",
		`{"pools":[{"name":"local","rules":[{"name":"mine","expression":"1 == 1","message":"m"}]}]}`)).
		is(http.StatusForbidden)

	r.applies(`{"project":"p","prune":true,"pools":[{"name":"local","rules":[{"name":"memory","from":"memory-limit"}]}]}`,
		"update pool local project", "update rule local/memory params", "delete rule local/dated", "delete rule local/mine")
}
