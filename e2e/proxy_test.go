package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// proxy stands between a worker and the Berth server or the Kubernetes API server, and injects faults into
// requests.
type proxy struct {
	url     string
	forward http.Handler

	mu    sync.Mutex
	fault fault
	hits  int
}

// fault handles a request, or returns false to have it forwarded.
type fault func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool

// requestMatcher selects requests by method, path and body.
type requestMatcher func(r *http.Request, body string) bool

func newProxy(t testing.TB, target string, transport http.RoundTripper) *proxy {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{forward: &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:     transport,
		FlushInterval: -1,
		// A worker that is killed, or an API server that restarts, breaks connections: that is what the tests
		// are about.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: p}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close() // ends held requests too
		<-served
	})
	p.url = "http://" + listener.Addr().String()
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	fault := p.fault
	p.mu.Unlock()
	if fault == nil || !fault(w, r, p.forward) {
		p.forward.ServeHTTP(w, r)
	}
}

func (p *proxy) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *proxy) hit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hits++
	return p.hits
}

func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits
}

// matches reads the body and restores it.
func (m requestMatcher) matches(r *http.Request) bool {
	var body []byte
	if r.Body != nil && r.Method != http.MethodGet {
		body, _ = io.ReadAll(r.Body) // a broken body does not match
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return m(r, string(body))
}

// stopAt holds matching requests, before they are forwarded or, with answered, before their answer is passed
// back. The channel is closed at the first one. Requests are held until their client goes away.
func (p *proxy) stopAt(m requestMatcher, answered bool) <-chan struct{} {
	reached := make(chan struct{})
	var once sync.Once
	p.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		if !m.matches(r) {
			return false
		}
		if answered {
			forward.ServeHTTP(discardWriter{http.Header{}}, r)
		}
		once.Do(func() { close(reached) })
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
	return reached
}

// times applies a fault to the first n matching requests.
func (p *proxy) times(n int, m requestMatcher, wrong fault) {
	p.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		return m.matches(r) && p.hit() <= n && wrong(w, r, forward)
	})
}

// dropAnswer forwards the request and breaks the connection instead of answering.
func dropAnswer(_ http.ResponseWriter, r *http.Request, forward http.Handler) bool {
	forward.ServeHTTP(discardWriter{http.Header{}}, r)
	panic(http.ErrAbortHandler)
}

// dropRequest breaks the connection without forwarding the request.
func dropRequest(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) }

// answerWith answers in place of the API server.
func answerWith(code int, reason metav1.StatusReason, header ...string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		status := metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
			Code: int32(code), Reason: reason, Message: "made by the test",
		}
		_ = json.NewEncoder(w).Encode(status) // the client may be gone
		return true
	}
}

// answerWithPage answers as a proxy does that knows of no API server.
func answerWithPage(code int) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		fmt.Fprint(w, "<html><h1>Not here</h1></html>") // the client may be gone
		return true
	}
}

// discardWriter swallows an answer that no client gets.
type discardWriter struct{ header http.Header }

func (d discardWriter) Header() http.Header         { return d.header }
func (d discardWriter) Write(b []byte) (int, error) { return len(b), nil }
func (d discardWriter) WriteHeader(int)             {}

// Requests that workers make.
func createsJob(r *http.Request, _ string) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/jobs")
}
func readsObjects(r *http.Request, _ string) bool {
	return r.Method == http.MethodGet && !r.URL.Query().Has("watch")
}
func watchesObjects(r *http.Request, _ string) bool { return r.URL.Query().Has("watch") }
func removesFinalizer(r *http.Request, body string) bool {
	return r.Method == http.MethodPatch && strings.Contains(body, "/finalizers\"")
}
func readsLogs(r *http.Request, _ string) bool     { return strings.HasSuffix(r.URL.Path, "/log") }
func deletesObject(r *http.Request, _ string) bool { return r.Method == http.MethodDelete }
func claimsRuns(r *http.Request, body string) bool {
	return r.URL.Path == "/api/v1/worker/claim" && !strings.Contains(body, `"max":0`)
}
func reportsKind(kind string) requestMatcher {
	return func(r *http.Request, body string) bool {
		return r.URL.Path == "/api/v1/worker/reports" &&
			strings.Contains(body, fmt.Sprintf(`"kind":%q`, kind))
	}
}

// apiProxy starts a proxy in front of the API server and returns it with a kubeconfig that points to it.
func (c *cluster) apiProxy(t testing.TB) (*proxy, string) {
	t.Helper()
	transport, err := rest.TransportFor(c.config)
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, c.config.Host, transport)
	config := clientcmdapi.NewConfig()
	config.Clusters["proxy"] = &clientcmdapi.Cluster{Server: p.url}
	config.Contexts["proxy"] = &clientcmdapi.Context{Cluster: "proxy"}
	config.CurrentContext = "proxy"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return p, path
}
