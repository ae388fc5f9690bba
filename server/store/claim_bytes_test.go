package store_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// TestAnAnswerToAClaimIsBoundedInBytes: what does not fit stays as it is, for the next claim. That holds for runs, and for
// attempts to take over.
func TestAnAnswerToAClaimIsBoundedInBytes(t *testing.T) {
	document := func(size int) json.RawMessage {
		return json.RawMessage(`{"text":"` + strings.Repeat("x", size-len(`{"text":""}`)) + `"}`)
	}
	onEach(t, func(w *world) {
		w.pool("p")
		w.deployment("d", "p", func(d *store.Deployment) { d.JobVariables = document(1000) })
		sizes := map[uuid.UUID]int{}
		for _, size := range []int{3000, 20_000, 100, 100, 50_000, 100} {
			run := w.run("d", func(n *store.NewRun) { n.JobVariables = document(size) })
			sizes[run.ID] = size
		}
		w.deployment("d", "p", func(d *store.Deployment) { // the runs are held to what it freezes now
			d.JobVariables, d.FrozenVariables = json.RawMessage(`{"image":"new"}`), []string{"image"}
		})
		for epoch, worker := range []string{"first", "second"} {
			claimed := map[uuid.UUID]bool{}
			for answer, want := range []int{2, 2, 1, 1} {
				r := request("p", worker, 10)
				r.MaxBytes = 26_000
				claims := w.claim(r)
				if len(claims) != want {
					t.Fatalf("answer %d to %s has %d attempts, want %d", answer, worker, len(claims), want)
				}
				for _, c := range claims {
					if len(c.RunVariables) != sizes[c.RunID] {
						t.Errorf("a run with %d bytes of job variables comes with %d", sizes[c.RunID], len(c.RunVariables))
					}
					if c.Epoch != int64(epoch+1) || claimed[c.RunID] {
						t.Errorf("run %s comes with epoch %d, and came before: %v", c.RunID, c.Epoch, claimed[c.RunID])
					}
					claimed[c.RunID] = true
				}
			}
			w.Advance(leaseTime + time.Second)
		}
	})
}
