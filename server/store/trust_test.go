package store_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
)

// trust saves a trust rule.
func (w *world) trust(name string, change func(*store.TrustRule)) (*store.TrustRule, int) {
	w.t.Helper()
	rule := store.TrustRule{
		Name: name, Issuer: "https://issuer", Audience: "berth", Claims: map[string][]string{"sub": {"a", "b"}},
		Bindings: []store.Binding{{Role: "deployer", Pool: "p"}, {Role: "viewer", Pool: store.AllPools}},
		Lifetime: 10 * time.Minute,
	}
	if change != nil {
		change(&rule)
	}
	saved, revoked, err := w.UpsertTrustRule(w.t.Context(), rule, actor)
	w.check(err)
	return saved, revoked
}

// exchange makes a key for a token.
func (w *world) exchange(rule, token string) error {
	w.t.Helper()
	stored, err := w.GetTrustRule(w.t.Context(), rule)
	w.check(err)
	return w.CreateTrustKey(w.t.Context(), w.trustKey(*stored, token))
}

func (w *world) trustKey(rule store.TrustRule, token string) store.NewTrustKey {
	w.t.Helper()
	now := w.Now().UTC().Truncate(time.Microsecond)
	expires := now.Add(rule.Lifetime)
	keys, err := w.ListKeys(w.t.Context(), store.KeyFilter{})
	w.check(err)
	id := fmt.Sprintf("%08d", len(keys))
	return store.NewTrustKey{
		Rule: rule, Digest: token, Expires: expires,
		Key: store.Key{
			ID: id, Name: rule.Name + "/" + id, Bindings: rule.Bindings, SecretHash: id, CreatedBy: "s",
			ExpiresAt: &expires, Token: store.TokenIdentity{Rule: rule.Name, Issuer: rule.Issuer, Subject: "s", ID: "j"},
		},
	}
}

// validKeys are the names of the keys that are not revoked.
func (w *world) validKeys(f store.KeyFilter) []string {
	w.t.Helper()
	keys, err := w.ListKeys(w.t.Context(), f)
	w.check(err)
	names := []string{}
	for _, k := range keys {
		if k.RevokedAt == nil {
			names = append(names, k.Name)
		}
	}
	return names
}

func TestTrustRulesAreSavedListedAndDeleted(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		first, _ := w.trust("t", func(r *store.TrustRule) {
			r.Description, r.Keys, r.Authorities, r.SingleUse = "d", []byte(`{"keys":[]}`), "PEM", true
		})
		got, err := w.GetTrustRule(ctx, "t")
		w.check(err)
		if !reflect.DeepEqual(got, first) {
			t.Errorf("stored as %+v, want %+v", got, first)
		}
		w.trust("other", func(r *store.TrustRule) { r.Issuer = "https://other" })
		rules, err := w.ListTrustRules(ctx, "https://other")
		w.check(err)
		if len(rules) != 1 || rules[0].Name != "other" || rules[0].Version != 1 {
			t.Errorf("of the other issuer there are %+v", rules)
		}
		again, _ := w.trust("other", func(r *store.TrustRule) { r.Issuer = "https://other" })
		if again.Version != 1 {
			t.Errorf("saving the same makes version %d", again.Version)
		}
		_, err = w.DeleteTrustRule(ctx, "t", actor)
		w.check(err)
		_, err = w.DeleteTrustRule(ctx, "t", actor)
		w.refuses(err, store.NotFound)
		_, err = w.GetTrustRule(ctx, "t")
		w.refuses(err, store.NotFound)
	})
}

func TestAChangedTrustRuleRevokesItsKeysAndNoOthers(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.check(w.CreateKey(ctx, store.Key{ID: "1", Name: "ci", Bindings: everywhere("viewer"), SecretHash: "h"}))
		w.trust("t", nil)
		w.trust("u", nil)
		w.check(w.exchange("t", "a"))
		w.check(w.exchange("t", "a")) // unless the rule says once
		w.check(w.exchange("u", "a"))
		if _, revoked := w.trust("t", func(r *store.TrustRule) { r.Description = "new words" }); revoked != 0 {
			t.Errorf("a description revokes %d keys", revoked)
		}
		old, err := w.GetTrustRule(ctx, "t")
		w.check(err)
		if _, revoked := w.trust("t", func(r *store.TrustRule) { r.Claims = map[string][]string{"sub": {"a"}} }); revoked != 2 {
			t.Errorf("%d keys were revoked, want 2", revoked)
		}
		same(t, "valid keys", w.validKeys(store.KeyFilter{LiveAt: w.Now()}), []string{"ci", "u/00000003"})
		// A token that the rule accepted before the change gets no key after it.
		w.refuses(w.CreateTrustKey(ctx, w.trustKey(*old, "b")), store.Conflict)
		w.check(w.exchange("t", "a"))
		revoked, err := w.DeleteTrustRule(ctx, "t", actor)
		w.check(err)
		if revoked != 1 {
			t.Errorf("deleting the rule revokes %d keys, want 1", revoked)
		}
		w.refuses(w.CreateTrustKey(ctx, w.trustKey(*old, "b")), store.NotFound)
		k := w.getKey("00000003")
		if k.Token != (store.TokenIdentity{Rule: "u", Issuer: "https://issuer", Subject: "s"}) {
			t.Errorf("stored as %+v", k.Token)
		}
	})
}

func TestATokenIsExchangedOnceIfItsRuleSaysSo(t *testing.T) {
	onEach(t, func(w *world) {
		w.trust("t", func(r *store.TrustRule) { r.SingleUse = true })
		w.check(w.exchange("t", "a"))
		w.refuses(w.exchange("t", "a"), store.TokenUsed)
		w.check(w.exchange("t", "b"))
	})
}

func TestExpiredKeysOfTrustRulesAreRemoved(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.check(w.CreateKey(ctx, store.Key{ID: "1", Name: "ci", Bindings: everywhere("viewer"), SecretHash: "h"}))
		w.trust("t", func(r *store.TrustRule) { r.SingleUse = true })
		rule, err := w.GetTrustRule(ctx, "t")
		w.check(err)
		old, recent := w.trustKey(*rule, "a"), w.trustKey(*rule, "b")
		long, short := w.Now().Add(-25*time.Hour), w.Now().Add(-time.Minute)
		old.Key.ExpiresAt, old.Expires = &long, long
		recent.Key.ID, recent.Key.Name, recent.Key.ExpiresAt, recent.Expires = "2", "t/2", &short, short
		w.check(w.CreateTrustKey(ctx, old))
		w.check(w.CreateTrustKey(ctx, recent))
		same(t, "listed", w.validKeys(store.KeyFilter{LiveAt: w.Now()}), []string{"ci"})
		removed, err := w.Expire(ctx, store.Retention{})
		w.check(err)
		same(t, "kept", w.validKeys(store.KeyFilter{}), []string{"ci", "t/2"})
		if removed.Tokens != 2 { // a key and a token
			t.Errorf("%d were removed", removed.Tokens)
		}
		w.check(w.exchange("t", "a"))
		w.refuses(w.exchange("t", "b"), store.TokenUsed)
	})
}

func TestAllKeysOfAnOwnerAreRevoked(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		ada := store.KeyOwner{Name: "ada@example.com", Kind: store.ActorPerson, ID: "u-ada"}
		for id, owner := range map[string]store.KeyOwner{"1": ada, "2": ada, "3": {}, "4": {Name: "ci", Kind: store.ActorKey, ID: "3"}} {
			w.check(w.CreateKey(ctx, store.Key{
				ID: id, Name: "k" + id, Bindings: everywhere("viewer"), SecretHash: id, Owner: owner,
			}))
		}
		if k := w.getKey("1"); k.Owner != ada {
			t.Errorf("stored as %+v", k.Owner)
		}
		same(t, "keys by name", w.validKeys(store.KeyFilter{Owner: "ada@example.com"}), []string{"k1", "k2"})
		same(t, "keys by ID", w.validKeys(store.KeyFilter{Owner: "u-ada"}), []string{"k1", "k2"})
		revoked, err := w.RevokeKeysOf(ctx, "u-ada", actor)
		w.check(err)
		if revoked != 2 {
			t.Errorf("%d were revoked", revoked)
		}
		same(t, "left", w.validKeys(store.KeyFilter{}), []string{"k3", "k4"})
	})
}

func TestATrustRuleDoesNotCountInANewPoolOfTheSameName(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		inP, everywhere := store.Binding{Role: "deployer", Pool: "p"}, store.Binding{Role: "viewer", Pool: store.AllPools}
		w.pool("p")
		w.trust("old", nil)
		w.check(w.DeletePool(ctx, "p", store.DeleteOptions{}, actor))
		w.check(w.exchange("old", "a")) // between the two pools
		w.trust("meant for the next", nil)
		before, err := w.GetTrustRule(ctx, "old")
		w.check(err)
		w.pool("p")

		roles := func(name string) []store.Binding {
			rule, err := w.GetTrustRule(ctx, name)
			w.check(err)
			return rule.Bindings
		}
		same(t, "roles", roles("old"), []store.Binding{everywhere})
		same(t, "roles of the later rule", roles("meant for the next"), []store.Binding{inP, everywhere})
		same(t, "roles of its key", w.getKey("00000000").Bindings, []store.Binding{everywhere})
		w.refuses(w.CreateTrustKey(ctx, w.trustKey(*before, "b")), store.Conflict)
	})
}
