package server_test

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/api"
)

// browser starts a browser with an empty profile.
func browser(t *testing.T) context.Context {
	t.Helper()
	testenv.Slow(t, "it drives a browser")
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		testenv.Missing(t, "no browser on this machine: install chromium")
	}
	allocated, closeBrowser := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(program), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
	)
	ctx, closeTab := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser to end; errors of the closing page do not matter
		closeTab()
		closeBrowser()
	})
	return ctx
}

type step = chromedp.Action[chromedp.Void]

func do(t *testing.T, ctx context.Context, what string, steps ...step) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		page, _ := chromedp.Run(ctx,
			chromedp.OuterHTML("body")) // adds to the message if the page still exists
		t.Fatalf("%s: %v\n%s", what, err, page)
	}
}

// shows waits until a visible element contains a text.
func shows(selector, text string) step {
	return chromedp.PollFunction[chromedp.Void](
		`(selector, text) => [...document.querySelectorAll(selector)].some((one) => one.checkVisibility() && one.textContent.includes(text))`,
		chromedp.WithPollingArgs(selector, text),
		chromedp.WithPollingTimeout(patience),
	)
}

// press finds and clicks the first visible element in one step, because the page may replace it in between.
func press(selector string) step {
	return chromedp.PollFunction[chromedp.Void](
		`(selector) => { const one = [...document.querySelectorAll(selector)].find((one) => one.checkVisibility()); one?.click(); return Boolean(one); }`,
		chromedp.WithPollingArgs(selector),
		chromedp.WithPollingTimeout(patience),
	)
}

func TestUIShowsARunAsItHappens(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", `,"tags":["<b>bold</b>"]`)
	r.deploy("yearly", `,"schedules":[{"cron":"0 0 1 1 *"}]`)
	ctx := browser(t)
	do(t, ctx, "the overview", chromedp.Navigate(r.url+"/"), shows("#pools td", "local"),
		shows("#deployments td", "hello"),
		shows("#deployments td", "<b>bold</b>"), shows("#deployments td", "0 0 1 1 *"), shows(".empty",
			"No run yet"))
	if title, err := chromedp.Run(ctx, chromedp.Title()); err != nil || title != "Berth" {
		t.Errorf("title = %q: %v", title, err)
	}

	r.startRun("hello", `{"name":"the run"}`)
	do(
		t,
		ctx,
		"the new run, without a reload",
		shows("#runs td", "the run"),
		shows("#runs .state.SCHEDULED", "Scheduled"),
		press("#runs a"),
		shows("#run-why p", `work pool "local" has no live worker`),
		shows("#run-why li", "start a worker: berth worker start --pool local"),
		chromedp.Click(chromedp.CSS("#run a")),
	)
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	do(t, ctx, "the run that runs", shows("#runs .state.RUNNING", "Running"),
		press("#runs a"), shows("#run-title", "the run"), shows("#run-state .state.RUNNING", "Running"))
	w.write(claim, 0, "hello from the container\n")
	do(t, ctx, "its output", shows("#log", "hello from the container"))
	w.finish(claim, 3, "hello from the container\n")
	do(t, ctx, "its end", shows("#run-state .state.FAILED", "Failed"),
		shows("#events .state.FAILED", "Failed"), shows("#run-facts dd", "3"),
		shows("#run-why p", "it ended as Failed: the workload failed (app), exit code 3"),
		shows("#run-why .next code", "berth run retry "))
	do(t, ctx, "back to the overview", chromedp.Click(chromedp.CSS("#run a")),
		shows("#runs .state.FAILED", "Failed"))
}

func TestUIStartsARun(t *testing.T) {
	r := start(t)
	r.saveTemplate(`{
		"variables":{"type":"object","required":["date"],"properties":{
			"date":{"type":"string"},"memory":{"type":"integer","maximum":256,"default":64},"image":{"type":"string","default":"etl:1"},"tier":{"enum":["slow","fast"]}}},
		"job_configuration":{"job_manifest":{"apiVersion":"batch/v1","kind":"Job","spec":{"template":{"spec":{"containers":[
			{"name":"job","image":"{{ image }}","args":["{{ date }}","{{ tier }}"],"resources":{"limits":{"memory":"{{ memory }}Mi"}}}]}}}}}}`, "").is(http.StatusOK)
	r.deploy(
		"etl",
		`,"description":"Loads a day","job_variables":{"image":"etl:2"},"frozen":{"job_variables":["image"]},
		"parameters":{"rows":10},"parameter_schema":{"type":"object","required":["day"],"additionalProperties":false,"properties":{"day":{"type":"string"},"rows":{"type":"integer"},"full":{"type":"boolean"}}},
		"schedules":[{"cron":"30 2 * * *","job_variables":{"date":"x"},"parameters":{"day":"monday"}}]`,
	)
	ctx := browser(t)
	field := func(name string) chromedp.CSS { return chromedp.CSS(`[name="` + name + `"]`) }
	start := chromedp.Click(chromedp.CSS("#deployment-form button"))
	do(t, ctx, "the key", chromedp.Navigate(r.url+"/"), chromedp.SendKeys(chromedp.CSS("#key"), r.admin),
		chromedp.Click(chromedp.CSS("#login-form button")))
	do(t, ctx, "the deployment", shows("#deployments a", "etl"), press("#deployments a"),
		shows("#deployment-title", "etl"),
		shows("#deployment-description", "Loads a day"), shows("#deployment-schedules li",
			"every day at 02:30"))
	do(t, ctx, "what the server refuses, at its field",
		chromedp.Click(chromedp.CSS("#deployment-form summary")),
		shows("#deployment-variables label", "imagefrozen"),
		chromedp.SendKeys(field("job_variables.date"), "2026-01-01"),
		chromedp.SendKeys(field("job_variables.memory"), "1000"), start,
		shows(".field:has([name='parameters.day']) .problem", "is required"),
		chromedp.SendKeys(field("parameters.day"), "friday"), start,
		shows(".field .problem", "must be at most 256"))
	do(t, ctx, "what is no number", chromedp.SetValue(field("parameters.rows"), "many"), start,
		shows(".field .problem", "must be a number"))
	do(t, ctx, "the run", chromedp.SetValue(field("parameters.rows"), "9007199254740993"),
		chromedp.SetValue(field("job_variables.memory"), "128"),
		chromedp.SetValue(field("job_variables.tier"), `"fast"`), start, shows("#run-state", "Scheduled"),
		press("#run-facts a"),
		shows("#deployment-runs .state", "Scheduled"))
	listed := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "").is(http.StatusOK)).Items[0]
	run := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+listed.ID.String(), "").is(http.StatusOK)).Run
	if string(run.Parameters) != `{"day":"friday","rows":9007199254740993}` ||
		string(run.JobVariables) != `{"date":"2026-01-01","memory":128,"tier":"fast"}` {
		t.Errorf("run has parameters %s and job variables %s", run.Parameters, run.JobVariables)
	}
}

func TestUIAsksForAnAPIKey(t *testing.T) {
	r := start(t)
	r.deploy("hello", "")
	viewer := r.makeKey("me", api.RoleViewer)
	ctx := browser(t)
	do(t, ctx, "the question", chromedp.Navigate(r.url+"/"),
		chromedp.WaitVisible(chromedp.CSS("#login[open] #key")))
	do(t, ctx, "a wrong key", chromedp.SendKeys(chromedp.CSS("#key"), "berth_wrong"),
		chromedp.Click(chromedp.CSS("#login-form button")), shows("#login-problem", "API key"))
	do(t, ctx, "a right key", chromedp.SetValue(chromedp.CSS("#key"), viewer),
		chromedp.Click(chromedp.CSS("#login-form button")),
		shows("#deployments td", "hello"), shows("#info", "me (viewer)"))
}

func TestUIHasNoInlineScriptAndNoForeignResources(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, path := range []string{"/", "/ui/app.js", "/ui/api.js", "/ui/overview.js", "/ui/run.js",
		"/ui/deployment.js", "/ui/pool.js", "/ui/style.css", "/ui/favicon.svg"} {
		page := r.send(r.request("", http.MethodGet, path, "")).is(http.StatusOK)
		policy := page.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") ||
			!strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if page.header.Get("X-Content-Type-Options") != "nosniff" || page.header.Get("ETag") == "" ||
			page.header.Get("Content-Type") == "" {
			t.Errorf("%s: headers %v", path, page.header)
		}
		text := strings.ReplaceAll(string(page.body), "http://www.w3.org/2000/svg", "")
		for _, bad := range []string{"http://", "https://", "innerHTML", "onclick=", "style=\"", "<script>"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s contains %s", path, bad)
			}
		}
	}
}
