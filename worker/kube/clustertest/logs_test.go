package clustertest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

// drained gives the container runtime time to write the container's output: containerd 1.6 loses what is in
// the pipe when a container exits right after it has printed much.
const drained = "; sleep 2"

// counted is what `seq 1 n` prints.
func counted(n int) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.String()
}

func TestTenThousandLinesAreHandedOverOnceAndInOrder(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("seq 1 10000; printf 'no newline at the end'" + drained)
	launched := s.launch(a)
	end := s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	want := counted(10000) + "no newline at the end"
	if text, _ := s.recorder.text(a.Ref); text != want {
		t.Errorf("%d bytes of output, want %d; they end with %q", len(text), len(want),
			text[max(0, len(text)-100):])
	}
	if lines := strings.Split(end.LastLines, "\n"); lines[len(lines)-1] != "no newline at the end" ||
		len(lines) != 20 {
		t.Errorf("last lines: %q", lines)
	}
	if len(s.recorder.faults) > 0 {
		t.Error(s.recorder.faults)
	}
}

func TestALineLongerThanTheBufferIsHandedOverWhole(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(`head -c 300000 /dev/zero | tr '\0' x; echo; echo after` + drained)
	launched := s.launch(a)
	s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	want := strings.Repeat("x", 300000) + "\nafter\n"
	if text, _ := s.recorder.text(a.Ref); text != want {
		t.Errorf("%d bytes of output, want %d", len(text), len(want))
	}
}

// cutter breaks the body of every log stream after some bytes, as a restart of the API server does.
type cutter struct {
	next  http.RoundTripper
	after int
	cuts  atomic.Int32
}

func (c *cutter) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(request)
	if err == nil && strings.HasSuffix(request.URL.Path, "/log") &&
		request.URL.Query().Get("follow") == "true" &&
		c.cuts.Load() < 25 {
		response.Body = &cutBody{ReadCloser: response.Body, left: c.after + 137*int(c.cuts.Load()), cutter: c}
	}
	return response, err
}

type cutBody struct {
	io.ReadCloser
	left   int
	cutter *cutter
}

func (b *cutBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.cutter.cuts.Add(1)
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func TestAnInterruptedLogIsResumedWithoutGapOrRepetition(t *testing.T) {
	s := newSite(t, kube.Options{})
	cut := &cutter{after: 2000}
	s.config.REST = restCopy(s.config.REST,
		func(next http.RoundTripper) http.RoundTripper { cut.next = next; return cut })
	s.start()
	a := s.attempt(
		`i=0; while [ $i -lt 30 ]; do i=$((i+1)); seq 1 60; echo "to stderr" >&2; sleep 0.1; done` + drained)
	launched := s.launch(a)
	s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	text, _ := s.recorder.text(a.Ref)
	if got := strings.ReplaceAll(text, "to stderr\n", ""); got != strings.Repeat(counted(60), 30) {
		t.Errorf("standard output has %d bytes, want %d", len(got), 30*len(counted(60)))
	}
	if got := strings.Count(text, "to stderr\n"); got != 30 {
		t.Errorf("%d lines of standard error, want 30", got)
	}
	if cut.cuts.Load() < 3 {
		t.Errorf("the follow was cut %d times, the test proves nothing", cut.cuts.Load())
	}
	if len(s.recorder.faults) > 0 {
		t.Error(s.recorder.faults)
	}
}

func TestWithoutStreamOutputOnlyTheLastLinesAreRead(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("seq 1 100; exit 1")
	a.StreamOutput = false
	launched := s.launch(a)
	end := s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	if text, _ := s.recorder.text(a.Ref); text != "" {
		t.Errorf("output %q, want none", text)
	}
	if !strings.HasSuffix(end.LastLines, "\n99\n100") || !strings.HasPrefix(end.LastLines, "81\n") {
		t.Errorf("last lines %q", end.LastLines)
	}
}

func TestTheOutputOfARestartedContainerFollowsItsEarlierOutput(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(
		`if [ -e /shared/second ]; then echo second; else touch /shared/second; echo first; exit 1; fi`,
		func(spec map[string]any) {
			podSpec(spec)["restartPolicy"] = "OnFailure"
			podSpec(spec)["volumes"] = []any{map[string]any{"name": "shared", "emptyDir": map[string]any{}}}
			mainContainer(spec)["volumeMounts"] = []any{
				map[string]any{"name": "shared", "mountPath": "/shared"},
			}
		},
	)
	launched := s.launch(a)
	end := s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	text, _ := s.recorder.text(a.Ref)
	// With backoffLimit 0 the Job controller may end the Job at the first restart; the output so far has to
	// be complete.
	if text != "first\nsecond\n" && !(end.Category != "" && text == "first\n") {
		t.Errorf("output %q of %s", text, show(end))
	}
}

func TestASlowHandlerBlocksTheReaderAndNotTheOutcome(t *testing.T) {
	s := newSite(t, kube.Options{})
	gate := make(chan struct{})
	s.recorder.before = func(ctx context.Context) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a := s.attempt("seq 1 5000" + drained)
	launched := s.launch(a)
	if end := s.ended(a.Ref); !end.Succeeded {
		t.Errorf("ended as %s", show(end))
	}
	if text, _ := s.recorder.text(a.Ref); text != "" {
		t.Errorf("output came through a closed gate: %d bytes", len(text))
	}
	close(gate)
	s.finalize(a.Ref, launched.UID)
	if text, _ := s.recorder.text(a.Ref); text != counted(5000) {
		t.Errorf("%d bytes of output, want %d", len(text), len(counted(5000)))
	}
}

var _ job.Handler = (*recorder)(nil)

func TestOutputStartsAgainUnderANewLease(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("echo one; sleep 4; echo two")
	launched := s.launch(a)
	s.untilOutput(a.Ref, "the first line", func(text string) bool { return text == "one\n" })
	s.recorder.mu.Lock()
	delete(s.recorder.output, a.Ref) // the server may have deleted it
	s.recorder.mu.Unlock()
	if err := s.runtime.Adopt(s.ctx(), a); err != nil {
		t.Fatal(err)
	}
	s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	if text, _ := s.recorder.text(a.Ref); text != "one\ntwo\n" || len(s.recorder.faults) > 0 {
		t.Errorf("output %q, faults %v", text, s.recorder.faults)
	}
}
