package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/firefoxtest"
	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/ui"
)

// placesCaret puts the caret of the editor behind a text.
const placesCaret = `(text) => { const { view } = document.getElementById("source");
	view.dispatch({ selection: { anchor: view.state.doc.toString().indexOf(text) + text.length }, scrollIntoView: true }); view.focus(); return true; }`

// TestFirefoxPassesTheMainStories: a day of one person at the page, with mouse and keyboard, in the other engine. No page of it
// writes an error or does what its policy forbids.
func TestFirefoxPassesTheMainStories(t *testing.T) {
	t.Parallel()
	if !ui.Built() {
		testenv.Missing(t, "the scripts of the page are not built: run make page")
	}
	b := firefoxtest.Start(t)
	r := start(t)
	r.saveText(aText, "")
	r.deploy("hello", `,"schedules":[{"name":"nightly","cron":"30 2 * * *","timezone":"Europe/Berlin"}],`+
		`"parameter_schema":{"type":"object","required":["day"],"properties":{"day":{"type":"string"},"rows":{"type":"integer","default":5}}},`+
		`"parameters":{"day":"monday"}`)
	run := r.startRun("hello", `{"name":"the run"}`)
	r.startRun("hello", `{"name":"another"}`)
	story := func(name string, tell func()) {
		t.Log(name)
		tell()
		for _, fault := range b.Faults() {
			t.Errorf("%s: the browser reports %s", name, fault)
		}
	}

	story("sign in, which leads back", func() {
		b.Open(r.url + "/runs?state=SCHEDULED")
		b.Shows("h1", "Sign in")
		b.Press("#key")
		b.Type(r.makeKey("ada", api.RoleAdmin) + firefoxtest.Enter)
		b.Shows(".chips", "state: SCHEDULED")
		b.Until("no key is stored (G11)", `() => !(JSON.stringify({...localStorage}) + JSON.stringify({...sessionStorage}) + document.cookie).includes("berth_")`)
	})
	story("overview", func() {
		b.Press(`nav a[href$="./"]`)
		b.Shows("h1", "Overview")
		b.Shows("#link", "live")
	})
	story("runs with a filter that is in the address", func() {
		b.Press(`nav a[href$="runs"]`)
		b.Shows("#counts", "2 found")
		b.Press("[name=text]")
		b.Type("the run" + firefoxtest.Enter)
		b.Shows("#counts", "1 found")
		b.Reload()
		b.Shows("#counts", "1 found")
		b.Hides("td", "another")
	})
	story("a run that goes on while one looks", func() {
		b.Press("a.row-link")
		b.Shows("h1", "the run")
		b.Shows("#run-state", "Scheduled")
		b.Shows("#link", "live")
		w := r.newWorker("w1")
		claim := w.claimOne()
		if claim.RunID != run.ID {
			t.Fatalf("claimed %s", claim.RunName)
		}
		w.begin(claim)
		b.Shows("#run-state", "Running")
		w.write(claim, 0, "\x1b[31mred\x1b[0m <b>text</b>\n")
		b.Shows("#log .row .text span.f1", "red")
		b.Shows("#log .row .text", "red <b>text</b>")
		w.write(claim, int64(len("\x1b[31mred\x1b[0m <b>text</b>\n")), strings.Repeat("a line\n", 5000))
		b.Shows("#log [role=status]", "5,001 lines")
		b.Press("#log input[type=search]")
		b.Type("<b>")
		b.Shows("#log mark", "<b>")
	})
	story("cancel by a dialog", func() {
		b.Press("#run-actions [data-dialog]")
		b.Shows("dialog[open] h1", "Cancel")
		b.Type(firefoxtest.Escape)
		b.Hides("dialog", "Cancel")
		b.Press("#run-actions [data-dialog]")
		b.Press("dialog[open] button.danger")
		b.Shows("#run-state", "Cancelling")
	})
	story("a run started by its form", func() {
		b.Press(`nav a[href$="deployments"]`)
		b.Press(`td a[href$="deployments/hello"]`)
		b.Press(`a[href$="deployments/hello/run"]`)
		b.Press(`input[name$="rows"]`)
		b.Type("7")
		b.Shows("#preview pre", "rows")
		b.Press(`button[value=run]`)
		b.Shows("#run-parameters", `"rows": 57`)
		b.Shows("#run-state", "Scheduled")
	})
	story("a template with a mark, its fix, and a new version", func() {
		b.Press(`nav a[href$="pools"]`)
		b.Press(`td a[href$="pools/local/template"]`)
		b.Shows("#verdict", "valid")
		b.Until("the caret in a name", placesCaret, "'{{ memory_lim")
		b.Type(firefoxtest.Delete)
		b.Shows("#findings li", `25:26 "memory_limt" is not declared`)
		b.Until("a mark", `() => [...document.getElementById("source").shadowRoot.querySelectorAll(".cm-lintRange")].some((one) => one.textContent.includes("memory_limt"))`)
		b.Press("#findings li button.small")
		b.Shows("#verdict", "valid")
		b.Until("the caret behind a comment", placesCaret, "# small")
		b.Type(" indeed")
		b.Press("#save")
		b.Press("#comment")
		b.Type("says it is small")
		b.Press("#save-now")
		b.Shows("#newest", "version 3")
		if now := r.templateNow(); now.Source != replaced("# small", "# small indeed") || now.Comment != "says it is small" {
			t.Errorf("saved (%s)\n%s", now.Comment, now.Source)
		}
	})
	story("schedules as a list and as a week", func() {
		b.Press(`nav a[href$="schedules"]`)
		b.Shows("td", "02:30 CE")
		b.Press(`main a[href*="view=week"]`)
		b.Shows("table.calendar .slot", ":30") // in UTC, summer and winter
	})
	story("sign out", func() {
		b.Press(".menu summary")
		b.Shows(".menu", "ada")
		b.Press(".menu form button")
		b.Shows("h1", "Signed out")
		b.Open(r.url + "/runs")
		b.Shows("h1", "Sign in")
	})
	r.page("/runs/"+run.ID.String(), "Authorization", "Bearer "+r.admin).is(http.StatusOK).has("cancelled by ada")
}
