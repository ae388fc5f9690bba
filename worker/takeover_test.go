package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// TestAWorkerThatTakesOverFromItselfLosesNoOutput is what follows when the server was away for longer than a
// lease: the worker's own claim may come before its renewal, and output that it sends under the old lease
// until it has the answer is dropped.
func TestAWorkerThatTakesOverFromItselfLosesNoOutput(t *testing.T) {
	p := newFakeServer(t, shellTemplate)
	startWorker(t, p, func(o *Options) { o.tuning.renewEvery = time.Hour })
	gates := t.TempDir()
	gate := func(name string) string { return filepath.Join(gates, name) }
	open := func(name string) {
		if err := os.WriteFile(gate(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := p.offer(
		script(
			fmt.Sprintf(
				"echo one; until [ -e %s ]; do sleep 0.01; done; echo two; until [ -e %s ]; do sleep 0.01; done; echo three",
				gate("a"), gate("b")),
		),
	)
	p.wait(t, "the first line", func() bool {
		return string(s.output) == "one\n" && slices.Contains(s.kinds(), api.ReportKindRunning)
	})
	p.change(func() { s.epoch++ }) // the claim is under way
	open("a")
	p.wait(t, "the second line, which comes too late", func() bool { return p.dropped > 0 })
	p.change(func() { p.waiting = append(p.waiting, s) })
	p.wait(t, "the takeover", func() bool { return len(p.waiting) == 0 })
	open("b")
	p.wait(t, "the end", func() bool { return s.ended != nil })
	p.wait(t, "all of the output", func() bool { return string(s.output) == "one\ntwo\nthree\n" })
}
