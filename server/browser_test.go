package server_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/internal/testenv"
)

// browser starts a browser with an empty profile.
func browser(t testing.TB) context.Context {
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

func do(t testing.TB, ctx context.Context, what string, steps ...step) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		page, _ := chromedp.Run(ctx,
			chromedp.OuterHTML("body")) // adds to the message if the page still exists
		t.Fatalf("%s: %v\n%s", what, err, page)
	}
}

// shows waits until a visible element contains a text. An empty argument does not reach the browser.
func shows(selector, text string) step {
	return chromedp.PollFunction[chromedp.Void](
		`(selector, text = "") => [...document.querySelectorAll(selector)].some((one) => one.checkVisibility() && one.textContent.includes(text))`,
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

// hides waits until no visible element has the text.
func hides(selector, text string) step {
	return chromedp.PollFunction[chromedp.Void](
		`(selector, text = "") => ![...document.querySelectorAll(selector)].some((one) => one.checkVisibility() && one.textContent.includes(text))`,
		chromedp.WithPollingArgs(selector, text),
		chromedp.WithPollingTimeout(patience),
	)
}

// interruptibleProxy is a proxy to a server that can be stopped and started.
type interruptibleProxy struct {
	t       *testing.T
	address string
	handler http.Handler
	stop    func()
}

func newInterruptibleProxy(t *testing.T, r *running) *interruptibleProxy {
	t.Helper()
	target, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	f := &interruptibleProxy{t: t, address: "127.0.0.1:0", handler: &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
		}, FlushInterval: -1, Transport: r.http.Transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request,
			_ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}}
	f.start()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *interruptibleProxy) start() {
	f.t.Helper()
	listener, err := new(net.ListenConfig).Listen(f.t.Context(), "tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.address = listener.Addr().String()
	proxy := &http.Server{Handler: f.handler}
	ended := async(func() error { return proxy.Serve(listener) })
	f.stop = func() {
		_ = proxy.Close() // breaks open connections on purpose
		<-ended
		f.stop = func() {}
	}
}

// evaluate returns the value of an expression on the page.
func evaluate[T any](t testing.TB, ctx context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// freeAddress returns an address of this machine that was free a moment ago. The provider must know it before
// the server listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// arrives waits for a step on the page that a navigation leads to. The navigation itself ends steps that wait.
func arrives(t testing.TB, ctx context.Context, what string, arrived step) {
	t.Helper()
	for range 50 {
		err := chromedp.Do(ctx, arrived)
		if err == nil {
			return
		}
		left := strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "context with specified id")
		if !left {
			do(t, ctx, what, arrived) // it shows the page
			return
		}
	}
	t.Fatalf("%s: the browser does not stay on a page", what)
}
