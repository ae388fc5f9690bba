package runtrace_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/templating/runtrace"
)

// TestIDsNeverChange: servers of two releases send spans of one run, and jobs remember their parent.
func TestIDsNeverChange(t *testing.T) {
	run := uuid.MustParse("0197b8f0-1234-7abc-9def-0123456789ab")
	const want = "00-0197b8f012347abc9def0123456789ab-beefda703e413087-01"
	if got := runtrace.Parent(run, 2); got != want {
		t.Errorf("the traceparent of attempt 2 is %s, want %s", got, want)
	}
	seen := map[[8]byte]bool{}
	for attempt := range 4 {
		for _, stage := range []runtrace.Stage{
			runtrace.Run, runtrace.Rerun, runtrace.Wait, runtrace.Attempt, runtrace.Render, runtrace.Launch,
			runtrace.Pending, runtrace.Execute, runtrace.Record,
		} {
			id := runtrace.SpanID(run, attempt, stage)
			if seen[id] {
				t.Errorf("attempt %d, %s: the ID %x was there before", attempt, stage, id)
			}
			seen[id] = true
		}
	}
}
