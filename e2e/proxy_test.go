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

// proxy stands between a worker and whom it talks to, the server or the API server, and can do to any request
// what networks and servers do.
type proxy struct {
	url     string
	forward http.Handler

	mu    sync.Mutex
	fault fault
	hits  int
}

// fault deals with a request, or returns false to have it passed on.
type fault func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool

// matching picks requests; the body is read already and may be read again.
type matching func(r *http.Request, body string) bool

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
		_ = server.Close() // requests that are held end with it
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

// matches reads the body and gives it back.
func (m matching) matches(r *http.Request) bool {
	var body []byte
	if r.Body != nil && r.Method != http.MethodGet {
		body, _ = io.ReadAll(r.Body) // what did not come is not there to be matched
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return m(r, string(body))
}

// stopAt holds the first request that matches, before it is passed on or before it is answered. The channel
// is closed then, and the request is held for as long as the proxy lives.
func (p *proxy) stopAt(m matching, answered bool) <-chan struct{} {
	reached := make(chan struct{})
	var once sync.Once
	p.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		if !m.matches(r) {
			return false
		}
		if answered {
			forward.ServeHTTP(discard{http.Header{}}, r)
		}
		once.Do(func() { close(reached) })
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
	return reached
}

// times makes the first n requests that match go wrong.
func (p *proxy) times(n int, m matching, wrong fault) {
	p.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		return m.matches(r) && p.hit() <= n && wrong(w, r, forward)
	})
}

// dropped does what is asked and loses the answer.
func dropped(_ http.ResponseWriter, r *http.Request, forward http.Handler) bool {
	forward.ServeHTTP(discard{http.Header{}}, r)
	panic(http.ErrAbortHandler)
}

// refused loses the question.
func refused(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) }

// answers answers in the API server's place.
func answers(code int, reason metav1.StatusReason, header ...string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		status := metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: "made by the test"}
		_ = json.NewEncoder(w).Encode(status) // who does not listen any more is not told
		return true
	}
}

// discard is where an answer goes that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// What workers ask.
func creates(r *http.Request, _ string) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/jobs")
}
func reads(r *http.Request, _ string) bool {
	return r.Method == http.MethodGet && !r.URL.Query().Has("watch")
}
func watches(r *http.Request, _ string) bool { return r.URL.Query().Has("watch") }
func releases(r *http.Request, body string) bool {
	return r.Method == http.MethodPatch && strings.Contains(body, `"finalizers"`)
}
func opens(r *http.Request, body string) bool {
	return r.Method == http.MethodPatch && strings.Contains(body, `"suspend":false`)
}
func deletes(r *http.Request, _ string) bool { return r.Method == http.MethodDelete }
func claims(r *http.Request, body string) bool {
	return r.URL.Path == "/api/v1/worker/claim" && !strings.Contains(body, `"max":0`)
}
func reports(kind string) matching {
	return func(r *http.Request, body string) bool {
		return r.URL.Path == "/api/v1/worker/reports" && strings.Contains(body, fmt.Sprintf(`"kind":%q`, kind))
	}
}

// apiProxy puts a proxy before the API server and returns it with a kubeconfig that leads to it.
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
