package store_test

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

func aRequest(pool, fingerprint string, change ...func(*store.NewApproval)) store.NewApproval {
	n := store.NewApproval{
		Pool: pool, Fingerprint: fingerprint, Operation: "Apply", Subjects: []string{"deploys"}, Approver: "editor",
		Lifetime: time.Hour, OpenFor: time.Hour, Asker: store.ApprovalActor{Name: "ci", KeyID: "k1"},
		Items: json.RawMessage(`[{"kind":"deployment","name":"etl","action":"create"}]`),
		Plan:  json.RawMessage(`[{"kind":"deployment","name":"etl","action":"create","after":{"a":1.0}}]`),
	}
	for _, c := range change {
		c(&n)
	}
	return n
}

func (w *world) ask(n store.NewApproval) (a *store.Approval, created bool) {
	w.t.Helper()
	w.check(w.InTx(w.t.Context(), func(tx *store.Tx) (err error) {
		a, created, err = tx.CreateApproval(w.t.Context(), n)
		return err
	}))
	return a, created
}

var reviewer = store.ApprovalActor{Name: "ada", Issuer: "https://idp", Subject: "u-ada"}

func (w *world) decide(id uuid.UUID, state store.ApprovalState) *store.Approval {
	w.t.Helper()
	a, err := w.UpdateApproval(w.t.Context(), id, store.ApprovalUpdate{State: state, By: reviewer, Reason: "because"})
	w.check(err)
	return a
}

func (w *world) cannotDecide(id uuid.UUID, state store.ApprovalState) {
	w.t.Helper()
	_, err := w.UpdateApproval(w.t.Context(), id, store.ApprovalUpdate{State: state, By: reviewer})
	w.refuses(err, store.Conflict)
}

func TestARequestIsApprovedAndUsedOnce(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("etl")
		asked, created := w.ask(aRequest("etl", "f1"))
		again, createdAgain := w.ask(aRequest("etl", "f1"))
		if !created || createdAgain || asked.ID != again.ID || asked.State != store.ApprovalOpen {
			t.Errorf("asked %+v, again %v %+v", asked, createdAgain, again)
		}
		if p := w.getPool("etl"); p.OpenApprovals != 1 {
			t.Errorf("the pool has %d open requests", p.OpenApprovals)
		}
		w.cannotDecide(asked.ID, store.ApprovalUsed)
		approved := w.decide(asked.ID, store.ApprovalApproved)
		if approved.Decider.Subject != "u-ada" || !approved.ExpiresAt.After(approved.AskedAt) || approved.EndedAt != nil {
			t.Errorf("approved is %+v", approved)
		}
		w.cannotDecide(asked.ID, store.ApprovalApproved)
		used := w.decide(asked.ID, store.ApprovalUsed)
		if used.UsedBy != "ada" || used.EndedAt == nil {
			t.Errorf("used is %+v", used)
		}
		for _, state := range []store.ApprovalState{
			store.ApprovalUsed, store.ApprovalApproved, store.ApprovalRejected, store.ApprovalWithdrawn, store.ApprovalLapsed,
		} {
			w.cannotDecide(asked.ID, state)
		}
		read, err := w.GetApproval(t.Context(), asked.ID)
		w.check(err)
		if string(read.Plan) != `[{"kind":"deployment","name":"etl","action":"create","after":{"a":1.0}}]` ||
			read.Pool != "etl" || read.Asker.KeyID != "k1" {
			t.Errorf("read %+v", read)
		}
		if second, created := w.ask(aRequest("etl", "f1")); !created || second.ID == asked.ID {
			t.Error("a used approval answers another request")
		}
		_, err = w.GetApproval(t.Context(), uuid.New())
		w.refuses(err, store.NotFound)
	})
}

func TestOneOfManyUsesAnApproval(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("etl")
		asked, _ := w.ask(aRequest("etl", "f1"))
		w.decide(asked.ID, store.ApprovalApproved)
		var wait sync.WaitGroup
		won := make(chan bool, 8)
		for range cap(won) {
			wait.Go(func() {
				_, err := w.UpdateApproval(t.Context(), asked.ID, store.ApprovalUpdate{State: store.ApprovalUsed, By: reviewer})
				if err != nil && !store.IsCode(err, store.Conflict) {
					t.Error(err)
				}
				won <- err == nil
			})
		}
		wait.Wait()
		close(won)
		winners := 0
		for w := range won {
			if w {
				winners++
			}
		}
		if winners != 1 {
			t.Errorf("%d used it", winners)
		}
	})
}

func TestRequestsLapseAndAreRemovedWithTheAudit(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("etl")
		late, _ := w.ask(aRequest("etl", "late", func(n *store.NewApproval) { n.OpenFor = -time.Minute }))
		short, _ := w.ask(aRequest("etl", "short", func(n *store.NewApproval) { n.Lifetime = 0 }))
		kept, _ := w.ask(aRequest("etl", "kept"))
		w.cannotDecide(late.ID, store.ApprovalApproved)
		w.decide(short.ID, store.ApprovalApproved)
		w.cannotDecide(short.ID, store.ApprovalUsed)

		w.check(w.Sweep(t.Context()))
		for id, want := range map[uuid.UUID]store.ApprovalState{
			late.ID: store.ApprovalLapsed, short.ID: store.ApprovalLapsed, kept.ID: store.ApprovalOpen,
		} {
			a, err := w.GetApproval(t.Context(), id)
			w.check(err)
			if a.State != want {
				t.Errorf("request %s is %s, want %s", a.Fingerprint, a.State, want)
			}
		}
		if removed := w.expire(store.Retention{Audit: time.Hour}); removed.Approvals != 0 {
			t.Errorf("%d were removed too early", removed.Approvals)
		}
		if removed := w.expire(store.Retention{Audit: time.Nanosecond}); removed.Approvals != 2 {
			t.Errorf("%d were removed, want the two that ended", removed.Approvals)
		}
	})
}

func TestRequestsAreListedByPoolAndState(t *testing.T) {
	onEach(t, func(w *world) {
		w.pool("a")
		w.pool("b")
		first, _ := w.ask(aRequest("a", "1"))
		second, _ := w.ask(aRequest("b", "1"))
		third, _ := w.ask(aRequest("a", "2", func(n *store.NewApproval) { n.Bypass = "the cluster burns" }))
		if third.State != store.ApprovalBypassed || third.Reason != "the cluster burns" || third.UsedBy != "ci" {
			t.Errorf("the bypass is %+v", third)
		}
		list := func(f store.ApprovalFilter) []uuid.UUID {
			t.Helper()
			var ids []uuid.UUID
			for page := (store.Page{Limit: 1}); ; {
				found, next, err := w.ListApprovals(t.Context(), f, page)
				w.check(err)
				for _, a := range found {
					if a.Plan != nil {
						t.Error("the list has plans")
					}
					ids = append(ids, a.ID)
				}
				if page.Cursor = next; next == "" {
					return ids
				}
			}
		}
		open := []store.ApprovalState{store.ApprovalOpen}
		same(t, "all", list(store.ApprovalFilter{}), []uuid.UUID{third.ID, second.ID, first.ID})
		same(t, "of a pool", list(store.ApprovalFilter{Pool: "a"}), []uuid.UUID{third.ID, first.ID})
		same(t, "of some pools", list(store.ApprovalFilter{Pools: []string{"b"}}), []uuid.UUID{second.ID})
		same(t, "of no pool", list(store.ApprovalFilter{Pools: []string{}}), nil)
		same(t, "open", list(store.ApprovalFilter{States: open}), []uuid.UUID{second.ID, first.ID})

		w.check(w.DeletePool(t.Context(), "b", store.DeleteOptions{Force: true}, actor))
		_, err := w.GetApproval(t.Context(), second.ID)
		w.refuses(err, store.NotFound)
	})
}

func TestAPolicyIsKeptWithItsPool(t *testing.T) {
	onEach(t, func(w *world) {
		policy := store.ApprovalPolicy{Require: []string{"deploys", "rules"}, Approver: "admin", Lifetime: 60}
		w.pool("a")
		w.pool("b")
		updated, err := w.UpdatePool(t.Context(), "a", store.PoolUpdate{Approvals: &policy}, actor)
		w.check(err)
		if !updated.Approvals.Equal(policy) || !w.getPool("a").Approvals.Equal(policy) {
			t.Errorf("the policy is %+v", w.getPool("a").Approvals)
		}
		policies, err := w.ListApprovalPolicies(t.Context())
		w.check(err)
		if len(policies) != 1 || !policies["a"].Equal(policy) {
			t.Errorf("the policies are %+v", policies)
		}
		_, err = w.UpdatePool(t.Context(), "a", store.PoolUpdate{Approvals: &store.ApprovalPolicy{}}, actor)
		w.check(err)
		if policies, err = w.ListApprovalPolicies(t.Context()); err != nil || len(policies) != 0 {
			t.Errorf("after it was removed there are %+v, %v", policies, err)
		}
	})
}
