package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// keyed claims one attempt with a key of its own.
func (w *world) keyed(r store.ClaimRequest) store.Claim {
	w.t.Helper()
	r.JobKeys = true
	claims := w.claim(r)
	if len(claims) != 1 || claims[0].JobKey.Text == "" {
		w.t.Fatalf("claimed %d attempts, or no key", len(claims))
	}
	return claims[0]
}

// good reports whether the key of a claim is known, of an attempt that has not ended.
func (w *world) good(c store.Claim) bool {
	w.t.Helper()
	known := must[*store.JobKey](w.t)(w.GetJobKey(w.t.Context(), c.AttemptID))
	for _, hash := range known.Hashes {
		if c.JobKey.Matches(hash) {
			return known.Active
		}
	}
	return false
}

func TestEachClaimHasAKeyThatIsGoodUntilTheAttemptEnds(t *testing.T) {
	onEach(t, func(w *world) {
		w.one(func(d *store.Deployment) { d.Retries = lifecycle.RetryPolicy{Max: 1} })
		asked := request("p", "w", 1)
		first := w.keyed(asked)
		again := w.keyed(asked) // its answer was lost
		w.Advance(2 * leaseTime)
		takeover := request("p", "other", 1)
		taken := w.keyed(takeover)
		if taken.AttemptID != first.AttemptID || !w.good(first) || !w.good(again) || !w.good(taken) {
			t.Error("the keys of an attempt are not all good")
		}
		known := must[*store.JobKey](t)(w.GetJobKey(t.Context(), first.AttemptID))
		if known.RunID != first.RunID || known.RunName != first.RunName || known.Pool != "p" {
			t.Errorf("got %+v", known)
		}
		for range 20 {
			again = w.keyed(takeover)
		}
		if w.good(first) || !w.good(again) || len(must[*store.JobKey](t)(w.GetJobKey(t.Context(), first.AttemptID)).Hashes) != 8 {
			t.Error("keys are not bounded")
		}
		w.accepts(submitted(again), running(again), failed(again, lifecycle.App))
		if w.good(again) {
			t.Error("the key outlives its attempt")
		}
		next := w.keyed(request("p", "w", 1))
		if next.Attempt != 2 || !w.good(next) || w.good(again) {
			t.Error("the next attempt has no key of its own")
		}
		if plain := w.claim(request("p", "w", 1)); len(plain) != 0 {
			t.Fatal("claimed too much")
		}
		_, err := w.GetJobKey(t.Context(), uuid.New())
		w.refuses(err, store.NotFound)
	})
}

func TestAResultIsOfAnAttemptThatIsUnderWay(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := t.Context()
		run := w.one(func(d *store.Deployment) { d.Retries = lifecycle.RetryPolicy{Max: 1} })
		set := func(attempt uuid.UUID, value string) error {
			_, err := w.UpsertResult(ctx, run.ID, attempt, json.RawMessage(value))
			return err
		}
		w.refuses(set(uuid.Nil, `1`), store.Conflict) // not claimed yet
		first := w.claimOne("w")
		w.accepts(running(first))
		w.check(set(first.AttemptID, `{"rows": 1.0}`))
		w.check(set(first.AttemptID, `null`))
		w.refuses(set(uuid.New(), `2`), store.Conflict)
		_, err := w.UpsertProgress(ctx, run.ID, first.AttemptID, ptr(12.5), "a\x00b")
		w.check(err)
		told := must[store.ResultAndProgress](t)(w.GetResultAndProgress(ctx, run.ID))
		if string(told.Result.Value) != "null" || told.Result.Attempt != 1 || *told.Progress.Percent != 12.5 || told.Progress.Message != "a\uFFFDb" {
			t.Errorf("told %+v, %+v", told.Result, told.Progress)
		}
		w.accepts(failed(first, lifecycle.App))
		w.refuses(set(first.AttemptID, `3`), store.Conflict) // it waits for its retry
		w.Advance(time.Minute)
		second := w.claimOne("w")
		w.refuses(set(first.AttemptID, `4`), store.Conflict)
		w.check(set(second.AttemptID, `"done"`))
		w.accepts(running(second), succeeded(second))
		w.refuses(set(second.AttemptID, `5`), store.RunFinished)
		told = must[store.ResultAndProgress](t)(w.GetResultAndProgress(ctx, run.ID))
		if string(told.Result.Value) != `"done"` || told.Result.Attempt != 2 || told.Progress.Attempt != 1 {
			t.Errorf("told %+v, %+v", told.Result, told.Progress)
		}
		if told := must[store.ResultAndProgress](t)(w.GetResultAndProgress(ctx, uuid.New())); told.Result != nil || told.Progress != nil {
			t.Error("nobody said that")
		}
		_, err = w.UpsertResult(ctx, uuid.New(), uuid.Nil, json.RawMessage(`1`))
		w.refuses(err, store.NotFound)
	})
}
