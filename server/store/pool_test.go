package store_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
)

func TestAPoolIsCreatedWithItsQueueAndTemplate(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		p := w.pool("p", func(p *store.NewPool) { p.Description, p.ConcurrencyLimit = "ours", ptr(int32(0)) })
		if p.TemplateVersion != 1 || p.Description != "ours" || p.ConcurrencyLimit == nil ||
			*p.ConcurrencyLimit != 0 ||
			p.Type != "kubernetes" {
			t.Errorf("created %+v", p)
		}
		queues := w.listQueues("p")
		if len(queues) != 1 || queues[0].Name != "default" || queues[0].Priority != 1 {
			t.Errorf("queues are %+v", queues)
		}
		_, err := w.CreatePool(
			ctx,
			store.NewPool{
				Name: "p", Type: "process",
				Template: store.TemplateDocument{Document: json.RawMessage(`{}`)},
			},
			actor,
		)
		w.refuses(err, store.AlreadyExists)
		_, err = w.GetPool(ctx, "q")
		w.refuses(err, store.NotFound)
	})
}

func TestAFailedCreateOfAPoolLeavesNoRows(t *testing.T) {
	onEach(t, func(w *world) {
		_, err := w.CreatePool(
			w.t.Context(),
			store.NewPool{
				Name: "p", Type: "process",
				Template: store.TemplateDocument{Document: json.RawMessage(`{`)},
			},
			actor,
		)
		if err == nil {
			t.Fatal("a template that is not JSON was stored")
		}
		_, err = w.GetPool(w.t.Context(), "p")
		w.refuses(err, store.NotFound)
	})
}

func TestAnUpdateOfAPoolChangesOnlyTheFieldsThatAreSet(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		steps := []struct {
			change store.PoolUpdate
			want   string
		}{
			{store.PoolUpdate{ConcurrencyLimit: ptr(int32(0))}, "0 false"},
			{store.PoolUpdate{Pause: &store.PauseChange{Paused: true}}, "0 true"},
			{store.PoolUpdate{Description: ptr("new")}, "0 true"},
			{store.PoolUpdate{NoConcurrencyLimit: true, Pause: &store.PauseChange{Paused: false}}, "none false"},
		}
		for _, step := range steps {
			p := w.updatePool("p", step.change, actor)
			read := w.getPool("p")
			for _, p := range []*store.Pool{p, read} {
				limit := "none"
				if p.ConcurrencyLimit != nil {
					limit = fmt.Sprint(*p.ConcurrencyLimit)
				}
				if got := fmt.Sprint(limit, " ", p.Paused); got != step.want {
					t.Errorf("after %+v: %s, want %s", step.change, got, step.want)
				}
			}
		}
		_, err := w.UpdatePool(ctx, "q", store.PoolUpdate{Pause: &store.PauseChange{Paused: true}}, actor)
		w.refuses(err, store.NotFound)
	})
}

func TestAChangedTemplateGetsANewVersion(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		save := func(doc string, ifMatch *int32) (*store.TemplateVersion, error) {
			return w.UpdateTemplate(ctx, "p", store.TemplateDocument{Document: json.RawMessage(doc)}, ifMatch,
				"eve")
		}
		if v := must[*store.TemplateVersion](w.t)(save(`{"version":1}`, nil)); v.Version != 1 {
			t.Errorf("an unchanged document made version %d", v.Version)
		}
		v2 := must[*store.TemplateVersion](w.t)(save(`{"b": 1.0, "a": 2}`, ptr(int32(1))))
		if v2.Version != 2 || v2.CreatedBy != "eve" || string(v2.Document) != `{"b": 1.0, "a": 2}` {
			t.Errorf("saved %+v", v2)
		}
		_, err := save(`{"c": 3}`, ptr(int32(1)))
		w.refuses(err, store.PreconditionFailed)
		_, err = w.UpdateTemplate(ctx, "q", store.TemplateDocument{Document: json.RawMessage(`{}`)}, nil,
			actor)
		w.refuses(err, store.NotFound)
		if v := must[*store.TemplateVersion](w.t)(save(`{"version": 1}`, nil)); v.Version != 3 {
			t.Errorf("going back made version %d", v.Version)
		}
		for version, want := range map[int32]string{0: `{"version": 1}`, 1: `{"version": 1}`, 2: `{"b": 1.0, "a": 2}`} {
			if v := w.getTemplateVersion("p", version); string(v.Document) != want {
				t.Errorf("version %d is %s", version, v.Document)
			}
		}
		_, err = w.GetTemplateVersion(ctx, "p", 9)
		w.refuses(err, store.NotFound)
		if v := w.getTemplateVersionByID(v2.ID); v.Version != 2 || v.Pool != "p" {
			t.Errorf("by id: %+v", v)
		}
		_, err = w.GetTemplateVersionByID(ctx, uuid.New())
		w.refuses(err, store.NotFound)
		var versions []int32
		for page := (store.Page{Limit: 2}); ; {
			list, next, err := w.ListTemplateVersions(ctx, "p", page)
			w.check(err)
			for _, v := range list {
				versions = append(versions, v.Version)
				if v.Document != nil {
					t.Error("a list holds documents")
				}
			}
			if page.Cursor = next; next == "" {
				break
			}
		}
		same(t, "versions", versions, []int32{3, 2, 1})
	})
}

func TestQueuesAreListedByPriority(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p")
		for _, q := range []store.Queue{{Name: "low", Priority: 9, ConcurrencyLimit: ptr(int32(2))}, {Name: "high"}} {
			q.Pool = "p"
			w.createQueue(q, actor)
			_, err := w.CreateQueue(ctx, q, actor)
			w.refuses(err, store.AlreadyExists)
		}
		_, err := w.CreateQueue(ctx, store.Queue{Pool: "q", Name: "x"}, actor)
		w.refuses(err, store.NotFound)
		_, err = w.ListQueues(ctx, "q")
		w.refuses(err, store.NotFound)
		w.deployment("d", "p", func(d *store.Deployment) { d.Queue = "low" })
		w.run("d")
		w.claimOne("w")
		var got []string
		for _, q := range w.listQueues("p") {
			got = append(got, fmt.Sprint(q.Name, q.Priority, q.SlotsUsed))
		}
		same(t, "queues", got, []string{"default1 0", "high1 0", "low9 1"})
	})
}

func TestDeletingAPoolOrDeploymentWithLiveRunsNeedsForce(t *testing.T) {
	tests := []struct {
		name   string
		code   store.Code
		remove func(w *world, force bool) error
		gone   func(w *world) error
	}{
		{"a pool", store.PoolInUse,
			func(w *world, force bool) error {
				return w.DeletePool(w.t.Context(), "p", store.DeleteOptions{Force: force, Permanently: true}, actor)
			},
			func(w *world) error { _, err := w.GetPool(w.t.Context(), "p"); return err }},
		{"a deployment", store.DeploymentHasLiveRuns,
			func(w *world, force bool) error {
				return w.DeleteDeployment(w.t.Context(), "d", store.DeleteOptions{Force: force, Permanently: true}, actor)
			},
			func(w *world) error { _, err := w.GetDeployment(w.t.Context(), "d"); return err }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			onEach(t, func(w *world) {
				ctx := w.t.Context()
				held := w.one()
				c := w.claimOne("w")
				waiting := w.run("d")
				w.refuses(test.remove(w, false), test.code)
				w.isIn(waiting.ID, "SCHEDULED Scheduled")
				w.check(test.gone(w))

				w.check(test.remove(w, true))
				w.refuses(test.gone(w), store.NotFound)
				w.isIn(waiting.ID, "CANCELLED Cancelled")
				w.isIn(held.ID, "CANCELLING Cancelling")
				w.check(w.Sweep(ctx)) // what a worker holds stays until it has ended it
				told, _ := w.listCancels("w", nil)
				same(t, "cancels", told, []uuid.UUID{c.AttemptID})
				w.Advance(2 * leaseTime)
				taken := w.claimOne("heir")
				if !taken.Cancelling {
					t.Error("the heir is not told to cancel")
				}
				_, _, err := w.CreateRun(ctx, store.NewRun{Deployment: "d"}, actor)
				w.refuses(err, store.NotFound)
				_, err = w.RetryRun(ctx, waiting.ID, actor)
				w.refuses(err, store.Conflict)
				w.accepts(failed(taken, lifecycle.CancelledEnd))
				w.isIn(held.ID, "CANCELLED Cancelled")

				w.check(w.Sweep(ctx))
				_, err = w.GetRun(ctx, held.ID)
				w.refuses(err, store.NotFound)
			})
		})
	}
}

func TestTheNameOfADeletedPoolIsFreeAtOnce(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		run := w.one()
		c := w.claimOne("w")
		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{Force: true, Permanently: true}, actor))
		w.pool("p")
		w.deployment("d", "p")
		next := w.run("d")
		if got := w.claimOne("w"); got.RunID != next.ID {
			t.Errorf("claimed %s", got.RunID)
		}
		w.accepts(failed(c, lifecycle.CancelledEnd))
		w.check(w.Sweep(ctx))
		_, err := w.GetRun(ctx, run.ID)
		w.refuses(err, store.NotFound)
		w.isIn(next.ID, "PENDING Claimed")
		w.refuses(w.DeletePool(ctx, "nowhere", store.DeleteOptions{Force: true}, actor), store.NotFound)
		w.refuses(w.DeleteDeployment(ctx, "nowhere", store.DeleteOptions{Force: true}, actor), store.NotFound)
	})
}

func TestADeletedPoolTakesTheRunsOfMovedDeployments(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		run := w.one()
		w.accepts(succeeded(w.claimOne("w")))
		w.pool("elsewhere")
		w.deployment("d", "elsewhere")
		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{Permanently: true}, actor))
		w.check(w.Sweep(ctx))
		_, err := w.GetRun(ctx, run.ID)
		w.refuses(err, store.NotFound)
		w.getDeployment("d")
	})
}
