package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/internal/pgtest"
)

// vitals are what a browser says of the load of a page: seconds until its largest part is there, of its longest task, and how
// much of it has moved.
const vitals = `() => {
	if (!window.vitals) {
		window.vitals = {lcp: 0, task: 0, cls: 0};
		const watch = (type, note) => new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({type, buffered: true});
		watch("largest-contentful-paint", (one) => { vitals.lcp = one.startTime / 1000; });
		watch("longtask", (one) => { vitals.task = Math.max(vitals.task, one.duration / 1000); });
		watch("layout-shift", (one) => { if (!one.hadRecentInput) vitals.cls += one.value; });
	}
	return document.readyState === "complete" && vitals.lcp > 0 && performance.now() > 3000;
}`

// BenchmarkBrowser opens pages in a browser whose processor is a quarter as fast.
func BenchmarkBrowser(b *testing.B) {
	address := pgtest.Database(b)
	if err := start(b, withoutKeys, on(address)).stop(); err != nil { // which makes the tables
		b.Fatal(err)
	}
	if err := manyRuns(b.Context(), address, pageRuns(b)); err != nil {
		b.Fatal(err)
	}
	r := start(b, withoutKeys, on(address))
	r.saveText(aText, "")
	ctx := browser(b)
	do(b, ctx, "the browser", chromedp.Navigate("about:blank"))
	slow := emulation.SetCPUThrottlingRateParams{Rate: 4}
	if _, err := chromedp.Call(ctx, emulation.SetCPUThrottlingRate, slow); err != nil {
		b.Fatal(err)
	}
	for name, path := range map[string]string{
		"overview": "/", "runs": "/runs", "deployments": "/deployments", "deployment": "/deployments/etl-000007", "pool": "/pools/local",
		"week": "/schedules?view=week&pool=pool-1", "editor": "/pools/local/template",
	} {
		b.Run(name, func(b *testing.B) {
			var lcp, task, cls []float64
			for b.Loop() {
				do(b, ctx, name, chromedp.Navigate("about:blank"), chromedp.Navigate(r.url+path), holds(vitals))
				lcp = append(lcp, evaluate[float64](b, ctx, "vitals.lcp"))
				task = append(task, evaluate[float64](b, ctx, "vitals.task"))
				cls = append(cls, evaluate[float64](b, ctx, "vitals.cls"))
			}
			b.ReportMetric(slices.Max(lcp), "lcp-sec")
			b.ReportMetric(slices.Max(task), "task-sec")
			b.ReportMetric(slices.Max(cls), "cls")
		})
	}
}

// BenchmarkEditorKey types into a template of 300 KB. key-sec is the longest time from a key to the next picture.
func BenchmarkEditorKey(b *testing.B) {
	r := start(b, withoutKeys)
	r.saveText(wideTemplate(300_000), "")
	ctx := browser(b)
	do(b, ctx, "the editor", chromedp.Navigate(r.url+"/pools/local/template"), ready,
		caret("    v150: {type: string, default: \"150\"}\n# what it"), shows("#verdict", "valid"))
	var slowest float64
	for b.Loop() {
		slowest = max(slowest, slowestKey(b, ctx))
	}
	b.ReportMetric(slowest/1000, "key-sec")
}

// scrolling jumps through the output and returns how long the 95th of a hundred pictures took, in seconds.
const scrolling = `() => { void (async () => {
	const view = document.querySelector("#log .view");
	const took = [];
	for (let i = 0; i < 100; i++) {
		const begun = performance.now();
		view.scrollTop = view.scrollHeight * ((i * 37) % 100) / 100;
		await new Promise((done) => requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0); }));
		took.push(performance.now() - begun);
	}
	took.sort((a, b) => a - b);
	window.scrolled = took[94] / 1000;
})(); return true; }`

// BenchmarkLogPage opens and reads outputs, long ones (L1, L6), one of many writes (L2), and one that grows (L3).
func BenchmarkLogPage(b *testing.B) {
	p := newLogPage(b)
	opened := func(b *testing.B, line int, text, count string) {
		begun := time.Now()
		p.opens(b, "", holds(`() => document.querySelector("#log .row") !== null`))
		first := time.Since(begun)
		do(b, p.ctx, count, row(line, text), says(count))
		b.ReportMetric(first.Seconds(), "first-sec")
		b.ReportMetric(time.Since(begun).Seconds(), "all-sec")
		do(b, p.ctx, "scroll", until(scrolling), until(`() => window.scrolled !== undefined`))
		b.ReportMetric(evaluate[float64](b, p.ctx, "scrolled"), "scroll-sec")
		b.ReportMetric(evaluate[float64](b, p.ctx, "seen.task")/1000, "task-sec")
		b.ReportMetric(float64(evaluate[int](b, p.ctx, `document.querySelectorAll("#log *").length`)), "nodes")
	}
	b.Run("lines=100000", func(b *testing.B) {
		p.begins(b, colored(100_000))
		for b.Loop() {
			opened(b, 100_000, "batch 100000 of many", "100,000 lines")
		}
	})
	b.Run("lines=1000000", func(b *testing.B) {
		var text strings.Builder
		for i := range 1_000_000 {
			fmt.Fprintf(&text, "line %07d\n", i+1)
		}
		p.begins(b, text.String())
		for b.Loop() {
			opened(b, 1_000_000, "line 1000000", "1,000,000 lines")
		}
	})
	b.Run("chunks=20000", func(b *testing.B) {
		p.begins(b, "")
		p.writesChunks(b, 20_000)
		for b.Loop() {
			opened(b, 20_000, "chunk 20000", "20,000 lines")
		}
	})
	b.Run("live", func(b *testing.B) {
		for b.Loop() {
			p.grows(b, 10*time.Second)
		}
	})
}

// grows writes 2,000 lines a second while one types into the search of the page, and reports how long that waits at most, and the
// share of the time that the browser's main thread works.
func (p *logPage) grows(b *testing.B, length time.Duration) {
	p.begins(b, "the first\n")
	p.opens(b, "", row(1, "the first"))
	if _, err := chromedp.Call(p.ctx, performance.Enable, performance.EnableParams{}); err != nil {
		b.Fatal(err)
	}
	before, begun := p.worked(b), time.Now()
	const every = 100 * time.Millisecond
	var slowest float64
	for i := 0; time.Since(begun) < length; i++ {
		p.writes(strings.Repeat(fmt.Sprintf("batch %d of the output that grows\n", i), int(2000*every/time.Second)))
		do(b, p.ctx, "a key", until(`(text) => {
			const field = document.querySelector("#find");
			const begun = performance.now();
			field.value = text;
			requestAnimationFrame(() => { const { port1, port2 } = new MessageChannel(); port1.onmessage = () => { window.answered = performance.now() - begun; }; port2.postMessage(0); });
			return true;
		}`, fmt.Sprint("find ", i)), until(`() => window.answered !== undefined`))
		slowest = max(slowest, evaluate[float64](b, p.ctx, `(() => { const { answered } = window; delete window.answered; return answered; })()`))
		<-time.After(time.Until(begun.Add(time.Duration(i+1) * every)))
	}
	took := time.Since(begun)
	b.ReportMetric(slowest/1000, "key-sec")
	b.ReportMetric((p.worked(b)-before)/took.Seconds(), "main-share")
}

// worked is for how many seconds the main thread has worked.
func (p *logPage) worked(b *testing.B) float64 {
	found, err := chromedp.Call(p.ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range found.Metrics {
		if one.Name == "TaskDuration" {
			return one.Value
		}
	}
	b.Fatal("the browser does not say how long it has worked")
	return 0
}
