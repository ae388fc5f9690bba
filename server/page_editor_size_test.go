package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/server/api"
)

// wideTemplate is a template of a number of bytes with 300 variables, which are all used.
func wideTemplate(bytes int) string {
	var variables, env strings.Builder
	const n = 300
	filling := strings.Repeat("# what it is for, in words that say nothing \n", max(1, (bytes-27_000)/45/n))
	for i := range n {
		fmt.Fprintf(&variables, "    v%03d: {type: string, default: \"%d\"}\n%s", i, i, filling)
		fmt.Fprintf(&env, "            - {name: V%03d, value: \"{{ v%03d }}\"}\n", i, i)
	}
	text := strings.Replace(aText, "    image:\n", variables.String()+"    image:\n", 1)
	return strings.Replace(text, "            args:\n", "            env:\n"+env.String()+"            args:\n", 1)
}

// slowestKey types twenty characters and returns the longest time in milliseconds from a key to the next picture.
func slowestKey(t testing.TB, ctx context.Context) float64 {
	t.Helper()
	do(t, ctx, "typing", until(typing), until(`() => window.worst !== undefined`))
	return evaluate[float64](t, ctx, `(() => { const { worst } = window; delete window.worst; return worst; })()`)
}

const typing = `() => { void (async () => {
	const { view } = document.getElementById("source");
	view.focus();
	let worst = 0;
	for (let i = 0; i < 20; i++) {
		const at = view.state.selection.main.head;
		const begun = performance.now();
		view.dispatch({ changes: { from: at, insert: "x" }, selection: { anchor: at + 1 }, userEvent: "input.type" });
		await new Promise((done) => requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0); }));
		worst = Math.max(worst, performance.now() - begun);
		await new Promise((done) => setTimeout(done, 30));
	}
	window.worst = worst;
})(); return true; }`

func TestT10AKeyIsPaintedSoonInATemplateOf300KB(t *testing.T) {
	r := start(t, withoutKeys)
	text := wideTemplate(300_000)
	if len(text) < 290_000 {
		t.Fatalf("the template has %d bytes", len(text))
	}
	r.saveText(text, "")
	ctx := r.openEditor()
	do(t, ctx, "the middle", caret("    v150: {type: string, default: \"150\"}\n# what it"), until(`() => document.getElementById("verdict").textContent.includes("valid")`))
	worst := slowestKey(t, ctx)
	t.Logf("from a key to its picture: %.0f ms at most", worst)
	const most = 500 // ten times the limit
	if worst > most {
		t.Errorf("a key took %.0f ms", worst)
	}
	if nodes := evaluate[int](t, ctx, `document.getElementById("source").shadowRoot.querySelectorAll("*").length`); nodes > 2000 {
		t.Errorf("the editor has %d elements", nodes)
	}
}

func TestT5TheImpactOnAThousandDeploymentsComesInPages(t *testing.T) {
	r := withText(t)
	const n = 1000
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"name":"d%04d","pool":"local"}`, i))
	}
	const together = 100
	for i := 0; i < n; i += together {
		r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[`+strings.Join(all[i:i+together], ",")+`]}`).is(http.StatusOK)
	}
	r.deploy("d0001", `,"job_variables":{"memory_limit":"9Gi"}`)
	ctx := r.openEditor()
	do(t, ctx, "the count of answers", until(`() => {
		window.sizes = []; window.open_ = 0; window.most = 0;
		const ask = fetch;
		window.fetch = async (url, ...rest) => {
			window.most = Math.max(window.most, ++window.open_);
			try {
				const answer = await ask(url, ...rest);
				if (String(url).includes("/impact")) sizes.push((await answer.clone().json()).items.length);
				return answer;
			} finally { window.open_--; }
		};
		return true;
	}`))
	narrow := replaced(`{type: string, default: "64Mi",`, `{type: string, enum: [65Mi], default: "65Mi",`)
	do(t, ctx, "the impact", write(narrow), press("#tab-impact"),
		shows("#impact-text", "1000 deployments: 0 keep their Job, 999 get another Job, 1 can make none (1 of them only with this change)."),
		until(`() => document.querySelectorAll("#impact details").length === 50`),
		press("#impact > button"), until(`() => document.querySelectorAll("#impact details").length === 100`),
		press("#impact details.broken summary"), shows("#impact details.broken .problem", "65Mi"),
		press("#impact details.changed summary"), shows("#impact details.changed .added", "memory: 65Mi"))
	if sizes := evaluate[string](t, ctx, `JSON.stringify(sizes)`); sizes != "[50,50]" {
		t.Errorf("pages of %s deployments were asked for", sizes)
	}
	// What is typed is there at once, whatever the server works on.
	do(t, ctx, "typing", caret("# small"))
	worst := slowestKey(t, ctx)
	t.Logf("from a key to its picture: %.0f ms at most", worst)
	if worst > 500 {
		t.Errorf("a key took %.0f ms", worst)
	}
	do(t, ctx, "it is checked", chromedp.Evaluate[chromedp.Void](`document.getElementById("tab-job").click()`), shows("#verdict", "valid"),
		shows("#impact-count", "999 change"))
	if text := evaluate[string](t, ctx, editorText); !strings.Contains(text, "# small"+strings.Repeat("x", 20)) {
		t.Errorf("the editor has\n%s", text)
	}
	if page := read[api.TemplateImpact](r.call(http.MethodPost, templatePath+"/impact?limit=7", encode(t, api.TemplateComparison{Source: narrow})).is(http.StatusOK)); len(page.Items) != 7 || page.NextCursor == nil {
		t.Errorf("a page has %d deployments", len(page.Items))
	}
}

// TestG6TheEditorLoadsWhatComparesTextsWhenItIsLookedAt: what it needs at once is asked for together, the rest with the tab.
func TestG6TheEditorLoadsWhatComparesTextsWhenItIsLookedAt(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.saveText(aText, "")
	if n := strings.Count(string(r.page("/pools/local/template").body), `rel="modulepreload"`); n != 1 {
		t.Errorf("%d scripts are loaded beside the editor's, want 1", n)
	}
	const loaded = `performance.getEntriesByType("resource").filter(({ name }) => /\/compare-/.test(name)).length`
	ctx := browser(t)
	do(t, ctx, "the editor", chromedp.Navigate(r.url+"/pools/local/template"), ready)
	if n := evaluate[int](t, ctx, loaded); n != 0 {
		t.Errorf("%d scripts to compare texts are loaded with the page", n)
	}
	do(t, ctx, "the difference", press("#tab-diff"), holds(`() => document.querySelector("#diff").shadowRoot?.querySelector(".cm-content") != null`),
		holds(`() => customElements.get("berth-diff") !== undefined`))
	if n := evaluate[int](t, ctx, loaded); n != 1 {
		t.Errorf("%d scripts to compare texts are loaded with the tab", n)
	}
}

// TestG6WhatCannotBeLoadedIsSaid: a page that is open while the server is upgraded asks for a script that is there no longer.
func TestG6WhatCannotBeLoadedIsSaid(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.saveText(aText, "")
	proxy := newInterruptibleProxy(t, r)
	proxy.stop()
	through := proxy.handler
	proxy.handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if strings.Contains(request.URL.Path, "/compare-") {
			http.NotFound(w, request)
			return
		}
		through.ServeHTTP(w, request)
	})
	proxy.start()
	ctx := browser(t)
	do(t, ctx, "the editor", chromedp.Navigate("http://"+proxy.address+"/pools/local/template"), ready)
	const said = "What compares texts cannot be loaded. Reload the page"
	do(t, ctx, "the difference", press("#tab-diff"), shows("#draft", said+"."))
	do(t, ctx, "a text that is not saved", write(replaced("64Mi", "65Mi")), shows("#draft", said+": your text is kept in this browser."))
}
