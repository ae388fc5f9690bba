package server_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

func TestV2AVariableIsChangedAndOneInUseSaysByWhom(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.page("/variables").is(http.StatusOK).has("No variable yet")
	r.sendForm("/variables/set", url.Values{"name": {"day"}, "value": {`"007"`}}).is(http.StatusSeeOther)
	r.page("/variables").is(http.StatusOK).has("day", "&#34;007&#34;")
	r.sendForm("/variables/set", url.Values{"name": {"bad name!"}, "value": {"[1"}}).is(http.StatusUnprocessableEntity).has(`role="alert"`, "bad name!", "[1")
	r.deploy("uses", `,"job_variables":{"env":{"DAY":"{{ berth.variables.day }}"}}`)
	r.page("/variables/delete?name=day").is(http.StatusOK).has("Delete variable day?")
	r.sendForm("/variables/delete?name=day", url.Values{}).is(http.StatusConflict).has("uses")
	r.deploy("uses", `,"job_variables":{}`)
	r.sendForm("/variables/delete?name=day", url.Values{}).is(http.StatusSeeOther)
}

func TestV1ASecretIsInOneAnswerOnly(t *testing.T) {
	t.Parallel()
	r := start(t)
	admin := r.signedIn(r.admin)
	r.page("/keys/new", "Cookie", admin).is(http.StatusOK)
	made := r.sendForm("/keys/new", url.Values{"name": {"ci"}, "role": {"operator"}, "pool": {"local"}}, "Cookie", admin).is(http.StatusOK)
	secret := regexp.MustCompile(`berth_[A-Za-z0-9_-]+`).FindString(regexp.MustCompile(`(?s)id="secret".*?</pre>`).FindString(string(made.body)))
	if secret == "" || made.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%v\n%s", made.header, made.body)
	}
	list := r.page("/keys", "Cookie", admin).is(http.StatusOK).has("ci", "operator in local")
	if strings.Contains(string(list.body), secret) {
		t.Error("the list has the secret")
	}
	r.page("/", "Cookie", r.signedIn(secret)).is(http.StatusOK)
	r.sendForm("/keys/new", url.Values{"name": {"ci2"}, "role": {"king"}}, "Cookie", admin).is(http.StatusUnprocessableEntity).has(`role="alert"`)
	id := regexp.MustCompile(`(?s)>ci<.*?revoke\?key=([0-9a-f]+)"`).FindStringSubmatch(string(list.body))
	if id == nil {
		t.Fatalf("no way to revoke:\n%s", list.body)
	}
	revoke := "/keys/revoke?key=" + id[1]
	r.page(revoke+"&name=other", "Cookie", admin).is(http.StatusOK).has("Revoke ci?") // the key has its name, not the link
	r.sendForm(revoke, url.Values{"name": {"other"}}, "Cookie", admin).is(http.StatusUnprocessableEntity).has("to confirm")
	r.sendForm(revoke, url.Values{"name": {"ci"}}, "Cookie", admin).is(http.StatusSeeOther)
	r.page("/keys", "Cookie", r.signedIn(r.makeKey("v", api.RoleViewer))).is(http.StatusForbidden).has("You are v (viewer)")
}

func TestV3WhatAPageChangesIsInTheAudit(t *testing.T) {
	t.Parallel()
	r := start(t)
	admin := r.signedIn(r.admin)
	r.sendForm("/variables/set", url.Values{"name": {"day"}, "value": {"monday"}}, "Cookie", admin).is(http.StatusSeeOther)
	r.page("/audit?kind=variable", "Cookie", admin).is(http.StatusOK).has(">day<", "variable")
	r.page("/audit?kind=variable&name=other", "Cookie", admin).is(http.StatusOK).has("No change matches")
	r.page("/audit?kind=nonsense", "Cookie", admin).is(http.StatusBadRequest)
}

func TestARuleIsTestedBeforeItIsSaved(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	form := url.Values{"rule": {"named"}, "action": {"deny"}, "expression": {"has(object.metadata.name"}, "do": {"test"}}
	r.sendForm("/rules/edit", form).is(http.StatusUnprocessableEntity).has(`role="alert"`, "has(object.metadata.name")
	form.Set("expression", "false")
	form.Set("message", "no Job may run")
	r.sendForm("/rules/edit", form).is(http.StatusOK).has("1 of 1 deployments", "no Job may run")
	r.page("/rules").is(http.StatusOK).has("No rule counts here")
	form.Set("do", "save")
	r.sendForm("/rules/edit", form).is(http.StatusSeeOther)
	r.page("/rules").is(http.StatusOK).has("named", "no Job may run")
	r.page("/rules/edit?rule=named").is(http.StatusOK).has("no Job may run", "false</textarea>")
	r.sendForm("/rules/delete?rule=named", url.Values{}).is(http.StatusSeeOther)
	r.page("/rules/edit?rule=named").is(http.StatusNotFound)
}

func TestAChangeIsApprovedOnThePage(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"approvals":{"require":["deploys"]}}`).is(http.StatusOK)
	asker, other := r.makeKey("asker", api.RoleEditor), r.makeKey("other", api.RoleEditor)
	body := `{"deployments":[{"name":"hello","pool":"local"}]}`
	r.send(r.request(asker, http.MethodPost, "/api/v1/apply", body)).is(http.StatusConflict)
	list := r.page("/approvals?state=open", "Cookie", r.signedIn(other)).is(http.StatusOK).has("create deployment hello", "asker")
	address := regexp.MustCompile(`href="\./(approvals/[0-9a-f-]{36})"`).FindStringSubmatch(string(list.body))
	if address == nil {
		t.Fatalf("no request:\n%s", list.body)
	}
	r.page("/"+address[1], "Cookie", r.signedIn(asker)).is(http.StatusOK).has("Withdraw")
	shown := r.page("/"+address[1], "Cookie", r.signedIn(other)).is(http.StatusOK).has("Approve", "Plan")
	print := regexp.MustCompile(`name="fingerprint" value="([^"]+)"`).FindStringSubmatch(string(shown.body))
	r.sendForm("/"+address[1], url.Values{"decision": {"approve"}, "fingerprint": {"0"}}, "Cookie", r.signedIn(other)).is(http.StatusConflict).has(`role="alert"`)
	r.sendForm("/"+address[1], url.Values{"decision": {"approve"}, "fingerprint": {print[1]}}, "Cookie", r.signedIn(other)).is(http.StatusSeeOther)
	r.page("/"+address[1], "Cookie", r.signedIn(asker)).is(http.StatusOK).has("Approved", "can send the change again")
	r.send(r.request(asker, http.MethodPost, "/api/v1/apply", body)).is(http.StatusOK)
}

func TestSearchFindsRunsDeploymentsAndPools(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	run := r.startRun("hello", `{"name":"hello again"}`)
	r.page("/search?q=hello").is(http.StatusOK).has("hello again", `href="./deployments/hello"`)
	r.page("/search?q=loc").is(http.StatusOK).has(`href="./pools/local"`)
	r.page("/search?q=" + run.ID.String()).is(http.StatusSeeOther)
	r.page("/search?q=nothing").is(http.StatusOK).has("Nothing is called like that")
	r.page("/about").is(http.StatusOK).has("BERTH_API_URL=" + r.url)
	r.page("/webhooks").is(http.StatusOK).has("No webhook yet")
}

// TestAnAdminBreaksTheGlassOnThePage: a change that needs an approval says so with its request, whatever the page, and an admin can
// carry it out with a reason; others are not offered it.
func TestAnAdminBreaksTheGlassOnThePage(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("hello", `,"schedules":[{"name":"nightly","cron":"30 2 * * *"}]`)
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"approvals":{"require":["deploys","templates","rules"]}}`).is(http.StatusOK)
	editor, admin := r.signedIn(r.makeKey("editor", api.RoleEditor)), r.signedIn(r.makeKey("boss", api.RoleAdmin))
	const path = "/deployments/hello/delete"
	form := url.Values{"force": {"true"}}
	asked := r.sendForm(path, form, "Cookie", editor).is(http.StatusConflict).has("The change needs an approval", `name="force" value="true"`, "The request</a>")
	asked.hasNot("break-glass")
	form.Set("break_glass", "hurry")
	r.sendForm(path, form, "Cookie", editor).is(http.StatusForbidden)
	form.Del("break_glass")
	r.sendForm(path, form, "Cookie", admin).is(http.StatusConflict).has(`id="break-glass"`, `name="break_glass"`)
	r.page("/deployments/hello", "Cookie", admin).is(http.StatusOK)
	form.Set("break_glass", "INC-4711, the nightly load is down")
	r.sendForm(path, form, "Cookie", admin).is(http.StatusSeeOther)
	r.page("/deployments/hello", "Cookie", admin).is(http.StatusNotFound)
	r.page("/approvals", "Cookie", editor).has("Without approval", "INC-4711")
	rule := url.Values{"do": {"save"}, "rule": {"named"}, "action": {"deny"}, "pool": {"local"}, "expression": {"true"}, "message": {"no"}}
	r.sendForm("/rules/edit", rule, "Cookie", admin).is(http.StatusConflict).has(`id="break-glass"`, `value="named"`)
}

// TestAnAdminSavesATemplateWithoutTheApproval: the editor asks for the reason once the server has asked for an approval.
func TestAnAdminSavesATemplateWithoutTheApproval(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.saveText(aText, "").is(http.StatusOK)
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"approvals":{"require":["templates"]}}`).is(http.StatusOK)
	ctx := browser(t)
	do(t, ctx, "sign in", chromedp.Navigate(r.url+"/session?to=pools/local/template"), chromedp.SendKeys(chromedp.CSS("#key"), r.makeKey("boss", api.RoleAdmin)), press("main form button"))
	arrives(t, ctx, "the editor", ready)
	do(t, ctx, "save", write(strings.Replace(aText, "64Mi", "96Mi", 1)), holds(`() => !document.querySelector("#save").disabled`), press("#save"), shows("#save-title", "Save as version"),
		press("#save-now:enabled"), shows("#save-problem a", "The request of local"), shows("#glass-field", "Save it without the approval"))
	do(t, ctx, "without the approval", chromedp.SendKeys(chromedp.CSS("#glass"), "INC-4711"), press("#save-now"), hides("#save-title", "Save"))
	r.page("/approvals", "Authorization", "Bearer "+r.admin).has("Without approval", "INC-4711")
	if kept := read[api.TemplateVersion](r.call(http.MethodGet, templatePath, "")); !strings.Contains(kept.Source, "96Mi") {
		t.Errorf("saved is %s", kept.Source)
	}
}
