package store_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// keyed claims one attempt with an API key for it.
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
	known := w.getJobKey(c.AttemptID)
	for _, hash := range known.Hashes {
		if c.JobKey.Matches(hash) {
			return known.Active
		}
	}
	return false
}

func TestTheKeyOfAClaimIsValidUntilTheAttemptEnds(t *testing.T) {
	onEachLayout(t, func(w *world) {
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
		known := w.getJobKey(first.AttemptID)
		if known.RunID != first.RunID || known.RunName != first.RunName || known.Pool != "p" {
			t.Errorf("got %+v", known)
		}
		for range 20 {
			again = w.keyed(takeover)
		}
		if w.good(first) || !w.good(again) || len(w.getJobKey(first.AttemptID).Hashes) != 8 {
			t.Error("keys are not bounded")
		}
		w.accepts(submitted(again), running(again), failed(again, lifecycle.App))
		if w.good(again) {
			t.Error("the key outlives its attempt")
		}
		next := w.keyed(request("p", "w", 1))
		if next.Attempt != 2 || !w.good(next) || w.good(again) {
			t.Error("the next attempt has no separate key")
		}
		if more := w.claim(request("p", "w", 1)); len(more) != 0 {
			t.Fatal("claimed a second attempt of one run")
		}
		_, err := w.GetJobKey(t.Context(), uuid.New())
		w.refuses(err, store.NotFound)
	})
}

func TestAResultIsRefusedWithoutAnActiveAttempt(t *testing.T) {
	onEachLayout(t, func(w *world) {
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
		got := w.getResultAndProgress(run.ID)
		if string(got.Result.Value) != "null" || got.Result.Attempt != 1 || *got.Progress.Percent != 12.5 ||
			got.Progress.Message != "a\uFFFDb" {
			t.Errorf("got %+v, %+v", got.Result, got.Progress)
		}
		w.accepts(failed(first, lifecycle.App))
		w.refuses(set(first.AttemptID, `3`), store.Conflict) // it waits for its retry
		w.Advance(time.Minute)
		second := w.claimOne("w")
		w.refuses(set(first.AttemptID, `4`), store.Conflict)
		w.check(set(second.AttemptID, `"done"`))
		w.accepts(running(second), succeeded(second))
		w.refuses(set(second.AttemptID, `5`), store.RunFinished)
		got = w.getResultAndProgress(run.ID)
		if string(got.Result.Value) != `"done"` || got.Result.Attempt != 2 || got.Progress.Attempt != 1 {
			t.Errorf("got %+v, %+v", got.Result, got.Progress)
		}
		if got := w.getResultAndProgress(uuid.New()); got.Result != nil || got.Progress != nil {
			t.Error("an unknown run has a result")
		}
		_, err = w.UpsertResult(ctx, uuid.New(), uuid.Nil, json.RawMessage(`1`))
		w.refuses(err, store.NotFound)
	})
}
