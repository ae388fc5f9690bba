package s3test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Fault is what happens to a request. It may call forward.
type Fault func(w http.ResponseWriter, r *http.Request, forward http.Handler)

// LoseRequest closes the connection before the storage sees the request.
func LoseRequest(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// LoseAnswer lets the storage handle the request, and closes the connection without its answer.
func LoseAnswer(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// CutRequest breaks the connection to the storage after a number of bytes.
func CutRequest(after int64) Fault {
	return func(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
		r.Body = io.NopCloser(io.MultiReader(io.LimitReader(r.Body, after), brokenReader{}))
		forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Refuse answers with an error of the S3 protocol, as a full bucket or a policy does.
func Refuse(status int, code string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>refused by the test</Message></Error>", code)
	}
}

// proxy forwards requests to the gateway.
type proxy struct {
	forward http.Handler
	mu      sync.Mutex
	fault   func(*http.Request) Fault
	seen    []string
}

func newProxy(socket string) *proxy {
	return &proxy{forward: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "gateway"
			r.Out.Host = r.In.Host // which is signed
		},
		Transport: &http.Transport{
			DisableKeepAlives: true, // the gateway is killed and started again
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			},
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}}
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Method+" "+r.URL.RequestURI())
	var fault Fault
	if p.fault != nil {
		fault = p.fault(r)
	}
	p.mu.Unlock()
	if fault != nil {
		fault(w, r, p.forward)
		return
	}
	p.forward.ServeHTTP(w, r)
}

// SetFault chooses what happens to each request from now on; nil for a request, or for choose, is nothing.
func (g *Gateway) SetFault(choose func(*http.Request) Fault) {
	g.proxy.mu.Lock()
	defer g.proxy.mu.Unlock()
	g.proxy.fault = choose
}

// Requests returns the requests since the last call, each as its method and URI.
func (g *Gateway) Requests() []string {
	g.proxy.mu.Lock()
	defer g.proxy.mu.Unlock()
	seen := g.proxy.seen
	g.proxy.seen = nil
	return seen
}

// Client returns a client of the storage.
func (g *Gateway) Client(t testing.TB) *minio.Client {
	t.Helper()
	client, err := minio.New(g.URL[len("http://"):], &minio.Options{
		Creds: credentials.NewStaticV4(AccessKey, SecretKey, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath,
		MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (g *Gateway) createBucket(t testing.TB) {
	t.Helper()
	if err := g.Client(t).MakeBucket(t.Context(), Bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatalf("create the bucket: %v", err)
	}
}
