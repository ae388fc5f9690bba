package server_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/berth-dev/berth/server/api"
)

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
func evaluate[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return value
}

func TestUIReconnectsToItsServer(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	run := r.startRun("hello", `{"name":"the run"}`)
	proxy := newInterruptibleProxy(t, r)
	ctx := browser(t)
	do(t, ctx, "the run", chromedp.Navigate("http://"+proxy.address+"/#/runs/"+run.ID.String()),
		shows("#run-title", "the run"), shows("#link", "live"))
	proxy.stop()
	do(t, ctx, "the loss", shows("#link", "connection lost"))
	proxy.start()
	do(t, ctx, "the return", shows("#link", "live"))
	w := r.newWorker("w1")
	claim := w.claimOne()
	w.begin(claim)
	r.send(r.request(r.admin, http.MethodPut, "/api/v1/runs/"+run.ID.String()+"/progress",
		`{"percent":40,"message":"loading <b>"}`)).is(http.StatusOK)
	do(t, ctx, "events since the loss", shows("#events .state.RUNNING", "Running"),
		shows("#run-progress", "40 % loading <b>"))
	r.send(r.request(r.admin, http.MethodPut, "/api/v1/runs/"+run.ID.String()+"/progress",
		`{"message":"almost there"}`)).is(http.StatusOK)
	do(t, ctx, "progress without a percentage", shows("#run-progress", "almost there"))
	if text := evaluate[string](t, ctx,
		`document.querySelector("#run-progress").textContent.trim()`); text != "almost there" {
		t.Errorf("progress = %q", text)
	}
	if n := evaluate[int](t, ctx, `document.querySelectorAll("#events .state.SCHEDULED").length`); n != 1 {
		t.Errorf("the first event is shown %d times", n)
	}

	proxy.stop()
	do(t, ctx, "a deployment while the server is down",
		chromedp.Evaluate[chromedp.Void](`void (location.hash = "#/deployments/hello")`), shows("#link",
			"connection lost"))
	proxy.start()
	do(t, ctx, "the deployment", shows("#deployment-title", "hello"), shows("#link", "live"),
		shows("#deployment-runs .state", "Running"))
	do(t, ctx, "an invalid address", chromedp.Evaluate[chromedp.Void](`void (location.hash = "#/runs/%")`),
		shows("#runs td", "the run"))
}

func TestUIDoesNotStartARunTwiceAfterALostResponse(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	ctx := browser(t)
	start := chromedp.Click(chromedp.CSS("#deployment-form button"))
	do(t, ctx, "the deployment", chromedp.Navigate(r.url+"/#/deployments/hello"),
		shows("#deployment-title", "hello"))
	do(t, ctx, "a network that loses the answer", chromedp.Evaluate[chromedp.Void](`void (() => {
		const real = window.fetch;
		window.fetch = async (path, options) => {
			const answer = await real(path, options);
			if (options.method !== "POST") return answer;
			window.fetch = real;
			throw new TypeError("lost");
		};
	})()`), start, shows("#deployment-problem", "No response"), start, shows("#run-state", "Scheduled"))
	if runs := read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "")).Items; len(runs) != 1 {
		t.Errorf("%d runs, want 1", len(runs))
	}
}

func TestUIWorksByKeyboard(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	first := r.startRun("hello", `{"name":"first"}`)
	ctx := browser(t)
	do(t, ctx, "the overview", chromedp.Navigate(r.url+"/"), shows("#runs td", "first"))
	const focus = `document.activeElement.getAttribute("href")`
	link := "#/runs/" + first.ID.String()
	for i := 0; evaluate[*string](t, ctx, focus) == nil || *evaluate[*string](t, ctx, focus) != link; i++ {
		if i > 10 {
			t.Fatal("the run cannot be reached by keyboard")
		}
		do(t, ctx, "the next link", chromedp.KeyEvent(kb.Tab))
	}
	r.startRun("hello", `{"name":"second"}`)
	do(t, ctx, "a new run", shows("#runs td", "second"))
	if at := evaluate[*string](t, ctx, focus); at == nil || *at != link {
		t.Error("the list lost the focus when it changed")
	}
	do(t, ctx, "the run", chromedp.KeyEvent(kb.Enter), shows("#run-title", "first"))
	if at := evaluate[string](t, ctx, "document.activeElement.id"); at != "main" {
		t.Errorf("focus = %q, want main", at)
	}
}
