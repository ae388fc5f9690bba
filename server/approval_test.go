package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
)

// governed is a server whose pool `local` requires approvals, and the keys of its people. The admin has made
// them all.
type governed struct {
	*running
	ci    string // deployer in local
	dev   string // editor in local
	ada   string // editor in local, who reviews
	low   string // deployer in local, too low to review
	boss  string // admin of local
	other string // editor of another pool
}

const localPool = "/api/v1/work-pools/local"

func newGoverned(r *running, policy string) governed {
	r.t.Helper()
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"other","type":"process"}`).is(http.StatusCreated)
	g := governed{
		running: r, ci: r.makeKey("ci", api.RoleDeployer, "local"), dev: r.makeKey("dev", api.RoleEditor, "local"),
		ada: r.makeKey("ada", api.RoleEditor, "local"), low: r.makeKey("low", api.RoleDeployer, "local"),
		boss: r.makeKey("boss", api.RoleAdmin, "local"), other: r.makeKey("other", api.RoleEditor, "other"),
	}
	g.as(g.dev, http.MethodPatch, localPool, `{"approvals":`+policy+`}`).is(http.StatusOK)
	return g
}

func (g governed) as(key, method, path, body string) answer {
	g.t.Helper()
	return g.send(g.request(key, method, path, body))
}

// deploys sends a file with one deployment as a user.
func (g governed) deploys(key, version string) answer {
	g.t.Helper()
	return g.as(key, http.MethodPost, "/api/v1/apply", aDeployment(version))
}

func aDeployment(version string) string {
	return `{"deployments":[{"name":"etl","pool":"local","version":"` + version + `","job_variables":{"env":{"A":"b"}},` +
		`"schedules":[{"name":"nightly","cron":"@daily"}]}]}`
}

// needs checks that a change waits for one approval, and returns it.
func (g governed) needs(a answer) api.ApprovalNeed {
	g.t.Helper()
	refusal := a.refused(http.StatusConflict, "approval-required")
	if refusal.Approvals == nil || len(*refusal.Approvals) != 1 || (*refusal.Approvals)[0].ID == nil {
		g.t.Fatalf("%s: want one request: %s", a.what, a.body)
	}
	need := (*refusal.Approvals)[0]
	if refusal.Detail == nil || !strings.Contains(*refusal.Detail, "berth approve "+need.ID.String()) {
		g.t.Errorf("%s: the answer does not say what to do: %s", a.what, a.body)
	}
	return need
}

func (g governed) approves(key string, need api.ApprovalNeed) answer {
	g.t.Helper()
	return g.as(key, http.MethodPost, "/api/v1/approvals/"+need.ID.String()+"/approve",
		`{"fingerprint":"`+need.Fingerprint+`"}`)
}

func (g governed) look(need api.ApprovalNeed) api.Approval {
	g.t.Helper()
	return read[api.Approval](g.call(http.MethodGet, "/api/v1/approvals/"+need.ID.String(), "").is(http.StatusOK))
}

// audited lists who did what with a request, the newest first.
func (g governed) audited(need api.ApprovalNeed) []string {
	g.t.Helper()
	entries := read[api.AuditList](g.call(http.MethodGet, "/api/v1/audit?kind=approval&name="+need.ID.String(),
		"").is(http.StatusOK)).Items
	var list []string
	for _, e := range entries {
		if !slices.ContainsFunc(e.Changes, func(c api.AuditChange) bool {
			return c.Field == "fingerprint" && string(c.After) == `"`+need.Fingerprint+`"`
		}) {
			g.t.Errorf("the entry %s has no fingerprint: %+v", e.Action, e.Changes)
		}
		list = append(list, e.Actor+" "+string(e.Action))
	}
	return list
}

const allApprovals = `{"require":["templates","rules","deploys"],"approver":"editor"}`

func TestADeployWaitsForTheApprovalOfAnotherPerson(t *testing.T) {
	onBoth(t, func(t *testing.T, servers []*running) {
		g := newGoverned(servers[0], `{"require":["deploys"],"approver":"editor","lifetime_seconds":3600}`)
		need := g.needs(g.deploys(g.ci, "1"))
		g.call(http.MethodGet, "/api/v1/deployments/etl", "").refused(http.StatusNotFound, "not-found")
		if again := g.needs(g.deploys(g.ci, "1")); *again.ID != *need.ID {
			t.Error("asking again made another request")
		}
		if pool := read[api.WorkPool](g.call(http.MethodGet, localPool, "")); pool.OpenApprovals == nil ||
			*pool.OpenApprovals != 1 {
			t.Errorf("the pool shows %v open requests", pool.OpenApprovals)
		}

		shown := g.look(need)
		if shown.State != api.ApprovalOpen || shown.AskedBy != "ci" || len(shown.Items) != 1 ||
			shown.Items[0].Action != api.Create || !strings.Contains(*shown.Items[0].Text, "+version: \"1\"") {
			t.Errorf("the reviewer sees %+v", shown)
		}
		plan := read[api.ApplyResult](g.as(g.ci, http.MethodPost, "/api/v1/apply",
			strings.Replace(aDeployment("1"), "{", `{"dry_run":true,`, 1)).is(http.StatusOK))
		if plan.Approvals == nil || *(*plan.Approvals)[0].ID != *need.ID || *(*plan.Approvals)[0].State != api.ApprovalOpen {
			t.Errorf("the plan says %+v", plan.Approvals)
		}

		g.approves(g.ada, need).is(http.StatusOK)
		// Whoever may deploy can carry out what was approved, on any server.
		servers[len(servers)-1].send(servers[len(servers)-1].request(g.low, http.MethodPost, "/api/v1/apply",
			aDeployment("1"))).is(http.StatusOK)
		if d := read[api.Deployment](g.call(http.MethodGet, "/api/v1/deployments/etl", "")); d.Version != "1" {
			t.Errorf("the deployment is %+v", d)
		}
		if used := g.look(need); used.State != api.ApprovalUsed || *used.UsedBy != "low" || *used.DecidedBy != "ada" {
			t.Errorf("the request is %+v", used)
		}
		if got := g.audited(need); !slices.Equal(got, []string{"low use", "ada approve", "ci request"}) {
			t.Errorf("the audit has %q", got)
		}
	})
}

func TestAnApprovalIsUsedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, servers []*running) {
		g := newGoverned(servers[0], allApprovals)
		need := g.needs(g.deploys(g.ci, "1"))
		g.approves(g.ada, need).is(http.StatusOK)
		var deployers sync.WaitGroup
		for i := range 6 {
			deployers.Go(func() {
				r := servers[i%len(servers)]
				if a := r.send(r.request(g.ci, http.MethodPost, "/api/v1/apply", aDeployment("1"))); a.status != http.StatusOK {
					t.Errorf("%d %s", a.status, a.body) // it was approved, or is in place by now
				}
			})
		}
		deployers.Wait()
		if got := g.audited(need); !slices.Equal(got, []string{"ci use", "ada approve", "ci request"}) {
			t.Errorf("the audit has %q", got)
		}
		// The same plan fits once more: it is another change, which is not approved.
		g.as(g.boss, http.MethodDelete, "/api/v1/deployments/etl?break_glass=start+over", "").is(http.StatusOK)
		if replayed := g.needs(g.deploys(g.ci, "1")); *replayed.ID == *need.ID || replayed.Fingerprint != need.Fingerprint {
			t.Errorf("the replay is %+v, the first was %+v", replayed, need)
		}
		g.approves(g.ada, need).refused(http.StatusConflict, "conflict")
	})
}

func TestOnlyAnotherPersonWithTheRoleInThePoolApproves(t *testing.T) {
	t.Parallel()
	g := newGoverned(start(t), allApprovals)
	helper := read[api.APIKeyCreated](g.as(g.boss, http.MethodPost, "/api/v1/api-keys", encode(t, api.APIKeyCreate{
		Name: "helper", Bindings: []api.Binding{{Role: api.RoleEditor, Pool: "local"}}})).is(http.StatusCreated)).Secret
	grandchild := func() string {
		admin := read[api.APIKeyCreated](g.as(g.boss, http.MethodPost, "/api/v1/api-keys", encode(t, api.APIKeyCreate{
			Name: "helping-admin", Bindings: []api.Binding{{Role: api.RoleAdmin, Pool: "local"}}})).is(http.StatusCreated)).Secret
		return read[api.APIKeyCreated](g.as(admin, http.MethodPost, "/api/v1/api-keys", encode(t, api.APIKeyCreate{
			Name: "grandchild", Bindings: []api.Binding{{Role: api.RoleEditor, Pool: "local"}}})).is(http.StatusCreated)).Secret
	}()
	byDev, byBoss := g.needs(g.deploys(g.dev, "1")), g.needs(g.deploys(g.boss, "2"))
	viewer := g.makeKey("looks", api.RoleViewer, "local")
	for name, test := range map[string]struct {
		key    string
		need   api.ApprovalNeed
		status int
		code   string
	}{
		"who asked":                            {g.dev, byDev, 403, "forbidden"},
		"a role that is too low":               {g.low, byDev, 403, "forbidden"},
		"a viewer":                             {viewer, byDev, 403, "forbidden"},
		"an editor of another pool":            {g.other, byDev, 404, "not-found"},
		"who made the key that asked":          {g.admin, byDev, 403, "forbidden"},
		"a key that the asker made":            {helper, byBoss, 403, "forbidden"},
		"a key that a key of the asker made":   {grandchild, byBoss, 403, "forbidden"},
		"a worker":                             {g.worker, byDev, 403, "forbidden"},
		"who made the key that made the asker": {g.admin, byBoss, 403, "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.approves(test.key, test.need)
			if a.status != test.status || read[api.Problem](a).Code != test.code {
				t.Errorf("%d %s", a.status, a.body)
			}
			if seen := g.look(test.need); seen.State != api.ApprovalOpen {
				t.Errorf("it is %s", seen.State)
			}
		})
	}

	mine := read[api.Approval](g.as(g.dev, http.MethodGet, "/api/v1/approvals/"+byDev.ID.String(), "").is(http.StatusOK))
	if mine.MayApprove || mine.MayReject || !mine.MayWithdraw || mine.MayNot == nil {
		t.Errorf("the asker sees %+v", mine)
	}
	wrong := byDev
	wrong.Fingerprint = byBoss.Fingerprint
	g.approves(g.ada, wrong).refused(http.StatusConflict, "plan-changed")
	g.approves(g.ada, byDev).is(http.StatusOK)
	g.approves(g.boss, byDev).refused(http.StatusConflict, "conflict")
}

func TestARequestIsRejectedOrWithdrawn(t *testing.T) {
	t.Parallel()
	g := newGoverned(start(t), allApprovals)
	decide := func(key, verb string, need api.ApprovalNeed) answer {
		return g.as(key, http.MethodPost, "/api/v1/approvals/"+need.ID.String()+"/"+verb, `{"reason":"not today"}`)
	}
	first := g.needs(g.deploys(g.ci, "1"))
	decide(g.ci, "reject", first).refused(http.StatusForbidden, "forbidden")
	decide(g.low, "reject", first).refused(http.StatusForbidden, "forbidden")
	decide(g.ada, "withdraw", first).refused(http.StatusConflict, "conflict")
	decide(g.other, "reject", first).refused(http.StatusNotFound, "not-found")
	rejected := read[api.Approval](decide(g.ada, "reject", first).is(http.StatusOK))
	if rejected.State != api.ApprovalRejected || *rejected.DecidedBy != "ada" || *rejected.Reason != "not today" {
		t.Errorf("rejected is %+v", rejected)
	}
	g.approves(g.ada, first).refused(http.StatusConflict, "conflict")

	// An approval that was taken back cannot be used.
	second := g.needs(g.deploys(g.ci, "1"))
	g.approves(g.ada, second).is(http.StatusOK)
	decide(g.ada, "reject", second).is(http.StatusOK)
	third := g.needs(g.deploys(g.ci, "1"))
	decide(g.ci, "withdraw", third).is(http.StatusOK)
	g.approves(g.ada, third).refused(http.StatusConflict, "conflict")
	want := []string{"ci withdraw", "ci request"}
	if got := g.audited(third); !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
}

// TestAnApprovalHoldsForItsPlanOnly does something between the approval of a deploy and the deploy.
func TestAnApprovalHoldsForItsPlanOnly(t *testing.T) {
	t.Parallel()
	type step func(t *testing.T, g governed)
	bossDeploys := func(g governed, version string) {
		g.as(g.boss, http.MethodPost, "/api/v1/apply?break_glass=between", aDeployment(version)).is(http.StatusOK)
	}
	tests := []struct {
		name    string
		between step
		holds   bool
		reason  string // of the lapse
	}{
		{"nothing", func(*testing.T, governed) {}, true, ""},
		{"the deployment is paused", func(_ *testing.T, g governed) {
			g.as(g.ci, http.MethodPatch, "/api/v1/deployments/etl", `{"paused":true}`).is(http.StatusOK)
		}, true, ""},
		{"its schedule is paused", func(_ *testing.T, g governed) {
			g.as(g.ci, http.MethodPatch, "/api/v1/deployments/etl/schedules/nightly", `{"active":false}`).is(http.StatusOK)
		}, true, ""},
		{"the limit of the pool changes", func(_ *testing.T, g governed) {
			g.as(g.dev, http.MethodPatch, localPool, `{"concurrency_limit":7}`).is(http.StatusOK)
		}, true, ""},
		{"it runs", func(_ *testing.T, g governed) { g.startRun("etl", `{}`) }, true, ""},
		{"another deployment changes", func(_ *testing.T, g governed) {
			g.as(g.boss, http.MethodPost, "/api/v1/apply?break_glass=between",
				`{"deployments":[{"name":"second","pool":"local"}]}`).is(http.StatusOK)
		}, true, ""},
		{"the deployment changes", func(_ *testing.T, g governed) { bossDeploys(g, "9") }, false, `deployment "etl" has changed`},
		{"the template changes", func(_ *testing.T, g governed) {
			path := localPool + "/template"
			first := read[api.TemplateVersion](g.call(http.MethodGet, path, "").is(http.StatusOK))
			var document map[string]any
			if err := json.Unmarshal(first.Document, &document); err != nil {
				g.t.Fatal(err)
			}
			document["variables"].(map[string]any)["description"] = "changed"
			g.as(g.boss, http.MethodPut, path+"?break_glass=between", asSave(encode(g.t, document))).is(http.StatusOK)
		}, false, "the template of the work pool has changed"},
		{"the policy changes", func(_ *testing.T, g governed) {
			g.as(g.boss, http.MethodPatch, localPool+"?break_glass=between",
				`{"approvals":{"require":["deploys"]}}`).is(http.StatusOK)
		}, false, "the approval policy of the work pool has changed"},
		{"the asker wants another plan", func(_ *testing.T, g governed) { g.needs(g.deploys(g.ci, "8")) }, false,
			"another plan for the same objects was asked for"},
		{"the key of the approver is revoked", func(_ *testing.T, g governed) {
			g.call(http.MethodDelete, "/api/v1/api-keys/ada", "").is(http.StatusNoContent)
		}, false, "the API key of ada, who approved it, was revoked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGoverned(start(t), allApprovals)
			bossDeploys(g, "1")
			need := g.needs(g.deploys(g.ci, "2"))
			g.approves(g.ada, need).is(http.StatusOK)
			test.between(t, g)
			a := g.deploys(g.ci, "2")
			if test.holds {
				a.is(http.StatusOK)
				return
			}
			if fresh := g.needs(a); *fresh.ID == *need.ID {
				t.Error("the request is the old one")
			}
			lapsed := g.look(need)
			if lapsed.State != api.ApprovalLapsed || *lapsed.Reason != test.reason {
				t.Errorf("it is %s: %v", lapsed.State, *lapsed.Reason)
			}
			if got := g.audited(need); !strings.HasSuffix(got[0], " lapse") {
				t.Errorf("the audit has %q", got)
			}
		})
	}
}

// TestNoWayLeadsAroundAPolicy tries every change that a policy governs, as users who could make it without
// one.
func TestNoWayLeadsAroundAPolicy(t *testing.T) {
	t.Parallel()
	g := newGoverned(start(t), allApprovals)
	global := g.makeKey("global", api.RoleEditor)
	glass := "?break_glass=set+up"
	g.as(g.boss, http.MethodPost, "/api/v1/apply"+glass, strings.Replace(aDeployment("1"), "{", `{"project":"p",`, 1)).
		is(http.StatusOK)
	g.as(g.boss, http.MethodPatch, "/api/v1/deployments/etl/schedules/nightly", `{"active":false}`).is(http.StatusOK)
	g.as(g.boss, http.MethodPut, localPool+"/rules/registry"+glass, `{"from":"registries-allowed","action":"warn"}`).
		is(http.StatusOK)
	template := read[api.TemplateVersion](g.call(http.MethodGet, localPool+"/template", "").is(http.StatusOK)).Document
	var document map[string]any
	if err := json.Unmarshal(template, &document); err != nil {
		t.Fatal(err)
	}
	document["variables"].(map[string]any)["description"] = "second"
	other := encode(t, document)
	g.as(g.boss, http.MethodPut, localPool+"/template"+glass, asSave(other)).is(http.StatusOK)

	state := func() string {
		var b strings.Builder
		for _, path := range []string{
			localPool + "/template", localPool + "/rules", "/api/v1/deployments/etl", "/api/v1/deployments",
		} {
			fmt.Fprintln(&b, string(g.call(http.MethodGet, path, "").is(http.StatusOK).body))
		}
		pool := read[api.WorkPool](g.call(http.MethodGet, localPool, "").is(http.StatusOK))
		pool.OpenApprovals = nil
		return b.String() + encode(t, pool)
	}
	before := state()
	for _, test := range []struct{ name, key, method, path, body string }{
		{"a deployment changes", g.ci, "POST", "/api/v1/apply", aDeployment("2")},
		{"a deployment is new", g.ci, "POST", "/api/v1/apply", `{"deployments":[{"name":"new","pool":"local"}]}`},
		{"a deployment is pruned", g.ci, "POST", "/api/v1/apply", `{"project":"p","prune":true}`},
		{"a deployment is deleted", g.ci, "DELETE", "/api/v1/deployments/etl?force=true", ""},
		{"a deployment leaves the pool", global, "POST", "/api/v1/apply", `{"deployments":[{"name":"etl","pool":"other"}]}`},
		{"a schedule is resumed", g.ci, "PATCH", "/api/v1/deployments/etl/schedules/nightly", `{"active":true}`},
		{"a template is saved", g.dev, "PUT", localPool + "/template", asSave(string(template))},
		{"a template is rolled back", g.dev, "POST", localPool + "/template/rollback", `{"version":1}`},
		{"a file has another template", g.dev, "POST", "/api/v1/apply",
			`{"pools":[{"name":"local","base_job_template":` + string(template) + `}]}`},
		{"a file has other references", g.dev, "POST", "/api/v1/apply",
			`{"pools":[{"name":"local","references":{"secrets":[{"name":"db"}]}}]}`},
		{"a file grants run tokens", g.dev, "POST", "/api/v1/apply",
			`{"pools":[{"name":"local","run_token_audiences":["vault"]}]}`},
		{"a file has another policy", g.dev, "POST", "/api/v1/apply", `{"pools":[{"name":"local","approvals":{"require":[]}}]}`},
		{"a file has another rule", g.dev, "POST", "/api/v1/apply",
			`{"pools":[{"name":"local","rules":[{"name":"registry","from":"registries-allowed","action":"deny"}]}]}`},
		{"a rule is pruned", g.dev, "POST", "/api/v1/apply",
			`{"project":"q","prune":true,"pools":[{"name":"local","rules":[]}]}`},
		{"a rule is set", g.dev, "PUT", localPool + "/rules/more", `{"from":"registries-allowed"}`},
		{"a rule is deleted", g.dev, "DELETE", localPool + "/rules/registry", ""},
		{"the policy is switched off", g.dev, "PATCH", localPool, `{"approvals":{"require":[]}}`},
		{"the policy is weakened", g.dev, "PATCH", localPool, `{"approvals":{"require":["rules"],"approver":"deployer"}}`},
		{"the references change", g.dev, "PATCH", localPool, `{"references":{"secrets":[{"name":"db"}]}}`},
		{"run tokens are granted", g.dev, "PATCH", localPool, `{"run_token_audiences":["vault"]}`},
		{"the pool is deleted", global, "DELETE", localPool + "?force=true", ""},
	} {
		g.needs(g.as(test.key, test.method, test.path, test.body))
		if after := state(); after != before {
			t.Errorf("although %s waits for an approval, it changed something:\n%s\nwas\n%s", test.name, after, before)
		}
	}
	g.as(g.boss, http.MethodPost, "/api/v1/apply"+glass, `{"deployments":[{"name":"gone","pool":"local"}]}`).is(http.StatusOK)
	g.as(g.boss, http.MethodDelete, "/api/v1/deployments/gone"+glass, "").is(http.StatusOK)
	g.as(g.boss, http.MethodPut, localPool+"/rules/gone"+glass, `{"from":"registries-allowed"}`).is(http.StatusOK)
	g.as(g.boss, http.MethodDelete, localPool+"/rules/gone"+glass, "").is(http.StatusOK)
	for _, body := range []string{`{"kind":"deployment","name":"gone"}`, `{"kind":"rule","name":"gone","pool":"local"}`} {
		g.needs(g.as(g.dev, http.MethodPost, "/api/v1/deleted/restore", body))
		if after := state(); after != before {
			t.Errorf("restoring %s changed something:\n%s\nwas\n%s", body, after, before)
		}
	}
	for _, test := range []struct{ name, key, method, path, body string }{
		{"the same deployment again", g.ci, "POST", "/api/v1/apply", strings.Replace(aDeployment("1"), "{", `{"project":"p",`, 1)},
		{"the same rule again", g.dev, "PUT", localPool + "/rules/registry", `{"from":"registries-allowed","action":"warn"}`},
		{"the same template again", g.dev, "PUT", localPool + "/template", asSave(other)},
		{"the same template with a comment in it", g.dev, "PUT", localPool + "/template", encode(t, api.TemplateSave{Source: "# ours\n" + other})},
		{"a file with another comment in it", g.dev, "POST", "/api/v1/apply", encode(t, map[string]any{"pools": []any{map[string]any{"name": "local", "base_job_template_source": "# yours\n" + other}}})},
		{"the same policy again", g.dev, "PATCH", localPool, `{"approvals":` + allApprovals + `}`},
		{"a limit", g.dev, "PATCH", localPool, `{"concurrency_limit":3}`},
		{"a pause", g.ci, "PATCH", "/api/v1/deployments/etl", `{"paused":true}`},
		{"a run", g.ci, "POST", "/api/v1/deployments/etl/runs", `{}`},
	} {
		if a := g.as(test.key, test.method, test.path, test.body); a.status >= 300 {
			t.Errorf("%s needs no approval: %d %s", test.name, a.status, a.body)
		}
	}
}

func TestAnApprovedChangeOfEachKindIsCarriedOut(t *testing.T) {
	t.Parallel()
	g := newGoverned(start(t), allApprovals)
	g.as(g.boss, http.MethodPost, "/api/v1/apply?break_glass=set+up", aDeployment("1")).is(http.StatusOK)
	template := read[api.TemplateVersion](g.call(http.MethodGet, localPool+"/template", "").is(http.StatusOK)).Document
	var document map[string]any
	if err := json.Unmarshal(template, &document); err != nil {
		t.Fatal(err)
	}
	document["variables"].(map[string]any)["description"] = "second"
	for _, test := range []struct{ name, key, method, path, body string }{
		{"a rule is set", g.dev, "PUT", localPool + "/rules/more", `{"from":"registries-allowed","action":"warn"}`},
		{"a rule is deleted", g.dev, "DELETE", localPool + "/rules/more", ""},
		{"a template is saved", g.dev, "PUT", localPool + "/template", asSave(encode(t, document))},
		{"a template is rolled back", g.dev, "POST", localPool + "/template/rollback", `{"version":1}`},
		{"references change", g.dev, "PATCH", localPool, `{"references":{"secrets":[{"name":"db"}]}}`},
		{"a file changes everything", g.dev, "POST", "/api/v1/apply", `{"pools":[{"name":"local","run_token_audiences":["vault"],` +
			`"base_job_template":` + encode(t, document) + `,"rules":[{"name":"r","from":"registries-allowed","action":"warn"}]}],` +
			`"deployments":[{"name":"etl","pool":"local","version":"5"}]}`},
		{"a deployment is deleted", g.ci, "DELETE", "/api/v1/deployments/etl", ""},
		{"the policy is switched off", g.dev, "PATCH", localPool, `{"approvals":{"require":[]}}`},
	} {
		need := g.needs(g.as(test.key, test.method, test.path, test.body))
		if shown := g.look(need); len(shown.Items) == 0 || shown.Items[0].Text == nil {
			t.Errorf("%s: the reviewer sees %+v", test.name, shown.Items)
		}
		g.approves(g.ada, need).is(http.StatusOK)
		if a := g.as(test.key, test.method, test.path, test.body); a.status >= 300 {
			t.Fatalf("%s: %d %s", test.name, a.status, a.body)
		}
	}
	g.deploys(g.ci, "1").is(http.StatusOK) // there is no policy any more
}

func TestBreakGlassIsForAdminsAndIsSeen(t *testing.T) {
	t.Parallel()
	g := newGoverned(start(t), allApprovals)
	waiting := g.needs(g.deploys(g.ci, "1"))
	with := func(key, reason string) answer {
		return g.as(key, http.MethodPost, "/api/v1/apply"+reason, aDeployment("1"))
	}
	for _, key := range []string{g.ci, g.dev} {
		with(key, "?break_glass=hurry").refused(http.StatusForbidden, "forbidden")
	}
	with(g.boss, "?break_glass=").is(http.StatusBadRequest)
	with(g.boss, "?break_glass=+++++").refused(http.StatusBadRequest, "invalid-parameter")
	with(g.boss, "?break_glass=production+is+down").is(http.StatusOK)
	if lapsed := g.look(waiting); lapsed.State != api.ApprovalLapsed {
		t.Errorf("the request for the same change is %s", lapsed.State)
	}

	list := read[api.ApprovalList](g.as(g.makeKey("looks", api.RoleViewer, "local"), http.MethodGet,
		"/api/v1/approvals?pool=local&state=bypassed", "").is(http.StatusOK))
	if len(list.Items) != 1 || *list.Items[0].Reason != "production is down" || *list.Items[0].UsedBy != "boss" {
		t.Fatalf("the page shows %+v", list.Items)
	}
	entries := read[api.AuditList](g.call(http.MethodGet, "/api/v1/audit?action=break-glass", "").is(http.StatusOK)).Items
	if len(entries) != 1 || entries[0].Actor != "boss" || *entries[0].Pool != "local" ||
		*entries[0].Detail != "production is down" {
		t.Errorf("the audit has %+v", entries)
	}
}

func TestARequestShowsOnlyWhatIsInItsPool(t *testing.T) {
	t.Parallel()
	const canary = "canary-5b1f"
	g := newGoverned(start(t), allApprovals)
	g.call(http.MethodPatch, "/api/v1/work-pools/other", `{"approvals":{"require":["deploys"]}}`).is(http.StatusOK)
	global := g.makeKey("global", api.RoleEditor)
	file := `{"variables":[{"name":"secret","value":"` + canary + `"}],"deployments":[` +
		`{"name":"here","pool":"local","parameters":{"a":"in-local"}},` +
		`{"name":"there","pool":"other","parameters":{"a":"in-other"}}]}`
	refusal := g.as(global, http.MethodPost, "/api/v1/apply", file).refused(http.StatusConflict, "approval-required")
	if len(*refusal.Approvals) != 2 {
		t.Fatalf("the change needs %+v", *refusal.Approvals)
	}
	local, other := (*refusal.Approvals)[0], (*refusal.Approvals)[1]
	text := string(g.as(g.ada, http.MethodGet, "/api/v1/approvals/"+local.ID.String(), "").is(http.StatusOK).body)
	if !strings.Contains(text, "in-local") || strings.Contains(text, "in-other") || strings.Contains(text, canary) {
		t.Errorf("the reviewer of local sees %s", text)
	}
	g.as(g.ada, http.MethodGet, "/api/v1/approvals/"+other.ID.String(), "").refused(http.StatusNotFound, "not-found")
	if list := string(g.as(g.ada, http.MethodGet, "/api/v1/approvals", "").is(http.StatusOK).body); strings.Contains(list, "there") {
		t.Errorf("the list shows %s", list)
	}
	g.as(g.ada, http.MethodGet, "/api/v1/approvals?pool=other", "").refused(http.StatusForbidden, "forbidden")

	// Both pools have to agree, and neither is used for half of the change.
	g.approves(g.ada, local).is(http.StatusOK)
	g.as(global, http.MethodPost, "/api/v1/apply", file).refused(http.StatusConflict, "approval-required")
	if seen := g.look(local); seen.State != api.ApprovalApproved {
		t.Errorf("the approval of the one pool is %s", seen.State)
	}
	g.approves(g.other, other).is(http.StatusOK)
	g.as(global, http.MethodPost, "/api/v1/apply", file).is(http.StatusOK)

	// A deployment that moves is not shown to the pool that it leaves as it will be, nor to the other as it was.
	moved := g.as(global, http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"here","pool":"other","parameters":{"a":"moved-there"}}]}`).
		refused(http.StatusConflict, "approval-required")
	for _, need := range *moved.Approvals {
		shown := encode(t, g.look(need))
		if need.Pool == "local" && strings.Contains(shown, "moved-there") || need.Pool == "other" && strings.Contains(shown, "in-local") {
			t.Errorf("the request of %s shows %s", need.Pool, shown)
		}
	}
}

func TestAPolicyDoesNotCountForWhatIntroducesIt(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPost, "/api/v1/apply", `{"pools":[{"name":"fresh","type":"process","approvals":`+allApprovals+`}],`+
		`"deployments":[{"name":"first","pool":"fresh"}]}`).is(http.StatusOK)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"second","pool":"fresh"}]}`).
		refused(http.StatusConflict, "approval-required")
	pool := read[api.WorkPool](r.call(http.MethodGet, "/api/v1/work-pools/fresh", ""))
	if pool.Approvals.LifetimeSeconds == nil || *pool.Approvals.LifetimeSeconds != 86400 {
		t.Errorf("the policy is %+v", pool.Approvals)
	}
}

func TestNobodyFillsTheDatabaseWithRequests(t *testing.T) {
	t.Parallel()
	g := newGoverned(start(t), allApprovals)
	for i := range 100 {
		g.needs(g.as(g.ci, http.MethodPost, "/api/v1/apply",
			fmt.Sprintf(`{"deployments":[{"name":"d%d","pool":"local"}]}`, i)))
	}
	g.as(g.ci, http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"more","pool":"local"}]}`).
		refused(http.StatusConflict, "conflict")
	g.needs(g.as(g.ci, http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"d5","pool":"local"}]}`))
}

// TestAServerWithoutKeysCannotTellPeopleApart has no user who could approve.
func TestAServerWithoutKeysCannotTellPeopleApart(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.call(http.MethodPatch, localPool, `{"approvals":{"require":["deploys"]}}`).is(http.StatusOK)
	refusal := r.call(http.MethodPost, "/api/v1/apply", aDeployment("1")).refused(http.StatusConflict, "approval-required")
	need := (*refusal.Approvals)[0]
	r.call(http.MethodPost, "/api/v1/approvals/"+need.ID.String()+"/approve",
		`{"fingerprint":"`+need.Fingerprint+`"}`).refused(http.StatusForbidden, "forbidden")
	r.call(http.MethodPost, "/api/v1/apply?break_glass=alone+here", aDeployment("1")).is(http.StatusOK)
}

// TestEveryChangeIsGovernedOrSaysWhyNot finds an operation that was added without a thought about approvals.
func TestEveryChangeIsGovernedOrSaysWhyNot(t *testing.T) {
	ungoverned := map[string]string{
		"ApproveChange": "decides", "RejectChange": "decides", "WithdrawChange": "decides",
		"CreateWorkPool":   "a new pool has no policy",
		"UpdateDeployment": "pauses and resumes; no file declares that",
		"CreateWorkQueue":  "limits and order, not what runs", "UpdateWorkQueue": "limits and order, not what runs",
		"DeleteWorkQueue": "is refused while it is used",
		"UpdateWorker":    "pauses and resumes",
		"SetVariable":     "belongs to no pool", "DeleteVariable": "belongs to no pool",
		"SetRule": "admins of all pools only", "DeleteRule": "admins of all pools only",
		"PurgeDeleted": "of what is gone already",
		"CreateAPIKey": "belongs to no pool", "RevokeAPIKey": "belongs to no pool", "RotateSigningKeys": "belongs to no pool",
		"RevokeAPIKeys": "about people", "SetTrustRule": "about people", "DeleteTrustRule": "about people",
		"SetWebhook": "tells others", "UpdateWebhook": "tells others", "DeleteWebhook": "tells others",
		"TestWebhook": "tells others", "ResendWebhookDeliveries": "tells others",
		"ExchangeToken": "about people", "TestTokenExchange": "reads", "SignOut": "about people",
		"RevokeSession": "about people", "RevokeSessions": "about people", "StartDeviceSignIn": "about people",
		"FinishDeviceSignIn": "about people",
		"CreateRun":          "runs what was approved", "CreateRuns": "runs what was approved", "RetryRun": "runs what was approved",
		"RetryRuns": "runs what was approved", "CancelRun": "stops work", "CancelRuns": "stops work", "AbandonRun": "stops work",
		"SetRunResult": "of a run", "SetRunProgress": "of a run", "CreateRunToken": "of a run",
		"IntrospectRunToken": "reads", "LintTemplate": "reads", "PreviewTemplate": "reads", "DryRunTemplate": "reads", "CheckTemplate": "reads",
		"DiffTemplate":   "reads",
		"ImpactTemplate": "reads", "PreviewSchedule": "reads", "TestPoolRule": "reads", "TestRule": "reads",
	}
	for _, o := range operations(t) {
		governs := o.parameters.GetByInAndName("query", "break_glass") != nil
		row, _ := access.Find(o.OperationID)
		if o.method == http.MethodGet || o.protocol() || row.ID == "" {
			continue
		}
		if _, known := ungoverned[o.OperationID]; known == governs {
			t.Errorf("%s: governed %t, and named as ungoverned %t", o.OperationID, governs, known)
		}
	}
}
