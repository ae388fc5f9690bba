package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// TestWebhooksAreSetTestedShownAndDeleted is the way of a person who wants to be told.
func TestWebhooksAreSetTestedShownAndDeleted(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 10)
	answer := http.StatusOK
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies <- string(body)
		w.WriteHeader(answer)
	}))
	t.Cleanup(receiver.Close)
	u := user{home: t.TempDir()}
	u.url = start(t, u.environ(), "server", "--auth", "none", "--listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--ensure-pool",
		"local=process", "--webhook-allow", "http://127.0.0.1=127.0.0.0/8,events.pagerduty.com").ready(t)

	address := write(t, t.TempDir(), "url", receiver.URL+"/services/T0KEN\n")
	r := u.run(t, "webhook", "set", "on-call", "--url-file", address, "--format", "slack", "--state", "failed,crashed", "--pool", "local",
		"--event", "run.ended,deployment.failing")
	if r.code != 0 || !strings.Contains(r.stdout, `webhook "on-call" set`) || !strings.Contains(r.stdout, "secret whsec_") ||
		!strings.Contains(r.stderr, "shown this once") {
		t.Fatalf("%+v", r)
	}
	demand(t, "the list", u.ok(t, "webhook", "ls"), "on-call", "slack", receiver.URL+"/…", "run.ended,deployment.failing",
		"pool=local state=FAILED,CRASHED", "ok")
	demand(t, "the test", u.ok(t, "webhook", "test", "on-call"), "delivered in ", "as msg_")
	if body := <-bodies; !strings.Contains(body, "Test of webhook on-call") {
		t.Errorf("told %s", body)
	}
	answer = http.StatusNotFound
	if r := u.run(t, "webhook", "test", "on-call"); r.code != 1 || !strings.Contains(r.stdout, "the receiver answered 404 Not Found") {
		t.Errorf("%+v", r)
	}
	demand(t, "no secret again", u.ok(t, "webhook", "set", "on-call", "--failures", "2"), `webhook "on-call" set`)
	hook := decode[api.Webhook](t, u, "webhook", "get", "on-call")
	if hook.Failures != 2 || hook.Format != api.WebhookJSON || hook.Filter.Pools != nil || hook.Target != receiver.URL+"/…" {
		t.Errorf("%+v", hook)
	}
	u.ok(t, "webhook", "pause", "on-call")
	demand(t, "paused", u.ok(t, "webhook", "get", "on-call"), "paused")
	u.ok(t, "webhook", "resume", "on-call")
	demand(t, "no deliveries", u.ok(t, "webhook", "deliveries", "on-call", "-o", "json"), "[]")
	demand(t, "nothing to send", u.ok(t, "webhook", "resend", "on-call", "--failed"), "0 events to send")
	key := write(t, t.TempDir(), "key", "R0UTING")
	u.ok(t, "webhook", "set", "incidents", "--format", "pagerduty", "--routing-key-file", key)
	file := write(t, t.TempDir(), "hook.yaml", "url: "+receiver.URL+"\nfilter: {deployments: ['etl-*']}\nformat: cloudevents\n")
	if spec := decode[api.WebhookSaved](t, u, "webhook", "set", "bus", "-f", file, "--tag", "a, b"); spec.Secret == nil ||
		(*spec.Webhook.Filter.Tags)[0] != "a, b" || (*spec.Webhook.Filter.Deployments)[0] != "etl-*" {
		t.Errorf("%+v", spec)
	}
	all := u.ok(t, "webhook", "ls", "-o", "json") + u.ok(t, "audit", "ls", "-o", "json")
	for _, secret := range []string{"T0KEN", "R0UTING", "whsec_"} {
		if strings.Contains(all, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	if !json.Valid([]byte(u.ok(t, "webhook", "get", "bus", "-o", "json"))) {
		t.Error("no JSON")
	}
	if r := u.run(t, "webhook", "delete", "on-call"); r.code != 2 || !strings.Contains(r.stderr, "--yes") {
		t.Errorf("%+v", r)
	}
	demand(t, "deleted", u.ok(t, "webhook", "delete", "on-call", "--yes"), `webhook "on-call" deleted`)
	for what, test := range map[string]struct {
		args []string
		says string
	}{
		"an unknown format":   {[]string{"set", "x", "--format", "xml"}, "--format \"xml\": must be"},
		"an unknown event":    {[]string{"set", "x", "--event", "run.started"}, "--event \"run.started\": must be"},
		"an unknown state":    {[]string{"set", "x", "--state", "running"}, "--state \"running\": must be"},
		"an unknown cause":    {[]string{"set", "x", "--cause", "moon"}, "--cause \"moon\""},
		"no address":          {[]string{"set", "x"}, "a new webhook needs the URL"},
		"a host not allowed":  {[]string{"set", "x", "--url", "https://example.com/T0KEN"}, "--webhook-allow"},
		"nothing to resend":   {[]string{"resend", "bus"}, "name the deliveries"},
		"no delivery":         {[]string{"resend", "bus", "x"}, "is no ID of a delivery"},
		"an unknown field":    {[]string{"set", "x", "-f", write(t, t.TempDir(), "f", "uri: x")}, "a webhook has description, url"},
		"an unknown delivery": {[]string{"resend", "bus", "00000000-0000-7000-8000-000000000000"}, "has no delivery"},
	} {
		r := u.run(t, append([]string{"webhook"}, test.args...)...)
		if r.code == 0 || !strings.Contains(r.stderr, test.says) || strings.Contains(r.stderr, "T0KEN") {
			t.Errorf("%s: %+v", what, r)
		}
	}
}
