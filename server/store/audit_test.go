package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// audited lists what the audit says, oldest first, an entry a line.
func (w *world) audited(f store.AuditFilter) []string {
	w.t.Helper()
	var lines []string
	page := store.Page{Limit: 3}
	for {
		entries, next, err := w.ListAudit(w.t.Context(), f, page)
		w.check(err)
		for _, e := range entries {
			var fields []string
			for _, c := range e.Changes {
				text := fmt.Sprintf("%s %s>%s", c.Field, c.Before, c.After)
				if c.Digest {
					text = c.Field + " digest"
				}
				fields = append(fields, text)
			}
			line := fmt.Sprintf("%s: %s %s %s [%s]", e.Actor, e.Action, e.Kind, e.Name,
				strings.Join(fields, ", "))
			if e.Detail != "" {
				line += " " + e.Detail
			}
			lines = append([]string{line}, lines...)
		}
		if next.Cursor == "" {
			return lines
		}
		page.Cursor = next.Cursor
	}
}

// newest is the newest line that the audit has.
func (w *world) newest() string {
	w.t.Helper()
	lines := w.audited(store.AuditFilter{})
	return lines[len(lines)-1]
}

func TestEveryChangeIsAuditedWithItsChangedFields(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		document := func(text string) store.TemplateDocument {
			return store.TemplateDocument{Document: json.RawMessage(text)}
		}
		put := func(change func(*store.Deployment)) func() error {
			return func() error {
				d := store.Deployment{
					Name: "d", Pool: "p",
					JobVariables: json.RawMessage(`{"image": "a", "token": "hunter2"}`),
				}
				change(&d)
				_, _, err := w.UpsertDeployment(ctx, d, actor)
				return err
			}
		}
		for _, step := range []struct {
			name string
			do   func() error
			want string
		}{
			{"a pool", func() error { w.pool("p"); return nil }, `ada: create pool p [type >"kubernetes", template_sha256 >"`},
			{"a pool that changes", func() error {
				_, err := w.UpdatePool(ctx, "p", store.PoolUpdate{ConcurrencyLimit: ptr[int32](3), Pause: &store.PauseChange{Paused: true}}, actor)
				return err
			}, `ada: update pool p [concurrency_limit >3, paused false>true]`},
			{"a limit that is lifted", func() error {
				_, err := w.UpdatePool(ctx, "p", store.PoolUpdate{NoConcurrencyLimit: true}, "eve")
				return err
			}, `eve: update pool p [concurrency_limit 3>]`},
			{"a template", func() error {
				_, err := w.UpdateTemplate(ctx, "p", document(`{"version": 2}`), nil, actor)
				return err
			}, `ada: update template p [version 1>2, sha256 "`},
			{"a queue", func() error {
				_, err := w.CreateQueue(ctx, store.Queue{Pool: "p", Name: "fast", Priority: 2}, actor)
				return err
			}, `ada: create queue fast [priority >2]`},
			{"a queue that changes", func() error {
				_, err := w.UpdateQueue(ctx, "p", "fast", store.QueueUpdate{ConcurrencyLimit: ptr[int32](0)}, actor)
				return err
			}, `ada: update queue fast [concurrency_limit >0]`},
			{"a queue that is deleted", func() error { return w.DeleteQueue(ctx, "p", "fast", actor) }, `ada: delete queue fast []`},
			{"a deployment", put(func(*store.Deployment) {}),
				`ada: create deployment d [pool >"p", queue >"default", job_variables.image digest, job_variables.token digest]`},
			{"a deployment that changes", put(func(d *store.Deployment) {
				d.JobVariables, d.Tags = json.RawMessage(`{"token":"hunter3","image":"a"}`), []string{"x"}
				d.Timeout, d.Retries = ptr(time.Hour), lifecycle.RetryPolicy{Max: 2, Delay: 30 * time.Second, InfrastructureSet: true}
			}), `ada: update deployment d [tags >["x"], timeout >"1h0m0s", retries.max >2, retries.delay >"30s", retries.infrastructure_max >0, job_variables.token digest]`},
			{"a schedule", func() error {
				spec := json.RawMessage(`{"cron": "0 5 * * *", "parameters": {"token": "hunter2"}}`)
				return w.InTx(ctx, func(tx *store.Tx) error {
					return tx.UpdateSchedules(ctx, "d", []store.NewSchedule{{Name: "nightly", Spec: spec, Active: true}}, actor)
				})
			}, `ada: create schedule d/nightly [cron >"0 5 * * *", parameters.token digest]`},
			{"a schedule that is paused", func() error {
				return w.InTx(ctx, func(tx *store.Tx) error {
					_, err := tx.UpdateSchedulePaused(ctx, "d", "nightly", store.PauseChange{Paused: true}, "eve")
					return err
				})
			}, `eve: update schedule d/nightly [active true>false]`},
			{"a schedule that changes", func() error {
				spec := json.RawMessage(`{"cron": "0 6 * * *", "parameters": {"token": "hunter2"}}`)
				return w.InTx(ctx, func(tx *store.Tx) error {
					return tx.UpdateSchedules(ctx, "d", []store.NewSchedule{{Name: "nightly", Spec: spec}}, actor)
				})
			}, `ada: update schedule d/nightly [cron "0 5 * * *">"0 6 * * *"]`},
			{"a schedule that is deleted", func() error {
				return w.InTx(ctx, func(tx *store.Tx) error { return tx.UpdateSchedules(ctx, "d", nil, actor) })
			}, `ada: delete schedule d/nightly [cron "0 6 * * *">, parameters.token digest]`},
			{"a deployment that is paused", func() error { _, err := w.UpdateDeploymentPaused(ctx, "d", true, actor); return err },
				`ada: update deployment d [paused false>true]`},
			{"a deployment that is deleted", func() error { return w.DeleteDeployment(ctx, "d", store.DeleteOptions{Force: true}, actor) },
				`ada: delete deployment d [] live runs cancelled`},
			{"a variable", func() error { _, err := w.UpsertVariable(ctx, "v", json.RawMessage(`"hunter2"`), actor); return err },
				`ada: create variable v [value digest]`},
			{"a variable that changes", func() error { _, err := w.UpsertVariable(ctx, "v", json.RawMessage(`"hunter3"`), "eve"); return err },
				`eve: update variable v [value digest]`},
			{"a variable that is deleted", func() error { return w.DeleteVariable(ctx, "v", store.DeleteOptions{}, actor) }, `ada: delete variable v [value digest]`},
			{"a key", func() error {
				return w.CreateKey(ctx, store.Key{ID: "0badcafe", Name: "ci", Bindings: []store.Binding{{Role: "editor", Pool: "p"}}, SecretHash: "hunter2", CreatedBy: actor})
			}, `ada: create api-key ci [id >"0badcafe", bindings >["editor:p"]]`},
			{"a key that is revoked", func() error { return w.RevokeKey(ctx, "ci", "eve") }, `eve: delete api-key ci [] revoked key 0badcafe`},
			{"a worker that is paused", func() error {
				w.check(w.UpsertWorker(ctx, store.Worker{Name: "w", Pool: "p", Type: "kubernetes"}, storetest.SessionOf("p", "w").ID))
				_, err := w.UpdateWorkerPaused(ctx, "p", "w", store.PauseChange{Paused: true}, actor)
				return err
			}, `ada: update worker w [paused false>true]`},
			{"a refusal", func() error { return w.CreateAuditRefusal(ctx, "DeleteWorkPool", "may not", "eve") }, `eve: refuse operation DeleteWorkPool [] may not`},
			{"a pool that is deleted", func() error {
				w.deployment("e", "p")
				return w.DeletePool(ctx, "p", store.DeleteOptions{Force: true}, actor)
			},
				`ada: delete pool p [] with 1 deployment, live runs cancelled`},
		} {
			w.check(step.do())
			if got := w.newest(); !strings.HasPrefix(got, step.want) {
				t.Errorf("%s: got  %s\nwant %s", step.name, got, step.want)
			}
		}
		if all := strings.Join(w.audited(store.AuditFilter{}), "\n"); !strings.Contains(all, "ada: delete deployment e [] with its work pool") {
			t.Errorf("a deployment that went with its pool is not in\n%s", all)
		}
		if all := strings.Join(w.audited(store.AuditFilter{}), "\n"); strings.Contains(all, "hunter") {
			t.Errorf("a secret is in\n%s", all)
		}
	})
}

func TestAnUpdateWithoutChangesIsNotAudited(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		w.deployment("d", "p")
		w.upsertVariable("v", json.RawMessage(`1`), actor)
		key := store.Key{ID: "1", Name: "admin", Bindings: everywhere("admin"), SecretHash: "h", CreatedBy: "bootstrap"}
		w.check(w.UpsertKey(ctx, key, time.Hour))
		before := w.audited(store.AuditFilter{})

		w.check(w.UpsertKey(ctx, key, time.Hour))
		w.deployment("d", "p")
		w.upsertVariable("v", json.RawMessage(` 1 `), actor)
		w.updatePool("p", store.PoolUpdate{Pause: &store.PauseChange{Paused: false}}, actor)
		w.updateTemplate("p", store.TemplateDocument{Document: json.RawMessage(`{"version":1}`)}, nil, actor)
		w.refuses(w.DeleteQueue(ctx, "p", "default", actor), store.Conflict)
		w.run("d")
		w.refuses(w.DeletePool(ctx, "p", store.DeleteOptions{}, actor), store.PoolInUse)
		same(t, "audit", w.audited(store.AuditFilter{}), before)
	})
}

func TestDigestsOfSecretsShowOnlyWhetherValuesAreEqual(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		for _, value := range []string{`"a"`, `"b"`, `"a"`} {
			w.upsertVariable("v", json.RawMessage(value), actor)
		}
		w.upsertVariable("other", json.RawMessage(`"a"`), actor)
		entries, _, err := w.ListAudit(ctx, store.AuditFilter{Kind: store.AuditVariable, Name: "v"},
			store.Page{})
		w.check(err)
		digest := func(i int) string { return string(entries[i].Changes[0].After) }
		if len(entries) != 3 || digest(0) != digest(2) || digest(0) == digest(1) ||
			string(entries[0].Changes[0].Before) != digest(1) {
			t.Errorf("got %+v", entries)
		}
	})
}

func TestTheAuditIsListedByFilter(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := store.WithOrigin(w.t.Context(), store.Origin{Kind: store.ActorKey, KeyID: "0badcafe", Address: "192.0.2.1"})
		for _, name := range []string{"p", "q"} {
			w.pool(name)
		}
		w.Advance(time.Hour)
		later := w.Now().Add(-30 * time.Minute)
		_, err := w.UpsertVariable(ctx, "v", json.RawMessage(`1`), "eve")
		w.check(err)
		w.check(w.DeletePool(ctx, "q", store.DeleteOptions{}, "eve"))
		count := func(f store.AuditFilter) string {
			var names []string
			entries, _, err := w.ListAudit(ctx, f, store.Page{})
			w.check(err)
			for _, e := range entries {
				names = append(names, string(e.Action)+" "+e.Name)
			}
			return strings.Join(names, ", ")
		}
		for _, test := range []struct {
			name   string
			filter store.AuditFilter
			want   string
		}{
			{"everything, newest first", store.AuditFilter{}, "delete q, create v, create q, create p"},
			{"by actor", store.AuditFilter{Actor: actor}, "create q, create p"},
			{"by key", store.AuditFilter{Actor: "0badcafe"}, "delete q, create v"},
			{"by kind and name", store.AuditFilter{Kind: store.AuditPool, Name: "q"}, "delete q, create q"},
			{"by action", store.AuditFilter{Action: store.AuditDelete}, "delete q"},
			{"by pool", store.AuditFilter{Pool: "p"}, "create p"},
			{"by the pools of a key", store.AuditFilter{Pools: []string{"q"}}, "delete q, create q"},
			{"by no pools at all", store.AuditFilter{Pools: []string{}}, ""},
			{"from a time on", store.AuditFilter{At: store.TimeRange{After: &later}}, "delete q, create v"},
			{"before a time", store.AuditFilter{At: store.TimeRange{Before: &later}}, "create q, create p"},
		} {
			if got := count(test.filter); got != test.want {
				t.Errorf("%s: got %s, want %s", test.name, got, test.want)
			}
		}
		entries, _, err := w.ListAudit(ctx, store.AuditFilter{}, store.Page{Limit: 1})
		w.check(err)
		if e := entries[0]; e.Origin != (store.Origin{Kind: store.ActorKey, KeyID: "0badcafe", Address: "192.0.2.1"}) ||
			e.At.Before(later) {
			t.Errorf("got %+v", e)
		}
		_, _, err = w.ListAudit(ctx, store.AuditFilter{}, store.Page{Cursor: store.NewCursor("audit", "x")})
		w.refuses(err, store.InvalidCursor)
	})
}

func TestASearchOfTheAuditSaysHowFarItHasCome(t *testing.T) {
	few := func(o *storetest.Options) { o.SearchedRuns = 5 }
	test := func(t *testing.T, w *world) {
		w.pool("p") // by ada, then much by eve
		for i := range 20 {
			_, err := w.UpsertVariable(t.Context(), "v", json.RawMessage(fmt.Sprint(i)), "eve")
			w.check(err)
		}
		found, pages := 0, 0
		for page := (store.Page{Limit: 2}); ; pages++ {
			entries, next, err := w.ListAudit(t.Context(), store.AuditFilter{Actor: actor}, page)
			w.check(err)
			if found += len(entries); len(entries) < 2 && next.Cursor != "" && next.SearchedTo == nil {
				t.Error("a page that is not full does not say how far it has searched")
			}
			if page.Cursor = next.Cursor; page.Cursor == "" {
				break
			}
		}
		if found != 1 || pages < 4 {
			t.Errorf("found %d entries after %d pages", found, pages)
		}
		of := store.AuditFilter{Kind: store.AuditPool, Name: "p"}
		if entries, next, err := w.ListAudit(t.Context(), of, store.Page{}); err != nil || len(entries) != 1 || next.Cursor != "" {
			t.Errorf("of one object: %d entries, %+v, %v", len(entries), next, err)
		}
	}
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { test(t, &world{storetest.SQLite(t, few), t}) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, &world{storetest.PostgreSQL(t, few), t}) })
}
