package server_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/internal/testenv"
)

// axe returns the source of axe-core, which is installed with the packages of the page.
func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("ui", "web", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		testenv.Missing(t, "the packages of the page are not installed: run make page")
	}
	return string(source)
}

// violation is what axe finds.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML string `json:"html"`
	} `json:"nodes"`
}

// someWorld fills a server with a little of everything. Names are long, written from right to left, and look like markup (G5).
func someWorld(r *running) (paths []string) {
	r.t.Helper()
	r.deploy("hello", `,"description":"<script>alert(1)</script> שלום 🚢","tags":["<b>bold</b>"],"schedules":[{"name":"nightly","cron":"30 2 * * *","timezone":"Europe/Berlin"}],`+
		`"parameter_schema":{"type":"object","properties":{"day":{"type":"string"},"rows":{"type":"integer","default":5}}}`)
	r.deploy(strings.Repeat("long-name-", 9), "")
	w := r.newWorker("w1")
	run := r.startRun("hello", `{"name":"<script>alert(1)</script>`+strings.Repeat("x", 100)+`"}`)
	claim := w.claimOne()
	w.begin(claim)
	w.write(claim, 0, "\x1b[31mred\x1b[0m\nERROR <img src=x onerror=alert(1)>\n")
	w.finish(claim, 1, "ERROR <img src=x>")
	narrow := strings.Repeat("narrow-", 12) + "x"
	r.deploy(narrow, `,"concurrency_limit":1`)
	r.startRun(narrow, `{"name":"<i>`+strings.Repeat("x", 100)+`"}`)
	w.begin(w.claimOne())
	waiting := r.startRun(narrow, `{}`)
	r.startRun("hello", `{}`)
	r.call(http.MethodPut, "/api/v1/variables/day", `{"value":"monday"}`)
	r.call(http.MethodPut, "/api/v1/rules/named", `{"expression":"true","message":"no"}`)
	id := run.ID.String()
	return []string{
		"/", "/runs", "/runs?state=FAILED", "/runs?text=nothing", "/runs/" + id, "/runs/" + id + "/events", "/runs/" + id + "/retry", "/runs/" + waiting.ID.String(), "/deployments",
		"/deployments/hello", "/deployments/hello/run", "/schedules", "/pools", "/pools/local", "/pools/local/template", "/variables", "/variables/set",
		"/keys", "/keys/new", "/audit", "/approvals", "/rules", "/rules/edit?rule=named", "/webhooks", "/search?q=hello", "/about", "/session", "/nothing",
	}
}

// prefers sets the colour scheme that the browser's user prefers.
func prefers(scheme string) step { return wishes("", "prefers-color-scheme", scheme) }

// wishes sets the medium, empty for the screen, and a preference of the browser's user.
func wishes(medium, name, value string) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: medium, Features: []*emulation.MediaFeature{{Name: name, Value: value}},
		})
		return err
	})
}

// notesFaults makes pages gather their errors, and what their policy refuses, in the array faults.
func notesFaults() step {
	const script = `globalThis.faults = [];
addEventListener("error", (e) => faults.push("error: " + e.message));
addEventListener("unhandledrejection", (e) => faults.push("rejection: " + e.reason));
document.addEventListener("securitypolicyviolation", (e) => faults.push("policy: " + e.violatedDirective + " " + e.blockedURI));`
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	})
}

// weight is what a browser that knows nothing yet loads for a page, compressed, in bytes.
func (r *running) weight(path string) int {
	r.t.Helper()
	size := func(path string) (int, string) {
		request := r.request("", http.MethodGet, path, "")
		request.Header.Set("Accept", "text/html")
		request.Header.Set("Accept-Encoding", "gzip")
		a := r.sendOnce(request)
		if a.header.Get("Content-Encoding") != "gzip" {
			return len(a.body), string(a.body)
		}
		plain, err := gzip.NewReader(bytes.NewReader(a.body))
		if err != nil {
			r.t.Fatal(err)
		}
		text, err := io.ReadAll(plain)
		if err != nil {
			r.t.Fatal(err)
		}
		return len(a.body), string(text)
	}
	total, text := size(path)
	for _, asset := range slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`assets/[^"]+`).FindAllString(text, -1)))) {
		n, _ := size("/" + asset)
		total += n
	}
	return total
}

// TestG3G4EveryPageIsAccessibleAndQuiet looks at every page in light and dark, wide and narrow: axe finds nothing, nothing is
// wider than the window, and the browser complains of nothing.
func TestG3G4EveryPageIsAccessibleAndQuiet(t *testing.T) {
	t.Parallel()
	source := axe(t)
	r := start(t, withoutKeys)
	paths := someWorld(r)
	ctx := browser(t)
	do(t, ctx, "note faults", notesFaults())
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 320} {
			for _, path := range paths {
				where := fmt.Sprintf("%s, %s, %d", path, scheme, width)
				do(t, ctx, where, chromedp.EmulateViewport(width, 900), prefers(scheme), chromedp.Navigate(r.url+path))
				if faults := evaluate[string](t, ctx, `faults.join("\n")`); faults != "" {
					t.Errorf("%s: %s", where, faults)
				}
				heading := evaluate[int](t, ctx, `document.querySelectorAll("h1").length`)
				if heading != 1 {
					t.Errorf("%s: %d headings", where, heading)
				}
				if wide := evaluate[int](t, ctx, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
					t.Errorf("%s: %d pixels wider than the window: %s", where, wide, evaluate[string](t, ctx,
						`[...document.querySelectorAll("main *, header *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre, berth-log")).slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(" ")`))
				}
				accessible(t, ctx, source, where)
			}
		}
	}
}

// accessible fails for what axe, whose source is given, finds on the page.
func accessible(t *testing.T, ctx context.Context, source, where string) {
	t.Helper()
	evaluate[bool](t, ctx, "(() => {"+source+"; return true; })()")
	var found []violation
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Errorf("%s: %s: %s: %s", where, v.ID, v.Help, v.Nodes[0].HTML)
	}
}

// TestG6PagesAreLight bounds what a browser loads: 60 KB for a page, compressed.
func TestG6PagesAreLight(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	for _, path := range someWorld(r) {
		if strings.HasSuffix(path, "/template") {
			continue // the editor has another bound
		}
		if size := r.weight(path); size > 60<<10 {
			t.Errorf("%s weighs %d bytes", path, size)
		}
	}
}
