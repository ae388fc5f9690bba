package server_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

func TestUITestsARuleBeforeItIsSaved(t *testing.T) {
	r := withTemplate(t)
	r.call(http.MethodPut, "/api/v1/rules/hosts", `{"from":"no-host-path"}`).is(http.StatusOK)
	rules := func() []api.Rule {
		return read[api.RuleList](r.call(http.MethodGet, rulesPath, "").is(http.StatusOK)).Items
	}
	ctx := browser(t)
	field := func(name string) chromedp.CSS { return chromedp.CSS(`#rules-form [name="` + name + `"]`) }
	enter := func(key string) []step {
		return []step{
			chromedp.WaitVisible(chromedp.CSS("#login[open] #key")), chromedp.SetValue(chromedp.CSS("#key"), key),
			chromedp.Click(chromedp.CSS("#login-form button")),
		}
	}
	hidden := func(selector string) step { return chromedp.WaitNotVisible(chromedp.CSS(selector)) }

	steps := append([]step{chromedp.Navigate(r.url + "/#/pools/local")}, enter(r.makeKey("viewer", api.RoleViewer))...)
	do(t, ctx, "the rules, for a viewer", append(steps, shows("#rules-list td", "hosts"),
		shows("#rules-list .tag", "installation"), shows("#rules-list td", "no-host-path"), hidden("#rules-add"))...)

	steps = append([]step{chromedp.Evaluate[chromedp.Void](`void sessionStorage.clear()`), chromedp.Reload()},
		enter(r.makeKey("editor", api.RoleEditor, "local"))...)
	do(t, ctx, "a rule that does not compile, for an editor", append(steps, shows("#rules-add", "Add a rule"),
		press("#rules-add"), chromedp.SendKeys(field("name"), "memory"),
		chromedp.SendKeys(field("expression"), "containers.all(c, c.nmae != '')"),
		chromedp.SendKeys(field("message"), "no"), press("#rules-test:enabled"),
		shows("#rules-problem", `there is no field "nmae"`), hidden("#rules-save"))...)
	do(t, ctx, "what a rule would refuse", chromedp.Evaluate[chromedp.Void](`void ["expression", "message"].forEach(
			(name) => { document.getElementById("rules-form").elements[name].value = ""; })`),
		chromedp.SendKeys(field("from"), "memory-limit"),
		press("#rules-form summary"), chromedp.SendKeys(field("params"), `{"max":"150Mi"}`), press("#rules-test:enabled"),
		shows("#rules-summary", "It would refuse 1 of 3 deployments and 0 of 0 recent runs."),
		shows("#rules-results td", "big"), shows("#rules-results .deny", "deny"), shows("#rules-save", "Save"))
	if got := rules(); len(got) != 1 {
		t.Errorf("a test saved %+v", got)
	}
	do(t, ctx, "a change after the test, which must be tested again",
		chromedp.SendKeys(field("params"), " "), hidden("#rules-save"), press("#rules-test:enabled"),
		shows("#rules-save", "Save"), press("#rules-save:enabled"), shows("#rules-list td", "memory-limit"),
		hidden("#rules-form"))
	if got := rules(); len(got) != 2 || got[1].Name != "memory" || string(got[1].Params) != `{"max":"150Mi"}` {
		t.Errorf("saved %+v", got)
	}
	do(t, ctx, "the change of a rule", press(`[data-action="edit"]`), shows("#rules-form-title", "Change rule memory"),
		chromedp.SetValue(field("action"), "warn"), press("#rules-test:enabled"),
		shows("#rules-summary", "It would warn of 1 of 3 deployments"), press("#rules-save:enabled"),
		shows("#rules-list .warn", "warn"))
	do(t, ctx, "the end of a rule, confirmed", press(`[data-action="delete"]`),
		shows(`[data-action="delete"]`, "Confirm"), press(`[data-action="delete"]`),
		chromedp.WaitNotPresent(chromedp.CSS(`[data-action="delete"]`)))
	if got := rules(); len(got) != 1 {
		t.Errorf("after the deletion there are %+v", got)
	}
}
