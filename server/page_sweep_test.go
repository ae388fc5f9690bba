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
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/ui"
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

// onlooker is a browser that looks at pages with axe.
type onlooker struct {
	t    *testing.T
	ctx  context.Context
	axe  string
	seen int
}

func newOnlooker(t *testing.T) *onlooker {
	t.Helper()
	l := &onlooker{t: t, axe: axe(t), ctx: browser(t)}
	do(t, l.ctx, "note faults", notesFaults())
	return l
}

// Widths of windows: a desk, a tablet, a telephone, and the narrowest that WCAG asks for.
const (
	desk      = 1280
	tablet    = 768
	telephone = 360
	narrowest = 320
)

// allRules are those of axe that a page keeps. Of them only the rules of colours depend on the scheme.
const (
	allRules    = `{type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}`
	colourRules = `{type: "rule", values: ["color-contrast", "link-in-text-block"]}`
)

// at looks at the page that the browser shows, in every width and scheme: axe finds nothing, nothing is wider than the window,
// and the browser complains of nothing.
func (l *onlooker) at(what string) {
	l.t.Helper()
	l.seen++
	if faults := evaluate[string](l.t, l.ctx, `faults.join("\n")`); faults != "" {
		l.t.Errorf("%s: %s", what, faults)
	}
	if n := evaluate[int](l.t, l.ctx, `document.querySelectorAll("h1").length`); n != 1 {
		l.t.Errorf("%s: %d headings", what, n)
	}
	evaluate[bool](l.t, l.ctx, "(() => {"+l.axe+"; return true; })()")
	for _, width := range []int64{narrowest, desk, tablet, telephone} {
		do(l.t, l.ctx, what, chromedp.EmulateViewport(width, 900))
		if wide := evaluate[int](l.t, l.ctx, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
			l.t.Errorf("%s, %d: %d pixels wider than the window: %s", what, width, wide, evaluate[string](l.t, l.ctx,
				`[...document.querySelectorAll("main *, header *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre, berth-log")).slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(" ")`))
		}
		if width == narrowest {
			continue
		}
		for scheme, rules := range map[string]string{"light": allRules, "dark": colourRules} {
			do(l.t, l.ctx, what, prefers(scheme))
			violations(l.t, l.ctx, rules, fmt.Sprintf("%s, %s, %d", what, scheme, width))
		}
	}
	do(l.t, l.ctx, what, chromedp.EmulateViewport(desk, 900), prefers("light"))
}

// TestG3G4EveryPageIsAccessibleAndQuiet looks at every page: with a little of everything, whose names are hostile, with
// nothing, and with what is wrong.
func TestG3G4EveryPageIsAccessibleAndQuiet(t *testing.T) {
	t.Parallel()
	l := newOnlooker(t)
	full := start(t, withoutKeys)
	routes := ui.New(ui.Options{}).Routes()
	asked := 0
	for _, path := range someWorld(full) {
		if isQuestion(path) {
			if asked++; asked > 3 {
				continue // they are one template
			}
		}
		steps := []step{chromedp.Navigate(full.url + path)}
		switch routeOf(routes, http.MethodGet, path) {
		case "/pools/{pool}/template":
			steps = append(steps, ready, write(replaced("{{ memory_limit }}", "{{ memory_limt }}")), shows("#findings li", "25:26"))
		case "/runs/{run}":
			steps = append(steps, shows("#log .text, #run-wait", ""))
		}
		do(t, l.ctx, path, steps...)
		l.at("full " + path)
	}

	empty := start(t, withoutKeys)
	for _, path := range emptyPaths {
		do(t, l.ctx, path, chromedp.Navigate(empty.url+path))
		l.at("empty " + path)
	}

	for _, path := range []string{
		"/runs?from=yesterday", "/runs/nothing", "/deployments/nothing", "/pools/nothing", "/schedules?view=week&zone=Mars",
		"/runs/bulk?do=cancel", "/pools/local/template/versions/99", "/nothing",
	} {
		do(t, l.ctx, path, chromedp.Navigate(full.url+path), shows("main [role=alert]", ""))
		l.at("error " + path)
	}
	for path, wrong := range map[string][]step{
		"/variables/set": {chromedp.SendKeys(chromedp.CSS("[name=name]"), "bad name!")},
		"/keys/new":      {chromedp.SendKeys(chromedp.CSS("[name=name]"), "k"), chromedp.SendKeys(chromedp.CSS("[name=expires]"), "soon")},
		"/rules/edit":    {chromedp.SendKeys(chromedp.CSS("[name=rule]"), "r"), chromedp.SendKeys(chromedp.CSS("[name=expression]"), "has(")},
	} {
		do(t, l.ctx, path, append([]step{chromedp.Navigate(full.url + path)}, append(wrong, submits)...)...)
		arrives(t, l.ctx, path, shows("main [role=alert]", ""))
		l.at("refused " + path)
	}

	guarded := start(t)
	do(t, l.ctx, "a wrong key", chromedp.Navigate(guarded.url+"/keys"), chromedp.SendKeys(chromedp.CSS("#key"), "berth_wrong"), submits)
	arrives(t, l.ctx, "a wrong key", shows("main [role=alert]", "no valid API key"))
	l.at("a wrong key")
	do(t, l.ctx, "a viewer", chromedp.Navigate(guarded.url+"/session?to=keys"),
		chromedp.SendKeys(chromedp.CSS("#key"), guarded.makeKey("v", api.RoleViewer)), submits)
	arrives(t, l.ctx, "a viewer", shows("main", "You are v (viewer)"))
	l.at("what a viewer may not see")
	t.Logf("%d pages", l.seen)
}

// submits sends the form of the page past what the browser itself would refuse.
var submits = holds(`() => { const form = document.querySelector("main form[method=post]"); form.noValidate = true; form.requestSubmit(); return true; }`)

// accessible fails for what axe, whose source is given, finds on the page.
func accessible(t *testing.T, ctx context.Context, source, where string) {
	t.Helper()
	evaluate[bool](t, ctx, "(() => {"+source+"; return true; })()")
	violations(t, ctx, allRules, where)
}

// violations fails for what rules of axe, which the page has loaded, find.
func violations(t *testing.T, ctx context.Context, rules, where string) {
	t.Helper()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		`axe.run(document, {runOnly: `+rules+`, resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	var found []violation
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
