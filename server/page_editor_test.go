package server_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/ui"
)

// until waits until a function of the page returns true.
func until(function string, args ...any) step {
	return chromedp.PollFunction[chromedp.Void](function, chromedp.WithPollingArgs(args...), chromedp.WithPollingTimeout(patience))
}

// openEditor opens the editor of the pool `local` in a browser, and fails the test for any error that the page reports (G4).
func (r *running) openEditor() context.Context {
	r.t.Helper()
	if !ui.Built() {
		testenv.Missing(r.t, "the scripts of the page are not built: run make page")
	}
	ctx := browser(r.t)
	do(r.t, ctx, "the browser", chromedp.Navigate("about:blank"))
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			r.t.Errorf("the page threw %s: %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		case *log.EventEntryAdded:
			// The browser reports each refusal of the API as an error, also where the page shows it.
			if e.Entry.Level == log.EntryLevelError && e.Entry.Source != log.EntrySourceNetwork {
				r.t.Errorf("the console says: %s", e.Entry.Text)
			}
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	do(r.t, ctx, "the editor", chromedp.Navigate(r.url+"/pools/local/template"), ready)
	return ctx
}

var ready = until(`() => document.getElementById("template")?.dataset.ready !== undefined`)

// write replaces the text of the editor.
func write(text string) step {
	return until(`(text) => { document.getElementById("source").edit(text); return true; }`, text)
}

// in waits until a text stands in the shadow root of an element.
func in(id, text string) step {
	return until(`(id, text) => document.getElementById(id).shadowRoot?.textContent.includes(text) ?? false`, id, text)
}

// marked waits until a mark of the editor covers a text.
func marked(text string) step {
	return until(`(text) => [...document.getElementById("source").shadowRoot.querySelectorAll(".cm-lintRange")].some((one) => one.textContent.includes(text))`, text)
}

// caret puts the caret of the editor behind a text.
func caret(text string) step {
	return until(placesCaret, text)
}

const editorText = `document.getElementById("source").value`

func replaced(old, with string) string { return strings.Replace(aText, old, with, 1) }

// withText is a server whose template is aText.
func withText(t *testing.T) *running {
	t.Helper()
	r := start(t, withoutKeys)
	r.saveText(aText, "")
	return r
}

func TestT1FindingsAreMarkedAndFixed(t *testing.T) {
	ctx := withText(t).openEditor()
	do(t, ctx, "a wrong name", shows("#verdict", "valid"), in("job", "memory: 64Mi"),
		write(replaced("{{ memory_limit }}", "{{ memory_limt }}")),
		shows("#findings li", `25:26 "memory_limt" is not declared`), marked("memory_limt"),
		until(`() => document.getElementById("job").classList.contains("stale")`), in("job", "memory: 64Mi"))
	do(t, ctx, "the next finding by F8", caret("etl:1"), chromedp.KeyEvent(kb.F8),
		until(`() => { const { view } = document.getElementById("source"); return view.state.doc.lineAt(view.state.selection.main.head).number === 25; }`))
	do(t, ctx, "its fix", press("#findings li button.small"), shows("#verdict", "valid"),
		until(`() => !document.getElementById("job").classList.contains("stale")`))
	if text := evaluate[string](t, ctx, editorText); text != aText {
		t.Errorf("the fix made\n%s", text)
	}
	do(t, ctx, "broken YAML", write(replaced("  type: object", "  type: [object")), shows("#verdict", "error"),
		until(`() => document.getElementById("source").shadowRoot.querySelector(".cm-lintRange-error") !== null`),
		until(`() => document.getElementById("job").classList.contains("stale")`))
}

func TestT2NamesAreCompleted(t *testing.T) {
	ctx := withText(t).openEditor()
	offered := func(text string) step {
		return until(`(text) => [...document.getElementById("source").shadowRoot.querySelectorAll(".cm-tooltip-autocomplete li")].some((one) => one.textContent.includes(text))`, text)
	}
	do(t, ctx, "a variable", caret(`image: "{{ `), chromedp.KeyEvent("mem"), offered("memory_limit"))
	do(t, ctx, "a function", write(aText), caret(`image: "{{ `), chromedp.KeyEvent("quant"), offered("quantity"))
	do(t, ctx, "a member of ctx", write(aText), caret(`image: "{{ `), chromedp.KeyEvent("ctx.run.n"), offered("ctx.run.name"))
	do(t, ctx, "a field of the container", write(replaced("- name: job\n", "- name: job\n            image\n")),
		caret("            image"), chromedp.KeyEvent("Pull"), offered("imagePullPolicy"))
	do(t, ctx, "it is taken", until(`() => {
		const { shadowRoot: root, value } = document.getElementById("source");
		root.querySelector(".cm-tooltip-autocomplete li")?.dispatchEvent(new MouseEvent("mousedown", { bubbles: true }));
		return value.includes("            imagePullPolicy: ");
	}`))
	do(t, ctx, "a key of the template", write(replaced("variables:\n", "fr\nvariables:\n")), caret("\nfr"), chromedp.KeyEvent("oz"), offered("frozen"))
}

func TestT2AWordIsExplainedUnderThePointer(t *testing.T) {
	ctx := withText(t).openEditor()
	over := func(text string) step {
		return until(`(text) => {
			const { view, shadowRoot: root } = document.getElementById("source");
			const at = view.coordsAtPos(view.state.doc.toString().indexOf(text) + 1);
			const under = at && root.elementFromPoint(at.left + 2, (at.top + at.bottom) / 2);
			if (!under || !view.contentDOM.contains(under)) return false;
			const event = (x, y) => new MouseEvent("mousemove", { bubbles: true, composed: true, clientX: x, clientY: y });
			view.contentDOM.dispatchEvent(event(1, 1)); // away from what was under it
			under.dispatchEvent(event(at.left + 2, (at.top + at.bottom) / 2));
			return true;
		}`, text)
	}
	said := func(text string) step {
		return until(`(text) => document.getElementById("source").shadowRoot.querySelector(".cm-word")?.textContent.includes(text) ?? false`, text)
	}
	do(t, ctx, "a variable", caret("memory_limit }}"), over("memory_limit }}"), said("What a container may use"), said(`default "64Mi"`))
	do(t, ctx, "a field of Kubernetes", caret("resources:"), over("resources:"), said("Compute Resources required by this container"))
	do(t, ctx, "a key of the template", caret("job_configuration:"), over("job_configuration:"), said("."))
	do(t, ctx, "a function", write(replaced("{{ image }}", "{{ .image | upper }}")), caret("upper }}"), over("upper }}"), said("upper"))
}

func TestT3TheJobIsThatOfTheChosenDeployment(t *testing.T) {
	r := withText(t)
	r.deploy("big", `,"job_variables":{"memory_limit":"9Gi"}`)
	ctx := r.openEditor()
	do(t, ctx, "of a sample", in("job", "memory: 64Mi"), write(replaced("64Mi", "77Mi")), in("job", "memory: 77Mi"))
	do(t, ctx, "of a deployment", chromedp.SetValue(chromedp.CSS("#deployment"), "big"),
		until(`() => { document.getElementById("deployment").dispatchEvent(new Event("change")); return true; }`), in("job", "memory: 9Gi"))
}

func TestT4TheDifferenceToAnyVersionIsShown(t *testing.T) {
	r := withText(t)
	r.saveText(replaced("64Mi", "65Mi"), "more")
	ctx := r.openEditor()
	do(t, ctx, "to the newest", write(replaced("64Mi", "66Mi")), press("#tab-diff"), in("diff", "65Mi"), in("diff", "66Mi"))
	do(t, ctx, "to an older one", chromedp.SetValue(chromedp.CSS("#against"), "2"),
		until(`() => { document.getElementById("against").dispatchEvent(new Event("change")); return true; }`), in("diff", "64Mi"))
	do(t, ctx, "the history", press("#tab-history"), shows("#history li", "version 3"), shows("#history li", ": more"),
		press(`#history a[href="template/rollback/2"]`), shows("dialog h1", "to version 2"), shows("dialog p", "saved again as version 4"))
}

func TestT5ImpactIsShownAndBreakingAsksFirst(t *testing.T) {
	r := withText(t)
	r.deploy("big", `,"job_variables":{"memory_limit":"9Gi"}`)
	r.deploy("plain", "")
	ctx := r.openEditor()
	narrow := replaced(`{type: string, default: "64Mi",`, `{type: string, enum: [65Mi], default: "65Mi",`)
	do(t, ctx, "the impact", write(narrow), shows("#impact-count", "1 break, 1 change"), press("#tab-impact"),
		shows("#impact-text", "2 deployments: 0 keep their Job, 1 get another Job, 1 can make none (1 of them only with this change)."),
		press("#impact details.broken summary"), shows("#impact details.broken .problem", "65Mi"),
		press("#impact details.changed summary"), shows("#impact details.changed .added", "memory: 65Mi"))
	do(t, ctx, "the question", press("#save"), shows("#save-dialog h2", "version 3"), shows("#save-breaks li", "big: "),
		shows("#break-label", "Break 1 deployment"), until(`() => document.getElementById("save-now").disabled`))
	if now := r.templateNow(); now.Version != 2 {
		t.Errorf("version %d was saved before the question was answered", now.Version)
	}
	do(t, ctx, "the answer", press("#break"), press("#save-now:enabled"), shows("#newest", "version 3"))
	if now := r.templateNow(); now.Version != 3 || now.Source != narrow {
		t.Errorf("version %d:\n%s", now.Version, now.Source)
	}
}

func TestT6TheEditorKeepsTheTextByteForByte(t *testing.T) {
	for name, breaks := range map[string]string{"LF": "\n", "CR LF": "\r\n"} {
		t.Run(name, func(t *testing.T) {
			r := start(t, withoutKeys)
			before := strings.ReplaceAll(aText, "\n", breaks) + breaks + breaks
			r.saveText(before, "")
			ctx := r.openEditor()
			if text := evaluate[string](t, ctx, editorText); text != before {
				t.Errorf("the editor shows %q", text)
			}
			do(t, ctx, "a line more", caret("# small"), chromedp.KeyEvent(" indeed"), shows("#verdict", "valid"), press("#save:enabled"),
				chromedp.SendKeys(chromedp.CSS("#comment"), "says it is small"), press("#save-now:enabled"), shows("#newest", "version 3"))
			want := strings.Replace(before, "# small", "# small indeed", 1)
			if now := r.templateNow(); now.Source != want || now.Comment != "says it is small" {
				t.Errorf("saved %q (%s), want %q", now.Source, now.Comment, want)
			}
			do(t, ctx, "nothing to save", until(`() => document.getElementById("save").disabled`))
		})
	}
}

func TestT7ASecondPersonsVersionIsMerged(t *testing.T) {
	r := withText(t)
	ctx := r.openEditor()
	mine := replaced("etl:1", "etl:2")
	do(t, ctx, "my change", write(mine), shows("#verdict", "valid"))
	r.saveText(replaced("64Mi", "65Mi"), "theirs")
	do(t, ctx, "what the page says", shows("#conflict", "anonymous has saved version 3 meanwhile: theirs"))
	do(t, ctx, "what saving says", press("#save:enabled"), press("#save-now:enabled"), shows("#save-problem", "version 3"))
	if now := r.templateNow(); now.Version != 3 {
		t.Fatalf("version %d: their version was overwritten", now.Version)
	}
	if text := evaluate[string](t, ctx, editorText); text != mine {
		t.Errorf("my text has become\n%s", text)
	}
	do(t, ctx, "the merge", press("#save-problem button"), shows("#merge-title", "version 3"), in("merge-view", "65Mi"),
		press("#merge-theirs"), in("merge-diff", "65Mi"), press("#merge-take"), shows("#merge-note", "1 change of theirs taken."),
		press("#merge-done"), shows("#verdict", "valid"), press("#save:enabled"), press("#save-now:enabled"), shows("#newest", "version 4"))
	if now := r.templateNow(); now.Source != strings.Replace(mine, "64Mi", "65Mi", 1) {
		t.Errorf("saved\n%s", now.Source)
	}
}

func TestT8UnsavedTextSurvivesAReload(t *testing.T) {
	r := withText(t)
	ctx := r.openEditor()
	mine := aText + "# not saved yet\n"
	do(t, ctx, "a change", write(mine), chromedp.Navigate(r.url+"/pools/local"), shows("h1", "local"),
		chromedp.Navigate(r.url+"/pools/local/template"), ready, shows("#draft", "your unsaved text"), shows("#draft", "version 2"))
	if text := evaluate[string](t, ctx, editorText); text != mine {
		t.Errorf("the editor has\n%s", text)
	}
	r.saveText(replaced("64Mi", "65Mi"), "")
	do(t, ctx, "after another has saved", chromedp.Reload(), ready, shows("#conflict", "version 3 meanwhile"))
	if text := evaluate[string](t, ctx, editorText); text != mine {
		t.Errorf("the editor has\n%s", text)
	}
	do(t, ctx, "without it", press("#draft button"), until(`() => document.getElementById("source").value.includes("65Mi")`),
		until(`() => document.getElementById("draft").hidden`), chromedp.Reload(), ready)
	if text := evaluate[string](t, ctx, editorText); text != replaced("64Mi", "65Mi") {
		t.Errorf("after it was discarded, the editor has\n%s", text)
	}
}

func TestT9TabLeavesTheEditorAfterEscape(t *testing.T) {
	ctx := withText(t).openEditor()
	const inEditor = `document.activeElement.id === "source"`
	do(t, ctx, "Tab indents", caret("# the jobs of the data team"), chromedp.KeyEvent(kb.Tab),
		until(`() => document.getElementById("source").value !== "" && `+inEditor))
	do(t, ctx, "Escape, Tab", chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Tab), until(`() => !(`+inEditor+`)`))
}

func TestT11AViewersEditorIsReadOnly(t *testing.T) {
	r := start(t)
	viewer := r.makeKey("me", api.RoleViewer)
	if !ui.Built() {
		testenv.Missing(t, "the scripts of the page are not built: run make page")
	}
	ctx := browser(t)
	do(t, ctx, "the sign-in", chromedp.Navigate(r.url+"/session?to="+url.QueryEscape("pools/local/template")),
		chromedp.SendKeys(chromedp.CSS("#key"), viewer), press("main button"))
	arrives(t, ctx, "the editor", ready)
	do(t, ctx, "what it shows", shows(".bar", "needs the role editor"),
		until(`() => document.getElementById("save") === null && document.getElementById("save-dialog") === null`),
		until(`() => document.getElementById("source").shadowRoot.querySelector(".cm-content").getAttribute("contenteditable") === "false"`))
}

func TestT13MarksStandInJSONAndInTextManifests(t *testing.T) {
	ctx := withText(t).openEditor()
	json := strings.ReplaceAll(aTemplate(256, "{{ memroy }}Mi"), "\t", "  ")
	do(t, ctx, "JSON", write(json), shows("#findings li", "memroy"), marked("memroy"))
	do(t, ctx, "a text manifest", write(`variables:
  type: object
  properties: {image: {type: string, default: 'etl:1'}}
job_configuration:
  job_manifest: |
    apiVersion: batch/v1
    kind: Job
    spec:
      template:
        spec:
          containers:
          - name: job
            image: {{ imgae }}
`), shows("#findings li", `13:`), marked("imgae"))
}

func TestG6TheEditorWeighsLessThan260KB(t *testing.T) {
	if !ui.Built() {
		testenv.Missing(t, "the scripts of the page are not built: run make page")
	}
	r := withText(t)
	weigh := func(path string) (int64, string) {
		request := r.request("", http.MethodGet, path, "")
		request.Header.Set("Accept-Encoding", "gzip") // so that it is not unpacked
		request.Header.Set("Accept", "text/html, application/json")
		response, err := r.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		packed, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d, %v", path, response.StatusCode, err)
		}
		text := string(packed)
		if response.Header.Get("Content-Encoding") == "gzip" {
			unpack, err := gzip.NewReader(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			unpacked, err := io.ReadAll(unpack)
			if err != nil {
				t.Fatal(err)
			}
			text = string(unpacked)
		}
		return int64(len(packed)), text
	}
	sum, page := weigh("/pools/local/template")
	for _, asset := range regexp.MustCompile(`(?:src|href|data-changes)="[./]*(/assets/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		bytes, _ := weigh(asset[1])
		sum += bytes
	}
	for _, call := range []string{"language", "work-pools/local/template", "work-pools/local/template/versions?limit=20"} {
		bytes, _ := weigh("/api/v1/" + call)
		sum += bytes
	}
	const most = 260 << 10
	if t.Log("bytes: " + strconv.FormatInt(sum, 10)); sum > most || sum < 100<<10 {
		t.Errorf("%d bytes, want at most %d", sum, most)
	}
}
