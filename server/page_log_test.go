package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/ui"
)

// logPage is a browser on the page of a run whose output a worker writes.
type logPage struct {
	*running
	worker aWorker
	ctx    context.Context
	run    api.Run
	claim  api.Claim
	size   int64 // of the output
}

// newLogPage starts a server and a browser. Each output belongs to another run.
func newLogPage(t testing.TB, change ...func(*server.Options)) *logPage {
	t.Helper()
	if !ui.Built() {
		testenv.Missing(t, "the scripts of the page are not built: run make page")
	}
	p := &logPage{running: start(t, append(change, withoutKeys)...)}
	p.deploy("hello", `,"retries":{"max":1}`)
	p.worker = p.newWorker("w1")
	p.ctx = browser(t)
	return p
}

// begins starts a run that has written a text.
func (p *logPage) begins(t testing.TB, text string) {
	t.Helper()
	p.run = p.startRun("hello", `{}`)
	p.claim, p.size = p.worker.claimOne(), 0
	p.worker.begin(p.claim)
	p.writes(text)
}

// writes appends output, in requests of a bounded size.
func (p *logPage) writes(text string) {
	const most = 512 << 10
	for len(text) > 0 {
		n := min(len(text), most)
		p.worker.write(p.claim, p.size, text[:n])
		p.size, text = p.size+int64(n), text[n:]
	}
}

// writesChunks appends a number of lines, each in a chunk.
func (p *logPage) writesChunks(t testing.TB, n int) {
	t.Helper()
	const together = 500
	for i := 0; i < n; i += together {
		chunks := make([]api.LogAppendChunk, together)
		for k := range chunks {
			text := fmt.Sprintf("chunk %d\n", i+k+1)
			chunks[k] = api.LogAppendChunk{AttemptID: p.claim.AttemptID, Epoch: p.claim.Epoch, Offset: p.size, Text: text}
			p.size += int64(len(text))
		}
		body, err := json.Marshal(api.LogAppend{Chunks: chunks})
		if err != nil {
			t.Fatal(err)
		}
		p.send(p.request("", http.MethodPost, "/api/v1/worker/logs", string(body))).is(http.StatusNoContent)
	}
}

func (p *logPage) address(rest string) string { return p.url + "/runs/" + p.run.ID.String() + rest }

// opens leaves the page and opens that of the run anew: an address that differs in its fragment is no other page.
func (p *logPage) opens(t testing.TB, rest string, steps ...step) {
	t.Helper()
	do(t, p.ctx, "open "+rest, append([]step{
		chromedp.Navigate("about:blank"), chromedp.Navigate(p.address(rest)), holds(watchPage),
	}, steps...)...)
}

// watchPage notes what must not happen, once: long tasks, violations of the policy, dialogs, errors.
const watchPage = `() => {
	if (window.seen) return true;
	window.seen = {task: 0, trouble: []};
	new PerformanceObserver((list) => { for (const one of list.getEntries()) seen.task = Math.max(seen.task, one.duration); }).observe({type: "longtask", buffered: true});
	document.addEventListener("securitypolicyviolation", (e) => seen.trouble.push(e.violatedDirective));
	addEventListener("error", (e) => seen.trouble.push(e.message));
	addEventListener("unhandledrejection", (e) => seen.trouble.push(String(e.reason)));
	window.alert = window.confirm = window.prompt = () => seen.trouble.push("a dialog");
	return true;
}`

// holds waits until a function of the page returns true.
func holds(function string, arguments ...any) step {
	return chromedp.PollFunction[chromedp.Void](function, chromedp.WithPollingArgs(arguments...), chromedp.WithPollingTimeout(patience))
}

// row waits until a line is in sight with a text.
func row(line int, text string) step {
	return holds(`(line, text) => {
		const view = document.querySelector("#log .view")?.getBoundingClientRect();
		const row = document.querySelector('#log .row[data-line="' + line + '"]');
		const at = row?.getBoundingClientRect();
		return Boolean(view && at && at.bottom > view.top && at.top < view.bottom && row.querySelector(".text").textContent.includes(text));
	}`, line, text)
}

func says(text string) step { return shows("#log [role=status]", text) }

func (p *logPage) key(t testing.TB, selector, key, modifiers string) {
	t.Helper()
	do(t, p.ctx, "press "+key, holds(`(selector, key, modifiers) => {
		const one = document.querySelector(selector);
		if (!one) return false;
		one.focus();
		one.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true, ctrlKey: modifiers === "ctrl", shiftKey: modifiers === "shift"}));
		return true;
	}`, selector, key, modifiers))
}

func (p *logPage) types(t testing.TB, text string) {
	t.Helper()
	do(t, p.ctx, "search "+text, holds(`(text) => {
		const field = document.querySelector("#log input[type=search]");
		field.focus();
		field.value = text;
		field.dispatchEvent(new Event("input", {bubbles: true}));
		return true;
	}`, text))
}

// staysLight checks what holds for an output of any length. A machine that does much else gets five times the limit of a task.
func (p *logPage) staysLight(t testing.TB) {
	t.Helper()
	if nodes := evaluate[int](t, p.ctx, `document.querySelectorAll("#log *").length`); nodes > 1000 {
		t.Errorf("the log has %d elements", nodes)
	}
	const longest = 1000
	if task := evaluate[float64](t, p.ctx, `seen.task`); task > longest {
		t.Errorf("a task took %.0f ms", task)
	}
	if trouble := evaluate[string](t, p.ctx, `JSON.stringify(seen.trouble)`); trouble != "[]" {
		t.Errorf("the page met %s", trouble)
	}
}

func colored(lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "\x1b[2m2026-11-30T12:00:00Z\x1b[0m \x1b[3%dmINFO\x1b[0m loader: batch %d of many\n", 1+i%7, i+1)
	}
	return b.String()
}

func TestLogOfAnyLength(t *testing.T) {
	p := newLogPage(t)

	t.Run("L1 100,000 lines with colours", func(t *testing.T) {
		p.begins(t, colored(100_000))
		p.opens(t, "", row(100_000, "batch 100000 of many"), says("100,000 lines"))
		p.staysLight(t)
		for i := range 20 {
			line := 1 + i*5000
			do(t, p.ctx, "scroll", holds(`(at) => { const view = document.querySelector("#log .view"); view.scrollTop = at * 20; return true; }`, line-1),
				row(line, fmt.Sprintf("batch %d of many", line)))
		}
		p.staysLight(t)
		colors := evaluate[int](t, p.ctx, `new Set([...document.querySelectorAll("#log .text span")].map((one) => one.className)).size`)
		if colors < 8 {
			t.Errorf("the rows have %d styles", colors)
		}
	})

	t.Run("L6 a million lines", func(t *testing.T) {
		var b strings.Builder
		for i := range 1_000_000 {
			fmt.Fprintf(&b, "line %07d\n", i+1)
		}
		p.begins(t, b.String())
		p.opens(t, "", row(1_000_000, "line 1000000"), says("1,000,000 lines"))
		p.opens(t, "#L500000", row(500_000, "line 0500000"))
		p.key(t, "#log .view", "Home", "")
		do(t, p.ctx, "the first line", row(1, "line 0000001"))
		p.key(t, "#log .view", "End", "")
		do(t, p.ctx, "the last line", row(1_000_000, "line 1000000"))
		p.types(t, "LINE 0777777")
		do(t, p.ctx, "the line found", row(777_777, "line 0777777"), says("1 of 1 line"))
		p.staysLight(t)
	})

	t.Run("L2 a run that has written 20,000 times", func(t *testing.T) {
		p.begins(t, "")
		p.writesChunks(t, 20_000)
		begun := time.Now()
		p.opens(t, "", row(20_000, "chunk 20000"), says("20,000 lines"))
		if took := time.Since(begun); took > 15*time.Second { // ten times the limit
			t.Errorf("it opened within %s", took)
		}
		requests := evaluate[int](t, p.ctx, `performance.getEntriesByType("resource").filter((one) => one.name.includes("/logs")).length`)
		if requests > 4 {
			t.Errorf("the output took %d requests", requests)
		}
		p.staysLight(t)
	})

	t.Run("L3 20,000 lines while one looks and types", func(t *testing.T) {
		p.begins(t, "the first\n")
		p.opens(t, "", row(1, "the first"))
		for i := range 10 {
			p.writes(strings.Repeat(fmt.Sprintf("batch %d\n", i), 2000))
			p.types(t, fmt.Sprintf("batch %d", i))
		}
		p.types(t, "")
		p.key(t, "#log .view", "End", "")
		p.writes("the last\n")
		do(t, p.ctx, "the newest line", row(20_002, "the last"), says("20,002 lines"))
		p.staysLight(t)
	})
}

func TestLogIsReadAndSearched(t *testing.T) {
	p := newLogPage(t)

	t.Run("L4 keys, and a search over all lines", func(t *testing.T) {
		text := strings.Split(colored(5000), "\n")
		for _, line := range []int{10, 2500, 4990} {
			text[line-1] = "a Needle \x1b[31min the\x1b[0m hay"
		}
		p.begins(t, strings.Join(text, "\n"))
		p.opens(t, "", row(5000, "batch 5000"))
		for _, press := range []struct {
			key  string
			line int
		}{{"Home", 1}, {"End", 5000}, {"Home", 1}} {
			p.key(t, "#log .view", press.key, "")
			do(t, p.ctx, press.key, row(press.line, "batch"))
		}
		top := `document.querySelector("#log .view").scrollTop`
		for _, press := range []struct {
			key  string
			more bool
		}{{"ArrowDown", true}, {"PageDown", true}, {"ArrowUp", false}, {"PageUp", false}} {
			before := evaluate[float64](t, p.ctx, top)
			p.key(t, "#log .view", press.key, "")
			if after := evaluate[float64](t, p.ctx, top); (after > before) != press.more || after == before {
				t.Errorf("%s leads from %.0f to %.0f", press.key, before, after)
			}
		}
		p.key(t, "#log .view", "f", "ctrl")
		if evaluate[bool](t, p.ctx, `document.activeElement !== document.querySelector("#log input[type=search]")`) {
			t.Error("Ctrl F does not lead to the search of the log")
		}
		p.types(t, "needle in THE")
		do(t, p.ctx, "the first match", row(10, "a Needle in the hay"), says("1 of 3 lines"),
			shows("#log .row.hit mark", "Needle"))
		for _, press := range []struct {
			modifiers string
			line      int
			says      string
		}{{"", 2500, "2 of 3"}, {"", 4990, "3 of 3"}, {"", 10, "1 of 3"}, {"shift", 4990, "3 of 3"}} {
			p.key(t, "#log input[type=search]", "Enter", press.modifiers)
			do(t, p.ctx, "Enter "+press.modifiers, row(press.line, "a Needle"), says(press.says))
		}
		marks := `(() => { const c = document.querySelector("#log .marks"); const d = c.getContext("2d").getImageData(0, 0, 1, c.height).data; let n = 0; for (let i = 3; i < d.length; i += 4) if (d[i] > 0 && (i < 7 || d[i - 4] === 0)) n++; return n; })()`
		if n := evaluate[int](t, p.ctx, marks); n != 3 {
			t.Errorf("%d marks are beside the scroll bar", n)
		}
		p.types(t, "not there")
		do(t, p.ctx, "no match", says("not found"))
		p.staysLight(t)
	})

	t.Run("L5 lines of the address are selected", func(t *testing.T) {
		p.opens(t, "#L2200-2203", row(2200, "batch 2200"), row(2203, "batch 2203"))
		lit := `[...document.querySelectorAll("#log .row.lit")].map((one) => one.dataset.line).join()`
		if got := evaluate[string](t, p.ctx, lit); got != "2200,2201,2202,2203" {
			t.Errorf("the lines %s are selected", got)
		}
		do(t, p.ctx, "press a number", press(`#log .row[data-line="2205"] .no`), holds(`() => location.hash === "#L2205"`))
		do(t, p.ctx, "up to another", holds(`() => { document.querySelector('#log .row[data-line="2207"] .no').dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true, shiftKey: true})); return location.hash === "#L2205-2207"; }`))
		do(t, p.ctx, "reload", chromedp.Reload(), row(2206, "batch 2206"),
			holds(`() => [...document.querySelectorAll("#log .row.lit")].map((one) => one.dataset.line).join() === "2205,2206,2207"`))
	})

	t.Run("L8 wrap and times are kept, a long line is cut", func(t *testing.T) {
		p.begins(t, "short\n"+strings.Repeat("x", 1_000_000)+"\nend\n")
		p.opens(t, "", row(3, "end"))
		do(t, p.ctx, "the cut line", shows(`#log .row[data-line="2"] .more`, "show all (976.6 KiB)"))
		length := `document.querySelector('#log .row[data-line="2"] .text').firstChild.textContent.length`
		if n := evaluate[int](t, p.ctx, length); n != 5000 {
			t.Errorf("%d characters are shown", n)
		}
		do(t, p.ctx, "all of it", press("#log .more"), holds(`() => `+length+` === 1000000`))
		do(t, p.ctx, "wrap and times", holds(`() => { for (const one of document.querySelectorAll("#log .bar button")) if (["Wrap", "Times"].includes(one.textContent)) one.click(); return true; }`),
			shows("#log.wrap.times .at", ":"))
		p.opens(t, "", shows("#log.wrap.times .at", ":"), row(3, "end"))
		do(t, p.ctx, "back", holds(`() => { for (const one of document.querySelectorAll("#log .bar button")) if (["Wrap", "Times"].includes(one.textContent)) one.click(); return true; }`),
			holds(`() => !document.querySelector("#log").matches(".wrap, .times")`))
		p.staysLight(t)
	})

	t.Run("L9 a screen reader finds region, count and raw text", func(t *testing.T) {
		view := `document.querySelector("#log .view")`
		if evaluate[bool](t, p.ctx, view+`.getAttribute("role") !== "region" || !`+view+`.getAttribute("aria-label") || `+view+`.tabIndex !== 0`) {
			t.Error("the output is no region with a label that can be focused")
		}
		do(t, p.ctx, "the count", says("3 lines"))
		raw := evaluate[string](t, p.ctx, `document.querySelector("#log .bar a[download]").href`)
		if got := p.call(http.MethodGet, strings.TrimPrefix(raw, p.url), "").is(http.StatusOK); int64(len(got.body)) != p.size {
			t.Errorf("the raw text has %d bytes", len(got.body))
		}
	})

	t.Run("L9 axe finds nothing", func(t *testing.T) {
		axe, err := os.ReadFile("ui/web/node_modules/axe-core/axe.min.js")
		if err != nil {
			testenv.Missing(t, "the packages of the page are not installed: run make page")
		}
		p.begins(t, colored(50)+"\x1b[41mred\x1b[0m \x1b[30;47mblack on white\x1b[0m \x1b[97;104mblue\x1b[0m \x1b[7mturned\x1b[0m "+
			"\x1b]8;;https://example.com/docs\x1b\\docs\x1b]8;;\x1b\\\n::group::Install\npackage\n::endgroup::\n")
		for _, scheme := range []string{"light", "dark"} {
			p.opens(t, "#L51", row(51, "black on white"), row(52, "Install"))
			p.types(t, "turned")
			do(t, p.ctx, "a match", says("1 of 1 line"), holds(`(s) => { document.documentElement.style.colorScheme = s; return true; }`, scheme),
				chromedp.Evaluate[chromedp.Void](string(axe)+`;void axe.run("#log").then((r) => { window.axed = JSON.stringify(r.violations.map((v) => [v.id, v.nodes.map((n) => n.html)])); })`),
				holds(`() => window.axed !== undefined`))
			if violations := evaluate[string](t, p.ctx, "axed"); violations != "[]" {
				t.Errorf("%s: %s", scheme, violations)
			}
		}
	})

	t.Run("L11 groups are folded", func(t *testing.T) {
		p.begins(t, "before\n::group::Install\n"+strings.Repeat("package\n", 1500)+"::endgroup::\nafter\n")
		p.opens(t, "#L2", shows(`#log .row[data-line="2"] .fold`, "▾ Install"), row(3, "package"))
		do(t, p.ctx, "fold", press("#log .fold"), row(1504, "after"), shows(`#log .fold[aria-expanded=false]`, "▸ Install"))
		if n := evaluate[int](t, p.ctx, `document.querySelectorAll("#log .row").length`); n != 3 {
			t.Errorf("%d rows are left", n)
		}
		p.types(t, "package")
		do(t, p.ctx, "a match within opens it", row(3, "package"), says("1 of 1,500 lines"))
	})
}

func TestLogL7HostileLinesChangeNothing(t *testing.T) {
	p := newLogPage(t)
	p.begins(t, "quiet\n")
	p.opens(t, "", row(1, "quiet"))
	title := evaluate[string](t, p.ctx, "document.title")
	p.writes(strings.Join([]string{
		"<script>alert(1)</script><img src=x onerror=alert(1)>",
		"\x1b]0;another title\x07\x1b]2;another\x1b\\titles",
		"\x1b]8;;javascript:alert(1)\x1b\\harmless\x1b]8;;\x1b\\",
		"\x1b]8;;https://example.com/docs\x1b\\documentation\x1b]8;;\x1b\\",
		"\x1b]52;c;Y2xpcGJvYXJk\x07clip",
		"\x1b[2J\x1b[H\x1b[999Dgone?",
		"10 %\r50 %\r100 %",
		"er\bror\x07",
		strings.Repeat("\x1b[31mx\x1b[32my", 20_000),
		"\u202egnirts desrever",
		strings.Repeat("\u0301", 2000),
		"the end",
	}, "\n") + "\n")
	do(t, p.ctx, "hostile lines", row(13, "the end"), row(2, "<script>alert(1)</script>"), row(3, "titles"),
		row(5, "documentation (https://example.com/docs)"), row(7, "gone?"), row(8, "100 %"), row(9, "error"))
	texts := evaluate[string](t, p.ctx, `[3, 4, 6, 8].map((line) => document.querySelector('#log .row[data-line="' + line + '"] .text').textContent).join("|")`)
	if texts != "titles|harmless|clip|100 %" {
		t.Errorf("the rows say %q", texts)
	}
	links := evaluate[string](t, p.ctx, `[...document.querySelectorAll("#log .text a")].map((one) => one.href + " " + one.rel).join()`)
	if links != "https://example.com/docs noopener noreferrer nofollow" {
		t.Errorf("the links are %q", links)
	}
	if now := evaluate[string](t, p.ctx, "document.title"); now != title {
		t.Errorf("the title is %q, was %q", now, title)
	}
	foreign := evaluate[int](t, p.ctx, `performance.getEntriesByType("resource").filter((one) => !one.name.startsWith(location.origin)).length`)
	if foreign != 0 {
		t.Errorf("%d requests went elsewhere", foreign)
	}
	p.staysLight(t)
}

func TestLogL10AttemptsAndGaps(t *testing.T) {
	t.Run("attempts are chosen without a reload", func(t *testing.T) {
		p := newLogPage(t)
		p.begins(t, "first attempt\n")
		p.worker.finish(p.claim, 3, "first attempt")
		p.claim, p.size = p.worker.claimOne(), 0
		p.worker.begin(p.claim)
		p.writes("second attempt\n")
		p.opens(t, "", row(1, "second attempt"))
		do(t, p.ctx, "the first attempt", holds(`() => {
			const choice = document.querySelector("#log select");
			choice.value = "1";
			choice.dispatchEvent(new Event("change"));
			return true;
		}`), row(1, "first attempt"), holds(`() => location.search === "?attempt=1" && window.seen !== undefined`))
	})
	t.Run("N3 a failed attempt opens at its first error", func(t *testing.T) {
		p := newLogPage(t)
		p.begins(t, strings.Repeat("well\n", 2000)+"\x1b[31mERROR\x1b[0m loader: giving up\n"+strings.Repeat("bye\n", 500))
		p.opens(t, "", row(2501, "bye")) // while it runs, at the end
		p.worker.finish(p.claim, 3, "bye")
		p.opens(t, "?attempt=1", row(2001, "ERROR loader: giving up"), shows("#log .row.lit", "giving up"))
		p.opens(t, "?attempt=1#L7", row(7, "well"))
	})
	t.Run("what is no longer kept is a row", func(t *testing.T) {
		p := newLogPage(t, func(o *server.Options) { o.KeepLogs, o.RetainEvery = time.Millisecond, 10*time.Millisecond })
		p.begins(t, "twelve bytes")
		p.worker.finish(p.claim, 0, "")
		removedOf(t, p.running, "log_chunks")
		p.opens(t, "", row(1, "[12 bytes no longer kept]"), says("1 line, 12 bytes"))
	})
}
