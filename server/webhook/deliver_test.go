package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/event"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/webhook"
)

func TestTheEndOfARunIsToldOnceAndSigned(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		_, secret := w.set("h", r.URL+"/path?token=t0ps3cret")
		id := w.ended("d", 3)
		w.tell()
		w.tell()
		got := r.took()
		if len(got) != 1 {
			t.Fatalf("told %d times", len(got))
		}
		e := got[0].event(t)
		if e.Type != event.RunEnded || e.Data.Run.ID != id || e.Data.Run.State != "FAILED" || *e.Data.Run.ExitCode != 3 ||
			e.Data.Deployment != "d" || e.Data.Pool != "p" || e.Data.Run.Cause != "app" ||
			e.Data.URL != "https://berth.example.com/runs/"+id.String() {
			t.Errorf("told %s", got[0].body)
		}
		if !signed(t, got[0], secret) {
			t.Error("the signature is not that of the secret")
		}
		if signed(t, request{got[0].header, append(got[0].body, ' ')}, secret) {
			t.Error("the signature is valid for another body")
		}
		d := w.deliveries("h")
		if len(d) != 1 || d[0].State != store.DeliveryDelivered || d[0].Attempts != 1 || *d[0].LastStatus != 200 ||
			"msg_"+d[0].ID.String() != got[0].id() {
			t.Errorf("delivered as %+v", d)
		}
	})
}

// signed verifies a signature as a receiver does, without the code that made it.
func signed(t *testing.T, q request, secret string) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	sum := hmac.New(sha256.New, key)
	sum.Write([]byte(q.header.Get("webhook-id") + "." + q.header.Get("webhook-timestamp") + "." + string(q.body)))
	want := "v1," + base64.StdEncoding.EncodeToString(sum.Sum(nil))
	return slices.Contains(strings.Split(q.header.Get("webhook-signature"), " "), want)
}

func TestAReceiverThatIsDownForAMinuteGetsEachEventOnceItIsBack(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL)
		r.answers(status(http.StatusServiceUnavailable))
		first := w.ended("d", 0)
		w.tell()
		for range 12 {
			w.Advance(5 * time.Second)
			w.tell()
		}
		second := w.ended("d", 1)
		w.tell()
		tried := r.took()
		if n := len(tried); n < 3 || n > 13 {
			t.Errorf("tried %d times in a minute", n)
		}
		for _, q := range tried {
			if q.id() != tried[0].id() && q.event(t).Data.Run.ID == first {
				t.Errorf("the ID changes: %s, %s", q.id(), tried[0].id())
			}
		}
		r.answers(nil)
		w.Advance(time.Minute)
		w.tell()
		w.Advance(time.Minute)
		w.tell()
		runs := map[string]int{}
		for _, q := range r.took() {
			runs[q.event(t).Data.Run.ID.String()]++
		}
		if len(runs) != 2 || runs[first.String()] != 1 || runs[second.String()] != 1 {
			t.Errorf("told of %v", runs)
		}
		for _, d := range w.deliveries("h") {
			if d.State != store.DeliveryDelivered {
				t.Errorf("%+v", d)
			}
		}
		if h, err := w.GetWebhook(t.Context(), "h"); err != nil || h.Unanswered != 0 || h.RestUntil != nil {
			t.Errorf("%+v, %v", h, err)
		}
		if delivered, retried := w.counted.of("delivered"), w.counted.of("retried"); delivered != 2 || retried != len(tried) {
			t.Errorf("counted %d delivered and %d retried, of %d attempts that failed", delivered, retried, len(tried))
		}
	})
}

func TestAnAnswerThatIsLostIsAskedForAgainWithTheSameIDAndBody(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL)
		r.answers(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }) // after it was read
		w.ended("d", 0)
		w.tell()
		r.answers(nil)
		w.Advance(time.Minute)
		w.tell()
		got := r.took()
		if len(got) != 2 || got[0].id() != got[1].id() || string(got[0].body) != string(got[1].body) {
			t.Errorf("%d requests: %v", len(got), got)
		}
		if got[0].header.Get("webhook-timestamp") == got[1].header.Get("webhook-timestamp") {
			t.Error("the timestamp is not that of the attempt")
		}
	})
}

func TestAServerThatDiesBetweenSendingAndRecordingIsReplacedByAnother(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		h, _ := w.set("h", r.URL)
		w.ended("d", 0)
		w.check(w.Tell(t.Context()))
		// What a server does that dies: it takes the delivery, sends it, and is gone.
		_, list, _, err := w.AcquireWebhookDeliveries(t.Context(), h.ID, 8, time.Minute)
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		w.tell()
		if n := len(r.took()); n != 0 {
			t.Errorf("another server has sent it %d times meanwhile", n)
		}
		w.Advance(2 * time.Minute)
		w.tell()
		if got := r.took(); len(got) != 1 || got[0].id() != webhook.MessageID(list[0]) {
			t.Errorf("sent again: %v", got)
		}
		// The dead one was only slow, and says what it knows: it is too late for a failure.
		w.check(w.UpdateWebhookDelivery(t.Context(), list[0], store.DeliveryResult{State: store.DeliveryFailed}))
		if d := w.deliveries("h"); d[0].State != store.DeliveryDelivered {
			t.Errorf("%+v", d)
		}
	})
}

// TestAServerThatStopsWhileItSendsLeavesTheDeliveryToOthers cuts the attempt short, as a shutdown does.
func TestAServerThatStopsWhileItSendsLeavesTheDeliveryToOthers(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL)
		ctx, stop := context.WithCancel(t.Context())
		r.answers(func(_ http.ResponseWriter, q *http.Request) {
			stop()
			<-q.Context().Done()
		})
		w.ended("d", 0)
		w.check(w.Tell(ctx))
		if err := w.Send(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if d := w.deliveries("h"); d[0].State != store.DeliveryPending || d[0].LastError != "" {
			t.Errorf("%+v", d)
		}
		r.answers(nil)
		w.Advance(2 * time.Minute)
		w.tell()
		if d := w.deliveries("h"); d[0].State != store.DeliveryDelivered {
			t.Errorf("%+v", d)
		}
	})
}

func TestTwoServersTellOnce(t *testing.T) {
	t.Parallel()
	w := newWorldOnPostgreSQL(t)
	r := newReceiver(t)
	w.set("h", r.URL, asking(event.RunEnded, event.DeploymentFailing), func(c *webhook.Change) { c.Webhook.Failures = 2 })
	other := w.service(w.OpenAgain(t), "http://127.0.0.0/8")
	for range 20 {
		w.ended("d", 1)
	}
	done := make(chan error)
	for _, s := range []*webhook.Service{w.Service, other} {
		go func() {
			var all []error
			for range 10 {
				all = append(all, s.Tell(t.Context()), s.Look(t.Context()), s.Send(t.Context()))
			}
			done <- errors.Join(all...)
		}()
	}
	for range 2 {
		w.check(<-done)
	}
	w.tell() // what one server had no turn for
	types := map[event.Type]int{}
	ids := map[string]bool{}
	for _, q := range r.took() {
		types[q.event(t).Type]++
		ids[q.id()] = true
	}
	if types[event.RunEnded] != 20 || types[event.DeploymentFailing] != 1 || len(ids) != 21 {
		t.Errorf("told %v, with %d IDs", types, len(ids))
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL)
		r.answers(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "1800")
			rw.WriteHeader(http.StatusTooManyRequests)
		})
		w.ended("d", 0)
		w.tell()
		w.ended("d", 0) // the whole receiver wants to be left alone
		w.Advance(25 * time.Minute)
		w.tell()
		if n := len(r.took()); n != 1 {
			t.Errorf("asked %d times in 25 minutes", n)
		}
		r.answers(nil)
		w.Advance(6 * time.Minute)
		w.tell()
		w.tell()
		if n := len(r.took()); n != 2 {
			t.Errorf("told %d times afterwards", n)
		}
	})
}

func TestAReceiverThatIsGonePausesTheWebhookUntilItIsResumed(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL)
		r.answers(status(http.StatusGone))
		w.ended("d", 0)
		w.tell()
		h, err := w.GetWebhook(t.Context(), "h")
		if err != nil || !h.Paused || !strings.Contains(h.PausedReason, "410") || h.UpdatedBy != "server" {
			t.Fatalf("%+v, %v", h, err)
		}
		if d := w.deliveries("h"); d[0].State != store.DeliveryFailed || *d[0].LastStatus != 410 {
			t.Errorf("%+v", d)
		}
		w.check(w.Refresh(t.Context()))
		w.ended("d", 0)
		w.tell()
		if n := len(r.took()); n != 1 {
			t.Errorf("told %d times", n)
		}
		r.answers(nil)
		_, err = w.UpdateWebhookPaused(t.Context(), "h", false, "t")
		w.check(err)
		n, err := w.ResendWebhookDeliveries(t.Context(), "h", nil, "t")
		if err != nil || n != 1 {
			t.Errorf("sends %d again, %v", n, err)
		}
		w.tell()
		if d := w.deliveries("h"); len(d) != 1 || d[0].State != store.DeliveryDelivered || d[0].Attempts != 1 {
			t.Errorf("%+v", d)
		}
	})
}

func TestADeliveryIsGivenUpAfterThreeDaysAndCanBeSentAgain(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL)
		r.answers(status(http.StatusNotFound))
		w.ended("d", 0)
		w.tell()
		for range 7 {
			w.Advance(11 * time.Minute)
			w.tell()
		}
		if d := w.deliveries("h")[0]; d.State != store.DeliveryPending || d.Attempts != 8 {
			t.Fatalf("%+v", d)
		}
		w.Advance(72 * time.Hour)
		w.tell()
		d := w.deliveries("h")[0]
		if d.State != store.DeliveryFailed || !strings.Contains(d.LastError, "404 Not Found; given up after 9 attempts") {
			t.Fatalf("%+v", d)
		}
		first := r.took()[0].id()
		r.answers(nil)
		h, err := w.GetWebhook(t.Context(), "h")
		if err != nil || h.Failed != 1 || h.Pending != 0 {
			t.Errorf("%+v, %v", h, err)
		}
		_, err = w.ResendWebhookDeliveries(t.Context(), "h", []uuid.UUID{d.ID}, "t")
		w.check(err)
		w.tell()
		if got := r.took(); len(got) != 1 || got[0].id() != first || w.deliveries("h")[0].State != store.DeliveryDelivered {
			t.Errorf("sent again as %v", got)
		}
		if _, err := w.ResendWebhookDeliveries(t.Context(), "h", []uuid.UUID{uuid.New()}, "t"); !store.IsCode(err, store.NotFound) {
			t.Errorf("an unknown delivery: %v", err)
		}
	})
}
