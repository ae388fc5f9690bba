package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// eventReceiver is a receiver and what it was told.
type eventReceiver struct {
	url    string
	events chan map[string]any
}

func newReceiver(t *testing.T) eventReceiver {
	t.Helper()
	r := eventReceiver{events: make(chan map[string]any, 100)}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		var event map[string]any
		if err := json.NewDecoder(q.Body).Decode(&event); err != nil {
			t.Errorf("told something that is no JSON: %v", err)
		}
		event["id"] = q.Header.Get("webhook-id")
		r.events <- event
	}))
	t.Cleanup(receiver.Close)
	r.url = receiver.URL
	return r
}

// next is the next event.
func (r eventReceiver) next(t *testing.T) map[string]any {
	t.Helper()
	select {
	case event := <-r.events:
		return event
	case <-time.After(patience):
		t.Fatal("nothing was told")
		return nil
	}
}

// sealKey encrypts the secrets of a test.
const sealKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

func allowLoopback(o *server.Options) {
	o.WebhookAllow, o.IdentityKey = []string{"http://127.0.0.0/8"}, sealKey
}

func (r *running) setWebhook(name, body string) api.WebhookSaved {
	r.t.Helper()
	return read[api.WebhookSaved](r.call(http.MethodPut, "/api/v1/webhooks/"+name, body).is(http.StatusOK))
}

func TestAServerTellsTheEndOfARun(t *testing.T) {
	t.Parallel()
	forEachDatabase(t, func(t *testing.T, database func(*server.Options)) {
		r := start(t, database, allowLoopback)
		receiver := newReceiver(t)
		saved := r.setWebhook("ends", `{"url":"`+receiver.url+`/a/token?of=mine","events":["run.ended","deployment.failing"],"failures":1}`)
		if saved.Secret == nil || !strings.HasPrefix(*saved.Secret, "whsec_") || !strings.HasSuffix(saved.Webhook.Target, "/…") {
			t.Errorf("set as %+v", saved)
		}
		r.deploy("hello", "")
		run := r.startRun("hello", `{}`)
		w := r.newWorker("w")
		claim := w.claimOne()
		w.begin(claim)
		w.finish(claim, 3, "")
		types := []any{}
		for range 2 {
			event := receiver.next(t)
			data := event["data"].(map[string]any)
			if data["deployment"] != "hello" || data["run"].(map[string]any)["id"] != run.ID.String() {
				t.Errorf("told %v", event)
			}
			types = append(types, event["type"])
		}
		if !slices.Contains(types, any("run.ended")) || !slices.Contains(types, any("deployment.failing")) {
			t.Errorf("told %v", types)
		}
		trial := read[api.WebhookTrial](r.call(http.MethodPost, "/api/v1/webhooks/ends/test", "").is(http.StatusOK))
		if event := receiver.next(t); !trial.Delivered || event["type"] != "test" || event["id"] != trial.ID {
			t.Errorf("%+v told %v", trial, event)
		}
		again := r.delivered("ends", 2)[1]
		r.call(http.MethodPost, "/api/v1/webhooks/ends/resend", `{"deliveries":["`+again.ID.String()+`"]}`).is(http.StatusOK)
		if event := receiver.next(t); event["id"] != again.MessageID {
			t.Errorf("sent again as %v, want %s", event["id"], again.MessageID)
		}
		r.call(http.MethodDelete, "/api/v1/webhooks/ends", "").is(http.StatusNoContent)
		lines := r.audited(r.admin, "&kind=webhook")
		for _, action := range []string{"create", "update", "delete"} {
			if !slices.Contains(lines, "bootstrap-admin "+action+" webhook ends") {
				t.Errorf("audited: %q", lines)
			}
		}
	})
}

// delivered waits until so many deliveries of a webhook are recorded, and returns them, the newest first. A receiver is
// told before that is recorded.
func (r *running) delivered(name string, n int) []api.WebhookDelivery {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		list := read[api.WebhookDeliveryList](r.call(http.MethodGet, "/api/v1/webhooks/"+name+"/deliveries?state=delivered", "").
			is(http.StatusOK))
		if len(list.Items) == n {
			return list.Items
		}
	}
	r.t.Fatalf("no %d deliveries of %s are recorded", n, name)
	return nil
}

// forEachDatabase runs a test on both.
func forEachDatabase(t *testing.T, test func(t *testing.T, database func(*server.Options))) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, func(*server.Options) {})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, on(pgtest.Database(t)))
	})
}

func TestAKeyForAPoolHasTheWebhooksOfItsPoolOnly(t *testing.T) {
	t.Parallel()
	r := start(t, allowLoopback, func(o *server.Options) {
		o.EnsurePools = append(o.EnsurePools, server.PoolSpec{Name: "a", Type: "process"}, server.PoolSpec{Name: "b", Type: "process"})
	})
	receiver := newReceiver(t)
	url := `"url":"` + receiver.url + `"`
	for name, pools := range map[string]string{"all": `[]`, "pattern": `["a*"]`, "of-a": `["a"]`, "of-b": `["b"]`, "of-both": `["a","b"]`} {
		r.setWebhook(name, `{`+url+`,"filter":{"pools":`+pools+`}}`)
	}
	editor, viewer := r.makeKey("editor of a", api.RoleEditor, "a"), r.makeKey("viewer of a", api.RoleViewer, "a")
	for _, key := range []string{editor, viewer} {
		list := read[api.WebhookList](r.as(key, http.MethodGet, "/api/v1/webhooks", "").is(http.StatusOK))
		if len(list.Items) != 1 || list.Items[0].Name != "of-a" {
			t.Errorf("sees %+v", list.Items)
		}
	}
	for _, name := range []string{"all", "pattern", "of-b", "of-both", "none"} {
		for _, call := range [][3]string{
			{"GET", "", ""}, {"PATCH", "", `{"paused":true}`}, {"DELETE", "", ""}, {"POST", "/test", ""}, {"GET", "/deliveries", ""},
			{"POST", "/resend", `{}`},
		} {
			r.as(editor, call[0], "/api/v1/webhooks/"+name+call[1], call[2]).refused(http.StatusNotFound, "not-found")
		}
		if name != "none" {
			r.as(editor, "PUT", "/api/v1/webhooks/"+name, `{`+url+`,"filter":{"pools":["a"]}}`).refused(http.StatusNotFound, "not-found")
		}
	}
	for _, filter := range []string{`{}`, `{"pools":[]}`, `{"pools":["b"]}`, `{"pools":["a","b"]}`, `{"pools":["a*"]}`, `{"pools":["*"]}`} {
		for _, name := range []string{"new", "of-a"} {
			r.as(editor, "PUT", "/api/v1/webhooks/"+name, `{`+url+`,"filter":`+filter+`}`).refused(http.StatusForbidden, "forbidden")
		}
	}
	r.as(editor, "PUT", "/api/v1/webhooks/new", `{`+url+`}`).refused(http.StatusForbidden, "forbidden")
	r.as(viewer, "PUT", "/api/v1/webhooks/new", `{`+url+`,"filter":{"pools":["a"]}}`).refused(http.StatusForbidden, "forbidden")
	r.as(editor, "PUT", "/api/v1/webhooks/new", `{`+url+`,"filter":{"pools":["a"]}}`).is(http.StatusOK)
	r.as(editor, "POST", "/api/v1/webhooks/new/test", "").is(http.StatusOK)
	receiver.next(t)
}

// TestAWebhookThatIsNarrowedForgetsOtherPools: who may read it from then on may not know them.
func TestAWebhookThatIsNarrowedForgetsOtherPools(t *testing.T) {
	t.Parallel()
	r := start(t, allowLoopback, func(o *server.Options) {
		o.EnsurePools = append(o.EnsurePools, server.PoolSpec{Name: "other", Type: "process"})
	})
	receiver := newReceiver(t)
	r.setWebhook("h", `{"url":"`+receiver.url+`"}`)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"secret","pool":"other"},{"name":"hello","pool":"local"}]}`).
		is(http.StatusOK)
	for _, deployment := range []string{"secret", "hello"} {
		run := r.startRun(deployment, `{}`)
		r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").is(http.StatusOK)
		receiver.next(t)
	}
	r.setWebhook("h", `{"filter":{"pools":["local"]}}`)
	viewer := r.makeKey("viewer of local", api.RoleViewer, "local")
	list := read[api.WebhookDeliveryList](r.as(viewer, http.MethodGet, "/api/v1/webhooks/h/deliveries", "").is(http.StatusOK))
	if len(list.Items) != 1 || strings.Contains(string(list.Items[0].Event), "secret") {
		t.Errorf("sees %+v", list.Items)
	}
}

func TestWebhooksAreOffUntilAnOperatorAllowsThem(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.call(http.MethodPut, "/api/v1/webhooks/h", `{"url":"https://hooks.example.com/x"}`).refused(http.StatusConflict, "webhooks-off")
	allowed := start(t, func(o *server.Options) { o.WebhookAllow = []string{"hooks.example.com"} })
	for _, url := range []string{
		"https://example.com", "http://hooks.example.com", "https://127.0.0.1", "https://[::ffff:127.0.0.1]", "https://169.254.169.254",
		"https://2130706433", "https://0x7f.1", "https://hooks.example.com@127.0.0.1/",
	} {
		allowed.call(http.MethodPut, "/api/v1/webhooks/h", `{"url":"`+url+`"}`).
			refused(http.StatusUnprocessableEntity, "webhook-invalid", "/url")
	}
}
