package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

func TestATakeoverSaysHowMuchOutputIsStoredAndUpToWhere(t *testing.T) {
	onEach(t, func(w *world) {
		w.one()
		c := w.claimOne("first")
		if c.OutputSize != 0 || c.OutputPosition != "" {
			t.Errorf("a new attempt has %d bytes of output up to %q", c.OutputSize, c.OutputPosition)
		}
		w.accepts(manifest(c), submitted(c), running(c))
		for _, chunk := range []store.LogChunk{
			{Text: "one\n", Position: "after one"}, {Offset: 4, Text: "two\n", Position: "after two"}, {Offset: 8, Text: "three"},
			{Text: "one\n", Position: "after one"}, // an answer was lost
		} {
			chunk.Lease = leaseOf(c)
			w.check(w.AppendLogs(t.Context(), []store.LogChunk{chunk}))
		}
		w.Advance(leaseTime + time.Second)
		if taken := w.claimOne("second"); taken.OutputSize != 13 || taken.OutputPosition != "after two" {
			t.Errorf("taken over with %d bytes of output up to %q", taken.OutputSize, taken.OutputPosition)
		}
	})
}

func TestAWorkerTakesNothingOverInANamespaceThatItCannotReach(t *testing.T) {
	onEach(t, func(w *world) {
		w.one()
		c := w.claimOne("first")
		job := submitted(c)
		job.JobNamespace = "jobs"
		w.accepts(manifest(c), job, running(c))
		w.Advance(leaseTime + time.Second)
		blind := request("p", "blind", 10)
		blind.Lost = []store.LostNamespace{{Namespace: "jobs", Reason: "forbidden"}}
		if claims := w.claim(blind); len(claims) != 0 {
			t.Errorf("it took over %+v", claims)
		}
		lost := func() string {
			workers, err := w.ListWorkers(t.Context(), "p")
			w.check(err)
			for _, worker := range workers {
				if worker.Name == "blind" && len(worker.Lost) > 0 {
					return worker.Lost[0].Namespace + ": " + worker.Lost[0].Reason
				}
			}
			return ""
		}
		if got := lost(); got != "jobs: forbidden" {
			t.Errorf("it is said to have lost %q", got)
		}
		blind.RequestID, blind.Lost, blind.Max = uuid.New(), nil, 0
		w.claim(blind)
		if got := lost(); got != "" {
			t.Errorf("it is said to have lost %q when it has not", got)
		}
		if taken := w.claimOne("seeing"); taken.AttemptID != c.AttemptID {
			t.Errorf("another worker took over %+v", taken)
		}
	})
}

func TestTwoClustersWithOneIDAreRefusedWhileBothHaveWorkers(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("p")
		hello := func(name string, objects map[string]string) error {
			return w.UpsertWorker(t.Context(), store.Worker{
				Name: name, Pool: "p", Type: "kubernetes", ClusterID: "shared", ClusterObjects: objects,
			}, uuid.New())
		}
		w.check(hello("one", map[string]string{"kube-system": "u1", "a/kube-root-ca.crt": "c1"}))
		w.check(hello("the same", map[string]string{"kube-system": "u1"}))
		w.check(hello("another namespace", map[string]string{"b/kube-root-ca.crt": "c2"}))
		w.check(hello("silent", nil))
		for _, objects := range []map[string]string{{"kube-system": "u2"}, {"a/kube-root-ca.crt": "c9"}} {
			err := hello("two", objects)
			w.refuses(err, store.Conflict)
			if err != nil && !strings.Contains(err.Error(), "--cluster-id") {
				t.Errorf("refused with %v", err)
			}
		}
		w.Advance(2 * store.WorkerAliveFor)
		w.check(hello("two", map[string]string{"kube-system": "u2"})) // the cluster was made anew
	})
}
