package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

const nightOfBerlin = `,"schedules":[{"name":"night","cron":"30 0 * * *","timezone":"Europe/Berlin","parameters":{"rows":7,"note":"night"}}],` +
	`"parameter_schema":{"type":"object","properties":{"rows":{"type":"integer","default":5,"maximum":50},"note":{"type":"string"},"day":{"type":"string"}}}`

// TestF10ARunForEachSlot: the slots are those of the schedule, as its clocks show them, also where they are changed, with the
// values of the schedule under the typed ones; sent twice, each slot has one run.
func TestF10ARunForEachSlot(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", nightOfBerlin)
	r.deploy("none", "")
	const path = "/deployments/etl/run"
	r.page("/deployments/none/run").hasNot(`value="slots"`)
	r.page("/deployments/etl").has(`href="../deployments/etl/run?when=slots&amp;schedule=night"`)
	form := r.page(path+"?when=slots&schedule=night").is(http.StatusOK).has(`value="slots" checked`, "every day at 00:30 Europe/Berlin</option>")
	form.press(r, path, "run", "when", "slots").is(http.StatusUnprocessableEntity).has("write from when")
	slots := []string{"when", "slots", "schedule", "night", "first", "2024-03-30T00:00", "last", "2024-04-01T00:30"}
	shown := form.press(r, path, "preview", slots...).is(http.StatusOK).has("<h2>3 runs</h2>", "Sat 2024-03-30 00:30 &#43;01:00",
		"Sun 2024-03-31 00:30 &#43;01:00", "Mon 2024-04-01 00:30 &#43;02:00", "rows: 7", "note: &#34;night&#34;",
		"for at in 2024-03-29T23:30:00Z 2024-03-30T23:30:00Z 2024-03-31T22:30:00Z; do", "--timezone Europe/Berlin --at &#34;$at&#34;")
	done := shown.press(r, path, "run", "/parameters/note", "mine", "tags", "by-hand").is(http.StatusSeeOther)
	to, err := url.Parse(done.header.Get("Location"))
	if err != nil || to.Path != "../../runs" {
		t.Fatalf("leads to %v, %v", to, err)
	}
	shown.press(r, path, "run", "/parameters/note", "mine", "tags", "by-hand").is(http.StatusSeeOther)
	runs := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs?tag="+to.Query().Get("tag"), "")).Items
	if len(runs) != 3 {
		t.Fatalf("%d runs, want 3", len(runs))
	}
	r.page("/runs?" + to.RawQuery).is(http.StatusOK).has("3 found")
	if tags := runs[0].Tags; !slices.Contains(tags, "by-hand") {
		t.Errorf("tags %v", tags)
	}
	w, dates := r.newWorker("w1"), map[string]bool{}
	for range 3 {
		claim := w.claimOne()
		zone, err := time.LoadLocation(valueOr(claim.Timezone))
		if err != nil {
			t.Fatal(err)
		}
		dates[claim.ScheduledTime.In(zone).Format(time.DateOnly)] = true
		if given := string(claim.Parameters); given != `{"note":"mine","rows":7}` {
			t.Errorf("parameters %s", given)
		}
	}
	for _, date := range []string{"2024-03-30", "2024-03-31", "2024-04-01"} {
		if !dates[date] {
			t.Errorf("no run is for %s: %v", date, dates)
		}
	}
	shown.press(r, path, "run", "/parameters/note", "other", "tags", "by-hand").is(http.StatusConflict).has("Press Run once more")
}

func valueOr(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// TestF10WhatIsWrongWithSlotsStandsAtThem: times, and values that are refused, with the slot.
func TestF10WhatIsWrongWithSlotsStandsAtThem(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", nightOfBerlin)
	const path = "/deployments/etl/run"
	for _, wrong := range [][3]string{
		{"2024-03-02T00:00", "2024-03-01T00:00", "the end is before the beginning"},
		{"2024-03-02T00:00", "2099-03-01T00:00", "the end is in the future"},
		{"2024-03-01T01:00", "2024-03-01T02:00", "the schedule has no slot in this time"},
		{"1924-03-01T01:00", "2024-03-01T02:00", "more than 10,000 slots"},
	} {
		r.page(path).press(r, path, "run", "when", "slots", "first", wrong[0], "last", wrong[1]).is(http.StatusUnprocessableEntity).has(wrong[2])
	}
	refused := r.page(path).press(r, path, "run", "when", "slots", "first", "2024-03-01T00:00", "last", "2024-03-31T12:00", "/parameters/rows", "60")
	refused.is(http.StatusUnprocessableEntity).has("0 of 31 runs are started. The run of Fri 2024-03-01 00:30 &#43;01:00 was refused", `value="60"`)
	if !regexp.MustCompile(`name="/parameters/rows"[^>]*>[^~]*?must be at most 50`).Match(refused.body) {
		t.Error("the refusal is not at its field")
	}
	if runs := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "")).Items; len(runs) != 0 {
		t.Errorf("%d runs", len(runs))
	}
	r.call(http.MethodPost, "/api/v1/deployments/etl/runs", `{"timezone":"Europe/Berlim"}`).is(http.StatusBadRequest).has("/timezone", "IANA")
}

// TestF10ManySlotsAreStartedInParts: the browser goes on by itself, says how far it is, and ends at the list of the runs; what a
// lost connection interrupts goes on with the next press.
func TestF10ManySlotsAreStartedInParts(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("often", `,"schedules":[{"name":"hourly","cron":"0 * * * *"}]`)
	ctx := browser(t)
	do(t, ctx, "the form", chromedp.Navigate(r.url+"/deployments/often/run?when=slots&first=2024-03-01T00:00&last=2024-03-31T23:00"),
		shows("#slots h2", "744 runs"), shows("#slots", "Sun 2024-03-31 23:00 +00:00"))
	do(t, ctx, "a network that loses the second answer", chromedp.Evaluate[chromedp.Void](`void (() => {
		const real = XMLHttpRequest.prototype.send;
		let parts = 0;
		XMLHttpRequest.prototype.send = function (body) {
			if (body instanceof URLSearchParams && body.get("do") === "run" && ++parts === 2) this.onload = () => this.onerror();
			real.call(this, body);
		};
	})()`), press(`p.buttons button[value="run"]`), shows("#run-problem", "No response"), shows("#slots-progress", "250 of 744 runs are started."))
	do(t, ctx, "go on", press(`#slots-progress button`))
	arrives(t, ctx, "the list", waitForPath("/runs"))
	do(t, ctx, "all of them", shows("#counts", "744 found"))
	if n := read[api.RunCounts](r.call(http.MethodGet, "/api/v1/runs/count", "")).Total; n != 744 {
		t.Errorf("%d runs", n)
	}
}

// TestF10TheCommandHasATimeForEachSlot: as far as a line of a shell can.
func TestF10TheCommandHasATimeForEachSlot(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", nightOfBerlin)
	const path = "/deployments/etl/run"
	few := []string{"when", "slots", "first", "2024-03-01T00:00", "last", "2024-03-02T00:30"}
	r.page(path).press(r, path, "preview", few...).has("for at in 2024-02-29T23:30:00Z 2024-03-01T23:30:00Z; do\nberth deployment run etl --params -", "EOF\ndone</pre>")
	many := []string{"when", "slots", "first", "2023-03-01T00:00", "last", "2024-03-02T00:30"}
	r.page(path).press(r, path, "preview", many...).has("# 368 runs: this form starts them", "<h2>368 runs</h2>")
	var preview api.SchedulePreview
	if err := json.Unmarshal(r.call(http.MethodPost, "/api/v1/schedules/preview",
		`{"schedule":{"cron":"0 * * * *"},"count":1000,"after":"2024-01-01T00:00:00Z","until":"2024-01-01T03:00:00Z"}`).is(http.StatusOK).body, &preview); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(len(preview.Next), " ", preview.Next[2].Format(time.RFC3339)); got != "3 2024-01-01T03:00:00Z" {
		t.Errorf("the slots until a time are %s", strings.TrimSpace(got))
	}
}

const hourly = `,"schedules":[{"name":"hourly","cron":"0 * * * *"},{"name":"half","cron":"30 * * * *"}],` +
	`"parameter_schema":{"type":"object","properties":{"rows":{"type":"integer","default":5}}}`

// march asks for 744 slots, whose first 250 are done.
func march(form answer) url.Values {
	values := form.formValues()
	for name, value := range map[string]string{
		"when": "slots", "schedule": "hourly", "first": "2024-03-01T00:00", "last": "2024-03-31T23:00",
		"made": "250", "done": "2024-03-11T09:00:00Z", "done-of": "hourly 2024-03-01T00:00 2024-03-31T23:00",
	} {
		values.Set(name, value)
	}
	return values
}

func (r *running) runs() int64 {
	r.t.Helper()
	return read[api.RunCounts](r.call(http.MethodGet, "/api/v1/runs/count", "").is(http.StatusOK)).Total
}

// TestF10OnlyAPartThatWasStartedLeadsToTheNext: whoever changes the form in between, or types a wrong value, is asked again.
func TestF10OnlyAPartThatWasStartedLeadsToTheNext(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", hourly)
	const path, goOn = "/deployments/etl/run", "data-go-on"
	send := func(button string, typed ...string) answer {
		values := march(r.page(path))
		values.Set("do", button)
		for i := 0; i+1 < len(typed); i += 2 {
			values.Set(typed[i], typed[i+1])
		}
		return r.sendForm(path, values)
	}
	for _, button := range []string{"preview", "reset:/parameters/rows", "yaml"} {
		send(button).is(http.StatusOK).has("250 of 744 runs are started").hasNot(goOn)
	}
	send("run", "/parameters/rows", "many").is(http.StatusUnprocessableEntity).has("250 of 744 runs are started").hasNot(goOn)
	if n := r.runs(); n != 0 {
		t.Errorf("%d runs", n)
	}
	send("run").is(http.StatusOK).has("500 of 744 runs are started", goOn)
	if n := r.runs(); n != 250 {
		t.Errorf("%d runs, want the next 250", n)
	}
}

// TestF10WhatIsDoneIsOfOneScheduleAndTime: the slots of another schedule, or of an earlier beginning, are all started.
func TestF10WhatIsDoneIsOfOneScheduleAndTime(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", hourly)
	const path = "/deployments/etl/run"
	for _, other := range [][2]string{{"schedule", "half"}, {"first", "2024-02-29T00:00"}, {"last", "2024-03-30T23:00"}} {
		values := march(r.page(path))
		values.Set(other[0], other[1])
		values.Set("do", "preview")
		r.sendForm(path, values).is(http.StatusOK).has(`<div id="slots">`).hasNot("runs are started")
	}
	values := march(r.page(path))
	values.Set("schedule", "half")
	values.Set("do", "run")
	first := r.sendForm(path, values).is(http.StatusOK).has("250 of 743 runs are started", "data-go-on")
	if done := first.hiddenField("done"); done != "2024-03-11T09:30:00Z" {
		t.Errorf("done until %s", done)
	}
	first.press(r, path, "run").is(http.StatusOK).has("500 of 743 runs are started")
}

// TestF10ARefusedKeyKeepsWhatIsDone: with another key the next press starts what is left, and none a second time.
func TestF10ARefusedKeyKeepsWhatIsDone(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", hourly)
	const path = "/deployments/etl/run"
	values := march(r.page(path))
	values.Set("do", "run")
	r.sendForm(path, values).is(http.StatusOK).has("500 of 744 runs are started") // an answer that was lost
	values.Set("/parameters/rows", "6")
	refused := r.sendForm(path, values).is(http.StatusConflict).has("250 of 744 runs are started", "Press Run once more").hasNot("data-go-on")
	if done := refused.hiddenField("done"); done != "2024-03-11T09:00:00Z" {
		t.Errorf("done until %s", done)
	}
	refused.press(r, path, "run").is(http.StatusOK).has("500 of 744 runs are started", "data-go-on")
}

// TestF10WhatIsTypedAsYAMLIsRefusedWithAReason: fields that are not shown refuse nothing.
func TestF10WhatIsTypedAsYAMLIsRefusedWithAReason(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", `,"schedules":[{"name":"hourly","cron":"0 * * * *","parameters":{"day":"all"}}],`+
		`"parameter_schema":{"type":"object","properties":{"day":{"type":"string"},"rows":{"type":"integer"}},"required":["day"]}`)
	const path = "/deployments/etl/run"
	form := r.page(path).press(r, path, "preview", "when", "slots", "first", "2024-03-01T00:00", "last", "2024-03-01T01:00", "mode", "yaml",
		"yaml", "parameters:\n  rows: many\n").is(http.StatusOK)
	form.press(r, path, "run").is(http.StatusUnprocessableEntity).has("/parameters/rows", "0 of 2 runs are started")
	form.press(r, path, "run", "yaml", "parameters:\n  rows: 7\n").is(http.StatusSeeOther)
}

// TestF10AnHourThatClocksShowTwiceIsWhole: from its first moment, to its second.
func TestF10AnHourThatClocksShowTwiceIsWhole(t *testing.T) {
	r := start(t, withoutKeys)
	const path = "/deployments/etl/run"
	for _, of := range [][3]string{
		{"Europe/Berlin", "2024-10-27T02:00", "2024-10-27T00:00:00Z 2024-10-27T01:00:00Z"},
		{"America/New_York", "2024-11-03T01:30", "2024-11-03T05:30:00Z 2024-11-03T06:30:00Z"},
	} {
		r.deploy("etl", fmt.Sprintf(`,"schedules":[{"name":"often","cron":"*/30 * * * *","timezone":%q}]`, of[0]))
		first, last, _ := strings.Cut(of[2], " ")
		shown := r.page(path).press(r, path, "preview", "when", "slots", "first", of[1], "last", of[1]).is(http.StatusOK).has("<h2>3 runs</h2>")
		if !regexp.MustCompile(`for at in ` + first + ` \S+ ` + last + `; do`).Match(shown.body) {
			t.Errorf("%s: not from %s to %s:\n%s", of[0], first, last, shown.body)
		}
	}
}
