package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store/storetest"
)

// placedTemplate leaves namespace and ServiceAccount to job variables, and else to the worker.
const placedTemplate = `{"variables":{"type":"object","properties":{"namespace":{"type":"string"},
		"account":{"type":"string"},"env":{"type":"object"}}},
	"job_configuration":{"env":"{{ env }}","namespace":"{{ namespace }}","job_manifest":{"apiVersion":"batch/v1",
		"kind":"Job","spec":{"template":{"spec":{"serviceAccountName":"{{ account }}",
		"containers":[{"name":"job","image":"busybox:1.36"}]}}}}}}`

const inJobs = `{"expression":"job.metadata.namespace == 'jobs'","message":"jobs go to jobs"}`

func withPlaces(t *testing.T) *running {
	t.Helper()
	r := start(t)
	r.saveTemplate(placedTemplate, "").is(http.StatusOK)
	r.deploy("etl", "")
	return r
}

func (r *running) allow(references string) {
	r.t.Helper()
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"references":`+references+`}`).is(http.StatusOK)
}

// greets tells the server of a worker that puts Jobs into a namespace.
func (r *running) greets(namespace string) {
	r.t.Helper()
	tell[api.WorkerWelcome](r, "hello", api.WorkerHello{
		Protocol: 1, Pool: "local", Worker: "in-" + namespace, Type: api.Process, ClusterID: "here", Version: "test",
		DefaultNamespace: &namespace, SessionID: storetest.SessionOf("local", "in-"+namespace).ID,
	})
}

func TestARuleAboutWhatTheWorkerFillsInIsLeftToTheWorker(t *testing.T) {
	t.Parallel()
	r := withPlaces(t)
	r.allow(`{"namespaces":["jobs","other"],"service_accounts":["etl","root"]}`)
	r.setRule("in-jobs", inJobs)
	r.setRule("as-etl", `{"from":"service-accounts-allowed","params":{"service_accounts":["etl"]}}`)
	const runs = "/api/v1/deployments/etl/runs"

	r.startRun("etl", `{}`) // neither is known
	r.startRun("etl", `{"job_variables":{"namespace":"jobs","account":"etl"}}`)
	for _, body := range []string{
		`{"job_variables":{"namespace":"other"}}`,
		`{"job_variables":{"account":"root"}}`,
		`{"job_variables":{"namespace":"jobs","account":"root"}}`,
	} {
		r.call(http.MethodPost, runs, body).refused(http.StatusUnprocessableEntity, "rule-denied", "")
	}

	shown := read[api.TemplatePreview](r.call(http.MethodPost, templatePath+"/preview",
		`{"deployment":"etl"}`).is(http.StatusOK))
	report := read[api.LintReport](r.call(http.MethodPost, templatePath+"/lint", placedTemplate).is(http.StatusOK))
	for where, list := range map[string][]api.Finding{"preview": shown.Warnings, "lint": report.Warnings} {
		if len(shown.Errors) != 0 || !slices.ContainsFunc(list, func(f api.Finding) bool {
			return f.Message == `rule "in-jobs" of work pool "local" is decided by the worker: `+
				`it depends on the worker: namespace` && *f.Code == "rule-undecided"
		}) {
			t.Errorf("%s: %+v, %+v", where, shown.Errors, list)
		}
	}
	tried := read[api.RuleTest](r.call(http.MethodPost, rulesPath+"/test", `{"rule":`+inJobs+`}`).is(http.StatusOK))
	if s := tried.Summary; s.Deployments != 1 || s.RefusedDeployments != 0 || s.Unknown != 1 ||
		*tried.Items[0].Message != "it depends on the worker: namespace" {
		t.Errorf("got %+v", tried)
	}
}

func TestARuleThatDoesNotNeedTheJobDeniesWhereNoneCanBeMade(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.saveTemplate(`{"template_env":["STAGE"],"job_configuration":{"job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{
		"spec":{"containers":[{"name":"job","image":"{{ $STAGE }}"}]}}}}}}`, "").is(http.StatusOK)
	r.deploy("etl", "")
	r.setRule("named", `{"expression":"has(pod.hostNetwork)","message":"no"}`)
	answer := string(r.call(http.MethodPost, "/api/v1/deployments/etl/runs", `{}`).is(http.StatusCreated).body)
	if !strings.Contains(answer, "checked by its worker only") {
		t.Errorf("got %s", answer)
	}
	r.setRule("named", `{"expression":"run.name.startsWith('etl-') && has(pod.hostNetwork)","message":"no"}`)
	r.call(http.MethodPost, "/api/v1/deployments/etl/runs", `{}`).
		refused(http.StatusUnprocessableEntity, "rule-denied", "")
	r.call(http.MethodPost, "/api/v1/deployments/etl/runs", `{"name":"etl-1"}`).is(http.StatusCreated)
}

func TestRulesSeeTheNameTagsAndAttemptThatTheRunWillHave(t *testing.T) {
	t.Parallel()
	r := withPlaces(t)
	r.deploy("tagged", `,"tags":["nightly"]`)
	w := r.newWorker("w")
	run := w.failedRun("tagged", `{"tags":["nightly","mine"]}`)
	r.setRule("known", `{"expression":"run.name == '`+run.Name+`' && run.id == '`+run.ID.String()+
		`' && run.tags == ['nightly','mine'] && run.attempt == 2 && job.metadata.labels['berth.dev/run-id'] == run.id",`+
		`"message":"no"}`)
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/retry", "").is(http.StatusOK)
	r.setRule("known", `{"expression":"run.name != 'sample' && run.attempt == 1 && run.tags == ['nightly']",
		"message":"no"}`)
	r.startRun("tagged", `{"tags":["nightly"]}`)
}

func TestARetryIsHeldToTheRulesOfNow(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	w := r.newWorker("w")
	run := w.failedRun("dated", `{"job_variables":{"team":"bad"}}`)
	good := w.failedRun("dated", `{}`)
	r.setRule("teams", noSunday)
	refused := r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/retry", "").
		refused(http.StatusUnprocessableEntity, "rule-denied")
	if !strings.Contains(*refused.Detail, "cannot be retried with its values") ||
		!strings.Contains(*refused.Detail, "team bad may not run") {
		t.Error(*refused.Detail)
	}
	bulk := read[api.RunBulkResult](r.call(http.MethodPost, "/api/v1/runs/retry",
		`{"filter":{"deployment":"dated"}}`).is(http.StatusOK))
	if len(bulk.Done) != 1 || bulk.Done[0].ID != good.ID || len(bulk.Refused) != 1 ||
		bulk.Refused[0].Code != "rule-denied" {
		t.Errorf("got %+v", bulk)
	}
}

func TestWhatRulesSaidIsShownWithTheRun(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	r.setRule("named", `{"expression":"run.name == 'x'","message":"name it x","action":"warn"}`)
	run := r.startRun("dated", `{}`)
	path := "/api/v1/runs/" + run.ID.String()
	detail := func() api.RunDetail { return read[api.RunDetail](r.call(http.MethodGet, path, "").is(http.StatusOK)) }
	pool := "local"
	want := api.RunRuleFinding{Attempt: 0, Rule: "named", Pool: &pool, Action: api.RuleWarn, Message: "name it x"}
	if got := detail().RuleFindings; got == nil || len(*got) != 1 || (*got)[0].Message != want.Message ||
		(*got)[0].Attempt != 0 || (*got)[0].Rule != "named" || *(*got)[0].Pool != "local" {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	const sentence = `rule "named" of work pool "local" warns: name it x`
	if why := r.why(run.ID); !slices.Contains(why.Details, sentence) {
		t.Errorf("got %q", why.Details)
	}

	w := r.newWorker("w")
	claim := w.claimOne()
	message := `the Job is refused: rule "net" of the installation refuses this: no`
	w.see(claim, api.ReportKindEnded, func(report *api.Report) {
		category, failed := api.CategoryInvalid, false
		report.Category, report.Succeeded, report.Message = &category, &failed, &message
		report.RuleFindings = &[]api.RuleFinding{
			{Rule: "net", Action: api.RuleDeny, Message: "no"},
			{Rule: "named", Pool: &pool, Action: api.RuleWarn, Message: "name it x"},
		}
	})
	ended := detail()
	if got := *ended.RuleFindings; len(got) != 3 || got[1].Attempt != 1 || got[1].Rule != "net" ||
		got[1].Action != api.RuleDeny || got[1].Pool != nil || *ended.Run.State.Message != message {
		t.Errorf("got %+v, state %+v", got, ended.Run.State)
	}
	why := r.why(run.ID)
	if !strings.Contains(why.Sentence, `rule "net"`) || !slices.Contains(why.Details, sentence) {
		t.Errorf("got %+v", why)
	}
}

func TestTheNamespaceOfAJobVariableIsJudgedWhenTheRunIsCreated(t *testing.T) {
	t.Parallel()
	r := withPlaces(t)
	const runs = "/api/v1/deployments/etl/runs"
	names := func(namespace string) string { return `{"job_variables":{"namespace":"` + namespace + `"}}` }

	r.call(http.MethodPost, runs, names("elsewhere")).is(http.StatusCreated) // no worker has said where it is
	r.greets("jobs")
	refused := r.call(http.MethodPost, runs, names("elsewhere")).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables")
	const want = `namespace "elsewhere" comes from a job variable, and work pool "local" does not allow it`
	if f := (*refused.Errors)[0]; f.Message != want || f.Suggestion == nil ||
		!strings.Contains(*f.Suggestion, "--job-namespace elsewhere") {
		t.Errorf("got %+v", f)
	}
	shown := read[api.TemplatePreview](r.call(http.MethodPost, templatePath+"/preview",
		names("elsewhere")).is(http.StatusOK))
	if len(shown.Errors) != 1 || shown.Errors[0].Message != want {
		t.Errorf("got %+v", shown.Errors)
	}
	r.call(http.MethodPost, runs, names("jobs")).is(http.StatusCreated)
	r.greets("more")
	r.call(http.MethodPost, runs, names("more")).is(http.StatusCreated)
	r.allow(`{"namespaces":["elsewhere"]}`)
	r.call(http.MethodPost, runs, names("elsewhere")).is(http.StatusCreated)
	r.call(http.MethodPost, runs, names("default")).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables")
	refused = r.call(http.MethodPost, runs, `{"job_variables":{"account":"root"}}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/job_variables")
	if f := (*refused.Errors)[0]; !strings.Contains(f.Message, `ServiceAccount "root" comes from a job variable`) {
		t.Errorf("got %+v", f)
	}
}

func TestReferencesOfADeploymentAreJudgedAtDeployAndAtEachRun(t *testing.T) {
	t.Parallel()
	r := withPlaces(t)
	const values = `"job_variables":{"env":{"X":{"valueFrom":{"secretKeyRef":{"name":"db","key":"url"}}}}}`
	file := func(name, more string) string {
		return `{"deployments":[{"name":"` + name + `","pool":"local",` + values + more + `}]}`
	}
	refused := r.apply(file("db", "")).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/deployments/0/job_variables")
	if f := (*refused.Errors)[0]; !strings.Contains(f.Message, `Secret "db" (key "url")`) &&
		!strings.Contains(f.Message, "comes from a job variable") {
		t.Errorf("got %+v", f)
	}
	r.apply(`{"deployments":[{"name":"etl","pool":"local","schedules":[{"cron":"0 6 * * *",`+values+`}]}]}`).
		refused(http.StatusUnprocessableEntity, "variables-invalid", "/deployments/0/schedules/0/job_variables")

	r.allow(`{"secrets":[{"name":"db"}]}`)
	r.apply(file("db", "")).is(http.StatusOK)
	w := r.newWorker("w")
	run := w.failedRun("db", `{}`)
	r.allow(`{}`)
	for path, body := range map[string]string{
		"/api/v1/deployments/db/runs": `{}`, "/api/v1/deployments/db/runs/bulk": `{"runs":[{},{}]}`,
		"/api/v1/runs/" + run.ID.String() + "/retry": "",
	} {
		r.call(http.MethodPost, path, body).refused(http.StatusUnprocessableEntity, "variables-invalid")
	}
	// A run without values, of a deployment whose values are good, is created.
	r.startRun("etl", `{}`)
}

func TestAViewerCannotMakeTheServerComputeForLong(t *testing.T) {
	t.Parallel()
	r := withTemplate(t)
	viewer := r.makeKey("v", api.RoleViewer, "local")
	shared := "[1]" + strings.Repeat(".map(x,[x,x,x,x,x,x,x,x])", 13)
	for expression, code := range map[string]int{
		shared + " == " + shared:                   http.StatusUnprocessableEntity,
		shared + ".flatten(9).size() > 0":          http.StatusUnprocessableEntity,
		`quantity('1e999999999999') > 1.0`:         http.StatusOK,
		`job.kind == 'Job' || ` + shared + ` == 1`: http.StatusUnprocessableEntity,
	} {
		r.send(r.request(viewer, http.MethodPost, rulesPath+"/test",
			`{"name":"t","job":{},"rule":{"message":"no","expression":"`+expression+`"}}`)).is(code)
	}
}
