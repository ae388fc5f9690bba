package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

func TestRunTokenNeedsAnActiveAttemptAndAGrant(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p", func(p *store.NewPool) { p.RunTokenAudiences = []string{"aws", "vault"} })
		w.deployment("d", "p")
		run := w.run("d")
		claim := w.claimOne("w")

		_, err := w.CreateRunToken(ctx, run.ID, claim.AttemptID, "gcp")
		w.refuses(err, store.AudienceNotGranted)
		_, err = w.CreateRunToken(ctx, run.ID, uuid.New(), "aws")
		w.refuses(err, store.Conflict)
		for range 2 {
			identity, err := w.CreateRunToken(ctx, run.ID, claim.AttemptID, "aws")
			w.check(err)
			if identity.Pool != "p" || identity.Deployment != "d" || identity.Attempt != 1 ||
				identity.TemplateVersion != 1 || identity.Run != run.ID || !identity.Active {
				t.Errorf("got %+v", identity)
			}
		}
		same(t, "audited", w.audited(store.AuditFilter{Kind: store.AuditRunToken}), []string{
			"job of run " + run.Name + ": create run-token " + run.ID.String() + " [] attempt 1, audience aws"})

		changed, err := w.UpdatePool(ctx, "p", store.PoolUpdate{RunTokenAudiences: &[]string{}}, actor)
		w.check(err)
		if len(changed.RunTokenAudiences) != 0 {
			t.Errorf("still grants %v", changed.RunTokenAudiences)
		}
		_, err = w.CreateRunToken(ctx, run.ID, claim.AttemptID, "aws")
		w.refuses(err, store.AudienceNotGranted)

		_, err = w.UpdatePool(ctx, "p", store.PoolUpdate{Pause: &store.PauseChange{Paused: true}}, actor)
		w.check(err)
		w.accepts(submitted(claim), running(claim), succeeded(claim))
		_, err = w.CreateRunToken(ctx, run.ID, claim.AttemptID, "aws")
		w.refuses(err, store.RunFinished)
		identity, err := w.GetRunIdentity(ctx, run.ID, 1)
		w.check(err)
		if identity.Active {
			t.Error("the attempt is active after its end")
		}
		_, err = w.GetRunIdentity(ctx, run.ID, 2)
		w.refuses(err, store.NotFound)
	})
}

func TestSigningKeysAreListedNewestFirstAndAudited(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		now := w.Now().UTC().Truncate(time.Microsecond)
		key := func(id string, signsFrom time.Time) store.SigningKey {
			return store.SigningKey{ID: id, Algorithm: "RS256", PublicKey: []byte(`{"kty":"RSA"}`), PrivateKey: "sealed",
				CreatedAt: now, SignsFrom: signsFrom}
		}
		w.check(w.InTx(ctx, func(tx *store.Tx) error {
			if keys, err := tx.LockSigningKeys(ctx); err != nil || len(keys) != 0 {
				t.Errorf("%d keys: %v", len(keys), err)
			}
			if err := tx.CreateSigningKey(ctx, key("a", now), actor); err != nil {
				return err
			}
			return tx.CreateSigningKey(ctx, key("b", now.Add(time.Hour)), actor)
		}))
		keys, err := w.ListSigningKeys(ctx)
		w.check(err)
		if len(keys) != 2 || keys[0].ID != "b" || !keys[1].SignsFrom.Equal(now) ||
			string(keys[1].PublicKey) != `{"kty":"RSA"}` || keys[1].PrivateKey != "sealed" {
			t.Errorf("got %+v", keys)
		}
		remove := func(id string) error {
			return w.InTx(ctx, func(tx *store.Tx) error { return tx.DeleteSigningKey(ctx, id, "revoked", actor) })
		}
		w.check(remove("a"))
		w.refuses(remove("a"), store.NotFound)
		if lines := w.audited(store.AuditFilter{Kind: store.AuditSigningKey}); len(lines) != 3 {
			t.Errorf("audited %q", lines)
		}
	})
}
