package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

func TestUIWorksBelowAPathOfAProxy(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	target, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.ErrorLog = log.New(io.Discard, "", 0) // of streams that the page leaves
	proxy := httptest.NewServer(http.StripPrefix("/berth", forward))
	t.Cleanup(proxy.Close)
	ctx := browser(t)
	do(t, ctx, "the overview below a path", chromedp.Navigate(proxy.URL+"/berth/"), shows("#deployments td", "hello"),
		shows("#link", "live"))
	do(t, ctx, "a run that is started there", chromedp.Navigate(proxy.URL+"/berth/#/deployments/hello"),
		shows("#deployment-title", "Deployment hello"), press("#deployment-form button"), shows("#run-title", "Run "),
		shows("#run-state .state.SCHEDULED", "Scheduled"))
}

func TestUIShowsNumbersAsTheyCame(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("exact", `,"parameters":{"large":9007199254740993,"point":1.0},`+
		`"parameter_schema":{"type":"object","properties":{"large":{"type":"integer","default":9007199254740993},"point":{"type":"number"}}}`)
	run := r.startRun("exact", `{"parameters":{"point":2.50}}`)
	ctx := browser(t)
	do(t, ctx, "the parameters of the run", chromedp.Navigate(r.url+"/#/runs/"+run.ID.String()),
		shows("#run-facts dd", `"large":9007199254740993`), shows("#run-facts dd", `"point":2.50`))
	do(t, ctx, "the defaults of the form", chromedp.Navigate(r.url+"/#/deployments/exact"),
		shows("#deployment-title", "Deployment exact"))
	placeholder, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		`document.querySelector('[name="parameters.large"]').placeholder`))
	if err != nil || placeholder != "9007199254740993" {
		t.Errorf("the placeholder is %q, %v", placeholder, err)
	}
}

func TestUIOpensALargeOutputAtItsEnd(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("talks", "")
	run := r.startRun("talks", `{}`)
	w := r.newWorker("w")
	claim := w.claimOne()
	w.begin(claim)
	line := strings.Repeat("x", 99) + "\n"
	const chunk, chunks = 1 << 18, 20
	text := strings.Repeat(line, chunk/len(line))
	w.write(claim, 0, "the first line\n")
	size := int64(len("the first line\n"))
	for range chunks {
		w.write(claim, size, text)
		size += int64(len(text))
	}
	w.write(claim, size, "the last line\n")

	stream := r.call(http.MethodGet, fmt.Sprintf("/api/v1/runs/%s/logs?attempt=1", run.ID), "").is(http.StatusOK)
	if len(stream.body) < chunk*chunks*9/10 {
		t.Fatalf("%d bytes were stored", len(stream.body))
	}
	ctx := browser(t)
	do(t, ctx, "the end of the output", chromedp.Navigate(r.url+"/#/runs/"+run.ID.String()), shows("#log", "the last line"),
		shows("#log", "… earlier output"))
	length, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.getElementById("log").textContent.length`))
	if err != nil || length > 210_000 || length < 190_000 {
		t.Errorf("%d characters are on the page, %v", length, err)
	}
	if shown := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(), "")); shown.Run.State.Type != api.RUNNING {
		t.Errorf("the run is %s", shown.Run.State.Type)
	}
}

func TestUISaysHowManySlotsWait(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("often", `,"schedules":[{"name":"seconds","interval_seconds":1,"overlap":"queue"}]`)
	schedule := func() api.Schedule {
		list := read[api.ScheduleList](r.call(http.MethodGet, "/api/v1/deployments/often/schedules", "").is(http.StatusOK))
		return list.Items[0]
	}
	eventually(t, func() bool { return schedule().Waiting != nil })
	ctx := browser(t)
	do(t, ctx, "the slots", chromedp.Navigate(r.url+"/#/deployments/often"),
		shows("#deployment-schedules li", "for the end of a run, the oldest since "))
}

// TestTheFormSendsATextAsItWasTyped: a browser makes a line end of what is pasted as a return and a line feed, and an empty
// field is not sent; every other text arrives as it is.
func TestTheFormSendsATextAsItWasTyped(t *testing.T) {
	r := start(t, withoutKeys)
	texts := []string{
		" ", "3.10", "007", "1e3", "0x1F", "12:30:00", "9007199254740993", "true", "yes", "no", "null", "~", "2026-01-01",
		" leading", "trailing ", "a\nb", "ends with a line\n", "\ttab\t", `"quoted"`, `'single'`, `back\slash`, `\n`, "a=b", "# no comment",
		"a: b", "- item", "*alias", "{}", `{"a": 1.0}`, "$HOME", "${HOME}", "pa$$word", "<b>&amp;</b>", "ünï", "e\u0301", "日本", "😀", "\u200b",
		"--flag", "%s%d", strings.Repeat("x", 3000),
	}
	var properties []string
	want := map[string]string{}
	for i, text := range texts {
		name := fmt.Sprintf("t%02d", i)
		properties = append(properties, fmt.Sprintf("%q:{\"type\":\"string\"}", name))
		want[name] = text
	}
	r.deploy("texts", `,"parameter_schema":{"type":"object","properties":{`+strings.Join(properties, ",")+`}}`)
	ctx := browser(t)
	do(t, ctx, "the form", chromedp.Navigate(r.url+"/#/deployments/texts"), shows("#deployment-title", "Deployment texts"))
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](fmt.Sprintf(`Object.entries(%s).every(([name, text]) => {
		const field = document.querySelector(`+"`[name=\"parameters.${name}\"]`"+`);
		field.value = text;
		return field.value === text;
	})`, encode(t, want)))); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, "the run", press("#deployment-form button"), shows("#run-title", "Run "))
	list := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "").is(http.StatusOK))
	run := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+list.Items[0].ID.String(), "").is(http.StatusOK)).Run
	var got map[string]string
	if err := json.Unmarshal(run.Parameters, &got); err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%q has arrived as %q", text, got[name])
		}
	}
}
