package store_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

// webhook makes a webhook that knows a condition and has a delivery, and keeps the ends of runs from now on.
func (w *world) webhook(name string) *store.Webhook {
	w.t.Helper()
	ctx := w.t.Context()
	saved := must[*store.Webhook](w.t)(w.saveWebhook(name, nil))
	w.check(w.InTx(ctx, func(tx *store.Tx) error {
		return tx.UpdateWebhookConditions(ctx, []store.WebhookCondition{{
			WebhookID: saved.ID, Kind: "k", Subject: "s", Count: 1, Since: w.Now(),
		}})
	}))
	w.deliver(saved.ID, 1)
	w.WatchEnds(func(string, lifecycle.StateType, lifecycle.Category) bool { return true })
	return saved
}

func (w *world) saveWebhook(name string, change func(*store.Webhook)) (saved *store.Webhook, err error) {
	ctx := w.t.Context()
	err = w.InTx(ctx, func(tx *store.Tx) error {
		before, err := tx.LockWebhook(ctx, name)
		if err != nil {
			return err
		}
		h := store.Webhook{ID: uuid.New(), Name: name, Format: "json", Events: []string{"run.ended"}, Secrets: "x"}
		if change != nil {
			change(&h)
		}
		saved, err = tx.UpsertWebhook(ctx, before, h, actor)
		return err
	})
	return saved, err
}

// deliver stores some deliveries about different subjects, and returns how many were dropped.
func (w *world) deliver(webhook uuid.UUID, n int, change ...func(*store.NewDelivery)) (dropped int) {
	w.t.Helper()
	list := make([]store.NewDelivery, n)
	for i := range list {
		list[i] = store.NewDelivery{WebhookID: webhook, Type: "t", Subject: fmt.Sprint(i), Event: "{}"}
		for _, c := range change {
			c(&list[i])
		}
	}
	w.check(w.InTx(w.t.Context(), func(tx *store.Tx) (err error) {
		dropped, err = tx.CreateWebhookDeliveries(w.t.Context(), list)
		return err
	}))
	return dropped
}

func (w *world) getWebhook(name string) *store.Webhook {
	w.t.Helper()
	return must[*store.Webhook](w.t)(w.GetWebhook(w.t.Context(), name))
}

// acquire takes deliveries of a webhook.
func (w *world) acquire(webhook uuid.UUID, most int) []store.WebhookDelivery {
	w.t.Helper()
	_, list, _, err := w.AcquireWebhookDeliveries(w.t.Context(), webhook, most, time.Minute)
	w.check(err)
	return list
}

func (w *world) record(d store.WebhookDelivery, r store.DeliveryResult) {
	w.t.Helper()
	w.check(w.UpdateWebhookDelivery(w.t.Context(), d, r))
}

// TestOnlyTheEndsThatAreWatchedAreKept: TestARunWritesFewRows shows that a run writes no row more without a watcher.
func TestOnlyTheEndsThatAreWatchedAreKept(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := t.Context()
		w.one()
		failing := func(_ string, state lifecycle.StateType, _ lifecycle.Category) bool { return state == lifecycle.Failed }
		for _, watched := range []bool{false, true} {
			if watched {
				w.WatchEnds(failing)
				w.run("d")
			}
			c := w.claimOne("w")
			w.accepts(running(c), failed(c, lifecycle.App))
			w.run("d")
			c = w.claimOne("w")
			w.accepts(running(c), succeeded(c))
		}
		var runs []store.EndedRun
		w.check(w.InTx(ctx, func(tx *store.Tx) (err error) {
			runs, err = tx.TakeEndedRuns(ctx, 10)
			return err
		}))
		if len(runs) != 1 || runs[0].State.Type != lifecycle.Failed || runs[0].Pool != "p" || runs[0].Deployment != "d" ||
			runs[0].Category != lifecycle.App || runs[0].EndedAt.IsZero() {
			t.Errorf("kept %+v", runs)
		}
		if some, err := w.HasEndedRuns(ctx); some || err != nil {
			t.Errorf("some are left: %v", err)
		}
	})
}

func TestDeliveriesAboutOneSubjectGoInTheirOrder(t *testing.T) {
	onEach(t, func(w *world) {
		h := must[*store.Webhook](t)(w.saveWebhook("h", nil))
		w.deliver(h.ID, 3, func(n *store.NewDelivery) { n.Subject = "same" })
		w.deliver(h.ID, 1)
		for seq := int64(1); seq <= 3; seq++ {
			list := w.acquire(h.ID, 10)
			if seq == 1 {
				if len(list) != 2 || list[1].Seq != 4 {
					t.Fatalf("acquired %+v", list)
				}
				w.record(list[1], store.DeliveryResult{State: store.DeliveryDelivered})
			}
			if len(list) == 0 || list[0].Seq != seq {
				t.Fatalf("acquired %+v, want number %d", list, seq)
			}
			if again := w.acquire(h.ID, 10); len(again) != 0 {
				t.Fatalf("acquired %+v twice", again)
			}
			w.record(list[0], store.DeliveryResult{State: store.DeliveryDelivered})
		}
	})
}

func TestAReceiverThatDoesNotAnswerIsTriedWithOneDelivery(t *testing.T) {
	onEach(t, func(w *world) {
		h := must[*store.Webhook](t)(w.saveWebhook("h", nil))
		w.deliver(h.ID, 20)
		down := store.DeliveryResult{State: store.DeliveryPending, Wait: time.Hour, Rest: time.Minute}
		for _, d := range w.acquire(h.ID, 8) {
			w.record(d, down)
		}
		if list := w.acquire(h.ID, 8); len(list) != 0 {
			t.Errorf("%d while it rests", len(list))
		}
		w.Advance(time.Minute)
		list := w.acquire(h.ID, 8)
		if len(list) != 1 || len(w.acquire(h.ID, 8)) != 0 {
			t.Fatalf("%d as a trial", len(list))
		}
		w.record(list[0], store.DeliveryResult{State: store.DeliveryDelivered})
		if list := w.acquire(h.ID, 8); len(list) != 8 {
			t.Errorf("%d once it answers", len(list))
		}
	})
}

func TestWhatWaitsForAWebhookIsBoundedAndWhatIsDroppedIsCounted(t *testing.T) {
	onEach(t, func(w *world) {
		h := must[*store.Webhook](t)(w.saveWebhook("h", nil))
		for range 4 {
			if n := w.deliver(h.ID, 2500); n != 0 {
				t.Fatalf("%d dropped", n)
			}
		}
		if n := w.deliver(h.ID, 7); n != 7 {
			t.Errorf("%d dropped, want 7", n)
		}
		if n := w.deliver(h.ID, 1, func(d *store.NewDelivery) { d.Ends = true }); n != 0 {
			t.Error("what ends something is dropped")
		}
		if got := w.getWebhook("h"); got.Pending != 10_001 || got.Dropped != 7 || got.DroppedAt == nil {
			t.Errorf("%+v", got)
		}
		st := w.getStats()
		if st.Deliveries.Pending != 10_001 {
			t.Errorf("%+v", st.Deliveries)
		}
	})
}

func TestAWebhookThatIsDeletedTakesItsDeliveriesWithIt(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := t.Context()
		h := w.webhook("h")
		list := w.acquire(h.ID, 1)
		w.check(w.DeleteWebhook(ctx, "h", actor))
		w.record(list[0], store.DeliveryResult{State: store.DeliveryPending, Rest: time.Minute, PausedReason: "gone"})
		w.deliver(h.ID, 1)
		w.check(w.InTx(ctx, func(tx *store.Tx) error {
			return tx.UpdateWebhookConditions(ctx, []store.WebhookCondition{{WebhookID: h.ID, Kind: "k", Subject: "s", Count: 1}})
		}))
		if known := must[[]store.WebhookCondition](t)(w.ListWebhookConditions(ctx)); len(known) != 0 {
			t.Errorf("it is known that %+v", known)
		}
		w.refuses(w.DeleteWebhook(ctx, "h", actor), store.NotFound)
		_, err := w.GetWebhook(ctx, "h")
		w.refuses(err, store.NotFound)
		again := must[*store.Webhook](t)(w.saveWebhook("h", nil))
		if again.Pending != 0 {
			t.Errorf("%+v", again)
		}
	})
}

// TestAClockThatWasAheadKeepsNoDeliveryWaiting: times beyond what can be asked for count as reached.
func TestAClockThatWasAheadKeepsNoDeliveryWaiting(t *testing.T) {
	onEach(t, func(w *world) {
		h := must[*store.Webhook](t)(w.saveWebhook("h", nil))
		w.Advance(24 * time.Hour)
		w.deliver(h.ID, 2)
		list := w.acquire(h.ID, 2)
		w.record(list[0], store.DeliveryResult{State: store.DeliveryPending, Wait: time.Minute, Rest: time.Minute})
		w.Advance(-24 * time.Hour)
		due := must[[]uuid.UUID](t)(w.ListDueWebhooks(t.Context()))
		if len(due) != 1 {
			t.Fatalf("due: %v", due)
		}
		first := w.acquire(h.ID, 8)
		if len(first) != 1 { // one, because the receiver has not answered
			t.Fatalf("acquired %+v", first)
		}
		w.record(first[0], store.DeliveryResult{State: store.DeliveryDelivered})
		if rest := w.acquire(h.ID, 8); len(rest) != 1 {
			t.Errorf("acquired %+v", rest)
		}
	})
}

func TestOldDeliveriesExpireAndThoseOfADeadReceiverAreGivenUp(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := t.Context()
		h := must[*store.Webhook](t)(w.saveWebhook("h", nil))
		other := must[*store.Webhook](t)(w.saveWebhook("other", nil))
		w.deliver(h.ID, 12)
		w.deliver(other.ID, 1)
		for _, d := range w.acquire(h.ID, 8) {
			w.record(d, store.DeliveryResult{State: store.DeliveryPending, Wait: time.Minute, Rest: time.Minute})
		}
		w.Advance(71 * time.Hour)
		w.expire(store.Retention{})
		if got := w.getWebhook("h"); got.Pending != 12 {
			t.Errorf("given up early: %+v", got)
		}
		w.Advance(2 * time.Hour)
		w.expire(store.Retention{})
		if got := w.getWebhook("h"); got.Pending != 0 || got.Failed != 12 {
			t.Errorf("%+v", got)
		}
		list, _, err := w.ListWebhookDeliveries(ctx, h.ID, store.DeliveryFailed, store.Page{Limit: 1})
		if err != nil || len(list) != 1 || !strings.Contains(list[0].LastError, "given up after 72 hours") {
			t.Errorf("%+v, %v", list, err)
		}
		if got := w.getWebhook("other"); got.Pending != 1 {
			t.Errorf("one that nothing is known of: %+v", got)
		}
		w.Advance(8 * 24 * time.Hour)
		if n := w.expire(store.Retention{}).Deliveries; n != 12 {
			t.Errorf("%d expired", n)
		}
	})
}

func TestTroubleIsFoundOnce(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := t.Context()
		w.one()
		trouble := func() *store.Trouble {
			t.Helper()
			return must[*store.Trouble](t)(w.GetTrouble(ctx, time.Minute, []string{"d", "gone"}))
		}
		if got := trouble(); len(got.Pools) != 0 || !maps.Equal(got.Deployments, map[string]bool{"d": true}) {
			t.Errorf("at once: %+v", got)
		}
		w.Advance(2 * time.Minute)
		if got := trouble(); len(got.Pools) != 1 || got.Pools[0].Pool != "p" || got.Pools[0].LastSeen != nil {
			t.Errorf("without a worker: %+v", got)
		}
		w.updatePool("p", store.PoolUpdate{Pause: &store.PauseChange{Paused: true}}, actor)
		if got := trouble(); len(got.Pools) != 0 {
			t.Errorf("paused: %+v", got)
		}
		w.updatePool("p", store.PoolUpdate{Pause: &store.PauseChange{Paused: false}}, actor)
		w.updateDeploymentPaused("d", true, actor)
		if got := trouble(); len(got.Pools) != 0 {
			t.Errorf("with a paused deployment: %+v", got)
		}
	})
}

// TestOnlyTheLastToTryADeliveryMayFailIt: one that was slower than its reservation does not undo what another does.
func TestOnlyTheLastToTryADeliveryMayFailIt(t *testing.T) {
	onEach(t, func(w *world) {
		h := must[*store.Webhook](t)(w.saveWebhook("h", nil))
		w.deliver(h.ID, 1)
		slow := w.acquire(h.ID, 1)[0]
		w.Advance(2 * time.Minute)
		last := w.acquire(h.ID, 1)[0]
		w.record(slow, store.DeliveryResult{State: store.DeliveryFailed, PausedReason: "gone"})
		if got := w.getWebhook("h"); got.Pending != 1 || got.Paused || len(w.acquire(h.ID, 1)) != 0 {
			t.Errorf("%+v", got)
		}
		w.record(last, store.DeliveryResult{State: store.DeliveryPending, Error: "no"})
		w.record(slow, store.DeliveryResult{State: store.DeliveryDelivered}) // the receiver has it, whoever says so
		if got := w.getWebhook("h"); got.Pending != 0 || got.Failed != 0 {
			t.Errorf("%+v", got)
		}
	})
}
