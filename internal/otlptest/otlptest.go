// Package otlptest is a receiver of traces for tests: it speaks OTLP over HTTP and gRPC, and keeps what it got.
package otlptest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Receiver keeps spans.
type Receiver struct {
	collector.UnimplementedTraceServiceServer
	HTTPURL, GRPCURL string

	mu       sync.Mutex
	arrived  chan struct{} // closed and replaced when something arrives
	spans    []Span
	requests int
	header   http.Header
	away     bool
	loses    bool
	rejects  int64
}

// Span is a span as it arrived.
type Span struct {
	TraceID, ID, Parent, Name string
	Start, End                time.Time
	Failed                    string // the description of an error
	Attributes                map[string]string
	Links                     []Link
	Resource                  map[string]string
}

// Link is a link of a span.
type Link struct {
	TraceID, ID string
	Attributes  map[string]string
}

// New starts a receiver, which ends with the test.
func New(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{arrived: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", r.serveHTTP)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.HTTPURL = server.URL

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rpc := grpc.NewServer()
	collector.RegisterTraceServiceServer(rpc, r)
	ended := make(chan error, 1)
	go func() { ended <- rpc.Serve(listener) }()
	t.Cleanup(func() {
		rpc.Stop()
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("receiver of traces: %v", err)
		}
	})
	r.GRPCURL = "http://" + listener.Addr().String()
	return r
}

// SetAway makes the receiver refuse everything from now on, or take it again.
func (r *Receiver) SetAway(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// LoseAnswers makes the receiver take everything and say that it did not, or not any longer.
func (r *Receiver) LoseAnswers(loses bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loses = loses
}

// Reject makes the receiver take requests and say that it rejected some of their spans.
func (r *Receiver) Reject(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejects = n
}

// Export is of the gRPC service.
func (r *Receiver) Export(
	_ context.Context, request *collector.ExportTraceServiceRequest,
) (*collector.ExportTraceServiceResponse, error) {
	answer, ok := r.take(request, nil)
	if !ok {
		return nil, status.Error(codes.PermissionDenied, "away") // which exporters do not retry themselves
	}
	return answer, nil
}

func (r *Receiver) serveHTTP(w http.ResponseWriter, q *http.Request) {
	request := &collector.ExportTraceServiceRequest{}
	body, err := io.ReadAll(q.Body)
	if err == nil {
		err = proto.Unmarshal(body, request)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, ok := r.take(request, q.Header)
	if !ok {
		http.Error(w, "away", http.StatusForbidden)
		return
	}
	encoded, err := proto.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(encoded)
}

func (r *Receiver) take(
	request *collector.ExportTraceServiceRequest, header http.Header,
) (*collector.ExportTraceServiceResponse, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	close(r.arrived)
	r.arrived = make(chan struct{})
	if r.away {
		return nil, false
	}
	r.header = header
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				r.spans = append(r.spans, read(s, texts(resource.GetResource().GetAttributes())))
			}
		}
	}
	if r.loses {
		return nil, false
	}
	answer := &collector.ExportTraceServiceResponse{}
	if r.rejects > 0 {
		answer.PartialSuccess = &collector.ExportTracePartialSuccess{RejectedSpans: r.rejects, ErrorMessage: "too many"}
	}
	return answer, true
}

func read(s *v1.Span, resource map[string]string) Span {
	span := Span{
		TraceID: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Name: s.Name, Start: at(s.StartTimeUnixNano), End: at(s.EndTimeUnixNano), Attributes: texts(s.Attributes),
		Resource: resource,
	}
	if s.GetStatus().GetCode() == v1.Status_STATUS_CODE_ERROR {
		span.Failed = s.GetStatus().GetMessage()
	}
	for _, l := range s.Links {
		span.Links = append(span.Links, Link{
			TraceID: hex.EncodeToString(l.TraceId), ID: hex.EncodeToString(l.SpanId), Attributes: texts(l.Attributes),
		})
	}
	return span
}

func at(nanoseconds uint64) time.Time { return time.Unix(0, int64(nanoseconds)).UTC() } //nolint:gosec // until 2262

func texts(attributes []*common.KeyValue) map[string]string {
	read := map[string]string{}
	for _, a := range attributes {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			read[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			read[a.Key] = fmt.Sprint(v.IntValue)
		case *common.AnyValue_BoolValue:
			read[a.Key] = fmt.Sprint(v.BoolValue)
		default:
			read[a.Key] = fmt.Sprint(v)
		}
	}
	return read
}

// Spans are all that arrived, in their order.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// Header is that of the last request over HTTP that was taken.
func (r *Receiver) Header() http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.header.Clone()
}

// Await waits until what arrived is enough.
func (r *Receiver) Await(t testing.TB, what string, enough func(spans []Span, requests int) bool) []Span {
	t.Helper()
	const patience = time.Minute
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		arrived, spans, requests := r.arrived, slices.Clone(r.spans), r.requests
		r.mu.Unlock()
		if enough(spans, requests) {
			return spans
		}
		select {
		case <-arrived:
		case <-deadline:
			t.Fatalf("no %s in %d requests with these spans:\n%s", what, requests, Text(spans))
		}
	}
}

// AwaitSpan waits for a span with a name.
func (r *Receiver) AwaitSpan(t testing.TB, name string) Span {
	t.Helper()
	is := func(s Span) bool { return s.Name == name }
	spans := r.Await(t, "span "+name, func(spans []Span, _ int) bool { return slices.ContainsFunc(spans, is) })
	return spans[slices.IndexFunc(spans, is)]
}

// Text shows traces as trees.
func Text(spans []Span) string {
	var b strings.Builder
	known := map[string]bool{}
	for _, s := range spans {
		known[s.ID] = true
	}
	for _, s := range spans {
		if !known[s.Parent] {
			fmt.Fprintf(&b, "trace %s\n", s.TraceID)
			write(&b, spans, s, 1)
		}
	}
	return b.String()
}

func write(b *strings.Builder, spans []Span, s Span, depth int) {
	fmt.Fprintf(b, "%s%s  %s  %s", strings.Repeat("  ", depth), s.Name, s.ID, s.End.Sub(s.Start))
	if s.Failed != "" {
		fmt.Fprintf(b, "  failed: %s", s.Failed)
	}
	b.WriteByte('\n')
	var below []Span
	for _, c := range spans {
		if c.Parent == s.ID && c.TraceID == s.TraceID {
			below = append(below, c)
		}
	}
	slices.SortStableFunc(below, func(a, b Span) int { return a.Start.Compare(b.Start) })
	for _, c := range below {
		write(b, spans, c, depth+1)
	}
}
