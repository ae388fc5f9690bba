package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// dryRunWait is how long the askers of these tests wait.
const dryRunWait = 10 * time.Second

// asks stores a question to a cluster of pool p.
func (w *world) asks(cluster string) uuid.UUID {
	w.t.Helper()
	asked := store.NewDryRun{
		ID: uuid.New(), Pool: "p", ClusterID: cluster, Question: json.RawMessage(`{"about":"` + cluster + `"}`),
	}
	w.check(w.CreateDryRuns(w.t.Context(), []store.NewDryRun{asked}, dryRunWait))
	return asked.ID
}

// takes are the questions that a worker gets.
func (w *world) takes(pool, cluster string) []json.RawMessage {
	w.t.Helper()
	return must[[]json.RawMessage](w.t)(w.TakeDryRuns(w.t.Context(),
		store.DryRunTaker{Pool: pool, Worker: "w", ClusterID: cluster, Max: 2}))
}

// dryRun is what has become of a question; nil: it is gone.
func (w *world) dryRun(id uuid.UUID) *store.DryRun {
	w.t.Helper()
	found := must[[]store.DryRun](w.t)(w.ListDryRuns(w.t.Context(), []uuid.UUID{id}))
	if len(found) == 0 {
		return nil
	}
	return &found[0]
}

func TestADryRunIsTakenByOneWorkerOfItsPoolAndCluster(t *testing.T) {
	onEach(t, func(w *world) {
		id := w.asks("here")
		if taken := append(w.takes("p", "there"), w.takes("q", "here")...); len(taken) != 0 {
			t.Errorf("workers elsewhere got %s", taken)
		}
		if taken := w.takes("p", "here"); len(taken) != 1 || string(taken[0]) != `{"about":"here"}` {
			t.Errorf("the worker got %s", taken)
		}
		if again := w.takes("p", "here"); len(again) != 0 {
			t.Errorf("another poll got %s", again)
		}
		if d := w.dryRun(id); d == nil || d.Worker != "w" || d.Answer != nil {
			t.Errorf("it is %+v", d)
		}
		w.Advance(5 * time.Second)
		if again := w.takes("p", "here"); len(again) != 1 {
			t.Error("a question that a worker took and never answered is lost")
		}
	})
}

func TestTheFirstAnswerToADryRunCounts(t *testing.T) {
	onEach(t, func(w *world) {
		id := w.asks("here")
		answers := func(id uuid.UUID, pool, worker, text string) bool {
			return must[bool](t)(w.AnswerDryRun(t.Context(), id, pool, worker, json.RawMessage(text)))
		}
		if answers(id, "q", "w", `"of another pool"`) || answers(uuid.New(), "p", "w", `"nobody asked"`) {
			t.Error("an answer was taken that is to another question")
		}
		if !answers(id, "p", "w", `"first"`) || answers(id, "p", "v", `"second"`) {
			t.Error("not the first answer was taken, or not only the first")
		}
		if d := w.dryRun(id); d == nil || string(d.Answer) != `"first"` || d.Worker != "w" {
			t.Errorf("it is %+v", d)
		}
		w.Advance(5 * time.Second)
		if again := w.takes("p", "here"); len(again) != 0 {
			t.Error("an answered question is asked again")
		}
		w.check(w.DeleteDryRuns(t.Context(), []uuid.UUID{id}))
		if w.dryRun(id) != nil {
			t.Error("a deleted question is there")
		}
	})
}

func TestADryRunOfAServerThatHasEndedIsSweptAway(t *testing.T) {
	onEach(t, func(w *world) {
		id := w.asks("here")
		w.Advance(dryRunWait + time.Second)
		if taken := w.takes("p", "here"); len(taken) != 0 {
			t.Error("a worker got a question for which nobody waits any more")
		}
		w.check(w.Sweep(t.Context()))
		if w.dryRun(id) == nil {
			t.Error("the row is gone before a server could read an answer of the last moment")
		}
		w.Advance(dryRunWait)
		w.check(w.Sweep(t.Context()))
		if w.dryRun(id) != nil {
			t.Error("the row of a server that has ended stays")
		}
	})
}
