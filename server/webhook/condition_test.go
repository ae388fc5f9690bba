package webhook_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/event"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/webhook"
)

// types are the types of requests, and what they are about.
func types(t *testing.T, list []request) []string {
	t.Helper()
	var texts []string
	for _, q := range list {
		e := q.event(t)
		texts = append(texts, string(e.Type)+" "+e.Subject())
	}
	return texts
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

func TestADeploymentThatFailsAgainAndAgainIsToldOnceAndSoIsItsRecovery(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL, asking(event.DeploymentFailing))
		tell := func() []string { w.tell(); return types(t, r.took()) }
		w.ended("d", 1)
		w.ended("d", 0)
		w.ended("d", 1)
		w.ended("d", 1)
		w.ended("d", -1) // was cancelled, and says nothing
		expect(t, "before the third in a row", tell())
		w.ended("d", 1)
		w.ended("d", 1)
		w.tell()
		got := r.took()
		expect(t, "the third", types(t, got), "deployment.failing deployment/d")
		if e := got[0].event(t); e.Data.Failures != 3 || e.Data.Since == nil || e.Data.Run == nil ||
			e.Data.Summary != "Deployment d fails: its last 3 runs failed" {
			t.Errorf("%s", got[0].body)
		}
		w.ended("d", 0)
		w.ended("d", 0)
		expect(t, "the recovery", tell(), "deployment.recovered deployment/d")
		for range 3 {
			w.ended("d", 1)
		}
		expect(t, "once more", tell(), "deployment.failing deployment/d")
		w.check(w.DeleteDeployment(t.Context(), "d", store.DeleteOptions{}, "t"))
		w.tell()
		w.tell()
		got = r.took()
		expect(t, "deleted", types(t, got), "deployment.recovered deployment/d")
		if e := got[0].event(t); e.Data.Reason != "the deployment was deleted" || e.Data.Until == nil || e.Data.Run != nil {
			t.Errorf("%s", got[0].body)
		}
	})
}

// TestAnEndNeverOvertakesItsBegin: the receiver takes nothing while something begins and ends.
func TestAnEndNeverOvertakesItsBegin(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL, asking(event.DeploymentFailing), func(c *webhook.Change) { c.Webhook.Failures = 1 })
		r.answers(status(http.StatusBadRequest)) // of each alone: the receiver is not down
		for i := range 6 {
			w.ended("d", int32(i+1)%2)
			w.tell()
			w.Advance(7 * time.Second)
		}
		for _, q := range r.took() {
			if q.event(t).Type != event.DeploymentFailing {
				t.Error("an end was sent before its begin was taken")
			}
		}
		r.answers(nil)
		w.Advance(11 * time.Minute)
		w.tell()
		const begins, ends = "deployment.failing deployment/d", "deployment.recovered deployment/d"
		expect(t, "in order", types(t, r.took()), begins, ends, begins, ends, begins, ends)
	})
}

func TestAPoolWithoutAWorkerIsToldAndSoIsItsEnd(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL, asking(event.PoolNoWorker))
		run, _, err := w.CreateRun(t.Context(), store.NewRun{Deployment: "d"}, "t")
		w.check(err)
		tell := func() []string { w.tell(); return types(t, r.took()) }
		expect(t, "at once", tell())
		w.Advance(2 * time.Minute)
		expect(t, "after a minute", tell(), "pool.no_worker pool/p")
		w.Advance(2 * time.Minute)
		expect(t, "later", tell())
		_, err = w.UpdateWebhookPaused(t.Context(), "h", true, "t")
		w.check(err)
		_, err = w.CancelRun(t.Context(), run.ID, "t")
		w.check(err)
		expect(t, "while it is paused", tell())
		_, err = w.UpdateWebhookPaused(t.Context(), "h", false, "t")
		w.check(err)
		expect(t, "once it is resumed", tell(), "pool.recovered pool/p")
	})
}

func TestAScheduleThatFailsIsToldAndSoIsItsEnd(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := t.Context()
		r := newReceiver(t)
		w.set("h", r.URL, asking(event.ScheduleFailing))
		next := w.Now().Add(time.Hour)
		w.check(w.UpdateSchedules(ctx, "d", []store.NewSchedule{
			{Name: "morning", Spec: []byte(`{"cron":"@daily"}`), Active: true, Next: &next},
		}, "t"))
		decide := func(failing bool, reason string) {
			t.Helper()
			list, err := w.ListDeploymentSchedules(ctx, "d")
			w.check(err)
			w.check(w.UpdateScheduleProgress(ctx, store.ScheduleProgress{
				ID: list[0].ID, DecidedBefore: list[0].DecidedUntil, DecidedUntil: list[0].DecidedUntil.Add(time.Minute),
				NextDue: &next, Failing: failing, LastError: reason,
			}))
		}
		tell := func() []request { w.tell(); return r.took() }
		decide(true, `variable "x" does not exist`)
		got := tell()
		expect(t, "failing", types(t, got), "schedule.failing schedule/d/morning")
		if e := got[0].event(t); e.Data.Reason != `variable "x" does not exist` || e.Data.Schedule != "morning" ||
			e.Data.URL != "https://berth.example.com/deployments/d" {
			t.Errorf("%s", got[0].body)
		}
		decide(true, "another reason")
		expect(t, "still failing", types(t, tell()))
		decide(false, "")
		expect(t, "recovered", types(t, tell()), "schedule.recovered schedule/d/morning")
		decide(true, "again")
		expect(t, "again", types(t, tell()), "schedule.failing schedule/d/morning")
		// The webhook no longer asks for it: whoever was told that it began is told that it is over.
		w.set("h", r.URL, func(c *webhook.Change) { c.Webhook.Filter.Pools = []string{"other"} })
		w.set("h", r.URL, asking(event.RunEnded))
		expect(t, "no longer asked for", types(t, tell()), "schedule.recovered schedule/d/morning")
	})
}

func TestFiltersNarrowWhatIsTold(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.deployment("load-eu", "nightly", "team: a")
		filters := map[string]store.WebhookFilter{
			"everything": {}, "pool": {Pools: []string{"p"}}, "other-pool": {Pools: []string{"q", "*q"}},
			"pattern": {Pools: []string{"*"}, Deployments: []string{"load-*"}}, "deployment": {Deployments: []string{"d"}},
			"tag": {Tags: []string{"x", "team: *"}}, "state": {States: []string{"FAILED", "CRASHED"}},
			"cause": {Causes: []string{"app"}}, "other-cause": {Causes: []string{"oom"}},
		}
		for name, filter := range filters {
			w.set(name, r.URL+"/"+name, func(c *webhook.Change) { c.Webhook.Filter = filter })
		}
		w.ended("d", 0)
		w.ended("load-eu", 1)
		w.ended("load-eu", -1)
		w.tell()
		for name, want := range map[string][]string{
			"everything": {"d COMPLETED", "load-eu FAILED", "load-eu CANCELLED"},
			"pool":       {"d COMPLETED", "load-eu FAILED", "load-eu CANCELLED"}, "other-pool": nil,
			"pattern": {"load-eu FAILED", "load-eu CANCELLED"}, "deployment": {"d COMPLETED"},
			"tag": {"load-eu FAILED", "load-eu CANCELLED"}, "state": {"load-eu FAILED"}, "cause": {"load-eu FAILED"},
			"other-cause": nil,
		} {
			var got []string
			for _, d := range w.deliveries(name) {
				q := request{body: []byte(d.Event)}
				e := q.event(t)
				got = append(got, e.Data.Deployment+" "+e.Data.Run.State)
			}
			expect(t, name, got, want...)
		}
	})
}

func TestAnInstallationWhoseWebhooksWantNothingKeepsNothing(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("states", r.URL, func(c *webhook.Change) { c.Webhook.Filter.States = []string{"FAILED"} })
		w.set("conditions", r.URL, asking(event.PoolNoWorker, event.ScheduleFailing))
		w.ended("d", 0)
		if some, err := w.HasEndedRuns(t.Context()); some || err != nil {
			t.Errorf("a run is kept that no webhook wants: %v", err)
		}
		w.ended("d", 1)
		if some, err := w.HasEndedRuns(t.Context()); !some || err != nil {
			t.Errorf("a run is not kept: %v", err)
		}
	})
}

func TestASecretThatWasRotatedSignsForADay(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		_, first := w.set("h", r.URL)
		_, second := w.set("h", r.URL, func(c *webhook.Change) { c.Rotate = true })
		if second == "" || second == first {
			t.Fatalf("rotated to %q", second)
		}
		if _, shown := w.set("h", r.URL); shown != "" {
			t.Error("a secret is shown twice")
		}
		w.ended("d", 0)
		w.tell()
		w.Advance(25 * time.Hour)
		w.ended("d", 0)
		w.tell()
		got := r.took()
		if len(got) != 2 || !signed(t, got[0], first) || !signed(t, got[0], second) || signed(t, got[1], first) ||
			!signed(t, got[1], second) {
			t.Errorf("%d requests, %q", len(got), got[0].header.Get("webhook-signature"))
		}
	})
}

func TestReceiversThatAreNotAllowedAreNotCalled(t *testing.T) {
	onEach(t, func(w *world) {
		inner := newReceiver(t)
		inner.answers(func(http.ResponseWriter, *http.Request) { t.Error("it was called") })
		redirecting := newReceiver(t)
		redirecting.answers(func(rw http.ResponseWriter, q *http.Request) {
			http.Redirect(rw, q, inner.URL, http.StatusTemporaryRedirect)
		})
		byName := strings.Replace(inner.URL, "127.0.0.1", "localhost", 1) // a name that resolves to this machine
		w.set("redirected", redirecting.URL)
		w.set("named", byName)
		w.Service = w.service(w.Store, "http://localhost", "http://127.0.0.1=127.0.0.1/32")
		w.ended("d", 0)
		w.tell()
		for name, want := range map[string]string{
			"redirected": "redirects are not followed", "named": "has an address that is not public",
		} {
			if d := w.deliveries(name); len(d) != 1 || !strings.Contains(d[0].LastError, want) {
				t.Errorf("%s: %+v", name, d)
			}
		}
		for _, url := range []string{inner.URL, "https://169.254.169.254/latest", "https://example.com", "http://[::1]:80"} {
			w.Service = w.service(w.Store, "hooks.slack.com")
			_, _, err := w.Set(t.Context(), webhook.Change{Webhook: store.Webhook{Name: "x"}, URL: &url}, "t")
			if err == nil || !strings.Contains(err.Error(), "--webhook-allow") {
				t.Errorf("%s: %v", url, err)
			}
		}
	})
}

func TestAnAnswerOfAnySizeIsTakenAndOneThatNeverEndsIsNot(t *testing.T) {
	onEach(t, func(w *world) {
		r := newReceiver(t)
		w.set("h", r.URL)
		r.answers(func(rw http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				if _, err := fmt.Fprint(rw, strings.Repeat("x", 10_000)); err != nil {
					return // the server has read enough
				}
			}
		})
		w.ended("d", 0)
		w.tell()
		if d := w.deliveries("h"); d[0].State != store.DeliveryDelivered {
			t.Errorf("%+v", d)
		}
	})
}

func TestWebhooksThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorldOnPostgreSQL(t)
	text := func(s string) *string { return &s }
	for name, test := range map[string]struct {
		change webhook.Change
		field  string
	}{
		"no address":           {webhook.Change{}, "url"},
		"no URL":               {webhook.Change{URL: text("hooks")}, "url"},
		"a password":           {webhook.Change{URL: text("http://u:p@127.0.0.1/")}, "url"},
		"a fragment":           {webhook.Change{URL: text("http://127.0.0.1/#x")}, "url"},
		"a file":               {webhook.Change{URL: text("file:///etc/passwd")}, "url"},
		"a short secret":       {webhook.Change{URL: text("http://127.0.0.1/"), Secret: text("whsec_AAAA")}, "secret"},
		"another secret":       {webhook.Change{URL: text("http://127.0.0.1/"), Secret: text(strings.Repeat("A", 32))}, "secret"},
		"a routing key":        {webhook.Change{URL: text("http://127.0.0.1/"), RoutingKey: text("k")}, "routing_key"},
		"PagerDuty without it": {webhook.Change{Webhook: store.Webhook{Format: "pagerduty"}, URL: text("http://127.0.0.1/")}, "routing_key"},
		"an empty pattern": {webhook.Change{
			Webhook: store.Webhook{Filter: store.WebhookFilter{Tags: []string{" "}}}, URL: text("http://127.0.0.1/"),
		}, "tags"},
	} {
		test.change.Webhook.Name = "x"
		_, _, err := w.Set(t.Context(), test.change, "t")
		if err == nil || !strings.HasPrefix(err.Error(), test.field+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, service := range map[string]*webhook.Service{
		"nothing allowed": w.service(w.Store), "no key": func() *webhook.Service {
			s := w.service(w.Store, "*")
			s.Seal = nil
			return s
		}(),
	} {
		_, _, err := service.Set(t.Context(), webhook.Change{Webhook: store.Webhook{Name: "x"}, URL: text("http://127.0.0.1/")}, "t")
		if err == nil || !strings.HasPrefix(err.Error(), "webhooks are off: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
