package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
)

// session is a session of a person that was created at a time and lasts for twelve hours.
func session(id, person string, at time.Time) store.Session {
	return store.Session{
		ID: id, SecretHash: "hash of " + id, Kind: store.SessionCLI,
		Person: store.Person{
			Issuer: "https://idp.example.com", Subject: "sub-" + person, Actor: person + "@example.com",
			Email: person + "@example.com", EmailVerified: true, Name: person, Groups: []string{"data", "ops"},
		},
		Client: "berth on laptop", Address: "192.0.2.1", CreatedAt: at, ExpiresAt: at.Add(12 * time.Hour),
		CheckFrom: at.Add(15 * time.Minute), RefreshToken: "sealed",
	}
}

func equals(t *testing.T, what string, got, want any) {
	t.Helper()
	if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
		t.Errorf("%s: got %s, want %s", what, a, b)
	}
}

func (w *world) createSession(s store.Session) {
	w.t.Helper()
	w.check(w.CreateSession(w.t.Context(), s, ""))
}

func (w *world) sessionIDs(f store.SessionFilter) string {
	w.t.Helper()
	var ids []string
	page := store.Page{Limit: 2}
	for {
		sessions, next, err := w.ListSessions(w.t.Context(), f, page)
		w.check(err)
		for _, s := range sessions {
			ids = append(ids, s.ID)
		}
		if page.Cursor = next; next == "" {
			return fmt.Sprint(ids)
		}
	}
}

func TestSessionsAreCreatedListedAndRevoked(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		now := w.Now().UTC().Truncate(time.Microsecond)
		for i, person := range []string{"ada", "ada", "bob", "ada"} {
			w.createSession(session(fmt.Sprint("s", i), person, now))
		}
		stored, err := w.GetSession(ctx, "s0")
		w.check(err)
		want := session("s0", "ada", now)
		want.LastUsedAt, want.CheckedAt = now, now
		equals(t, "the stored session", *stored, want)

		ada := store.SessionFilter{Issuer: want.Person.Issuer, Subject: "sub-ada"}
		live := store.SessionFilter{ActiveAt: now.Add(time.Minute), Idle: time.Hour}
		equals(t, "all", w.sessionIDs(store.SessionFilter{}), "[s3 s2 s1 s0]")
		equals(t, "of one person", w.sessionIDs(ada), "[s3 s1 s0]")
		equals(t, "by email", w.sessionIDs(store.SessionFilter{User: "bob@example.com"}), "[s2]")
		equals(t, "of another issuer", w.sessionIDs(store.SessionFilter{Issuer: "x", Subject: "sub-ada"}), "[]")

		w.check(w.RevokeSession(ctx, "s1", "root", ""))
		w.refuses(w.RevokeSession(ctx, "s1", "root", ""), store.NotFound)
		w.refuses(w.RevokeSession(ctx, "none", "root", ""), store.NotFound)
		if s1, err := w.GetSession(ctx, "s1"); err != nil || s1.RevokedAt == nil || s1.RevokedBy != "root" ||
			s1.RefreshToken != "" {
			t.Errorf("revoked: %+v, %v", s1, err)
		}
		equals(t, "live", w.sessionIDs(live), "[s3 s2 s0]")
		if n, err := w.RevokeSessions(ctx, ada, "root"); n != 2 || err != nil {
			t.Errorf("revoked %d, %v", n, err)
		}
		equals(t, "live after all of one person were revoked", w.sessionIDs(live), "[s2]")
		_, err = w.GetSession(ctx, "none")
		w.refuses(err, store.NotFound)
	})
}

func TestAnIdleAndAnExpiredSessionAreNotActive(t *testing.T) {
	onEachLayout(t, func(w *world) {
		now := w.Now().UTC().Truncate(time.Microsecond)
		w.createSession(session("a", "ada", now))
		active := func(after time.Duration) string {
			return w.sessionIDs(store.SessionFilter{ActiveAt: now.Add(after), Idle: time.Hour})
		}
		equals(t, "before the idle time", active(time.Hour-time.Second), "[a]")
		equals(t, "after the idle time", active(time.Hour), "[]")
		w.check(w.UpdateSessionLastUsed(w.t.Context(), "a", now.Add(11*time.Hour+30*time.Minute)))
		w.check(w.UpdateSessionLastUsed(w.t.Context(), "a", now)) // reported late
		equals(t, "used again", active(12*time.Hour-time.Second), "[a]")
		equals(t, "expired", active(12*time.Hour), "[]")
	})
}

func TestASignInReplacesTheSessionOfTheSameClient(t *testing.T) {
	onEachLayout(t, func(w *world) {
		now := w.Now()
		w.createSession(session("old", "bob", now))
		w.check(w.CreateSession(w.t.Context(), session("new", "ada", now), "old"))
		equals(t, "live", w.sessionIDs(store.SessionFilter{ActiveAt: now.Add(time.Minute), Idle: time.Hour}), "[new]")
		w.check(w.CreateSession(w.t.Context(), session("next", "ada", now), "unknown"))
	})
}

func TestOneOfTwoServersChecksASession(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		now := w.Now().UTC().Truncate(time.Microsecond)
		s := session("a", "ada", now)
		w.createSession(s)
		for i, want := range []bool{true, false} {
			if got, err := w.ClaimSessionCheck(ctx, s, now.Add(time.Hour)); got != want || err != nil {
				t.Errorf("claim %d: %t, %v", i, got, err)
			}
		}
		s.Person.Groups, s.Person.Email = []string{"ops"}, "lovelace@example.com"
		s.CheckedAt, s.CheckFrom, s.RefreshToken = now.Add(time.Hour), now.Add(2*time.Hour), "sealed again"
		w.check(w.UpdateSessionChecked(ctx, s))
		stored, err := w.GetSession(ctx, "a")
		w.check(err)
		s.LastUsedAt = now
		equals(t, "the checked session", *stored, s)

		w.check(w.RevokeSession(ctx, "a", "root", ""))
		w.refuses(w.UpdateSessionChecked(ctx, s), store.NotFound) // a check must not bring it back
		if got, err := w.ClaimSessionCheck(ctx, s, now); got || err != nil {
			t.Errorf("claimed the check of a revoked session: %v", err)
		}
	})
}

func TestSessionsAreAudited(t *testing.T) {
	onEachLayout(t, func(w *world) {
		ctx := w.t.Context()
		now := w.Now()
		s := session("a", "ada", now)
		w.createSession(s)
		w.check(w.UpdateSessionChecked(ctx, s)) // nothing changed
		s.Person.Groups = []string{"ops"}
		w.check(w.UpdateSessionChecked(ctx, s))
		w.check(w.RevokeSession(ctx, "a", "root", "signed out"))
		entries, _, err := w.ListAudit(ctx, store.AuditFilter{Kind: store.AuditSession}, store.Page{})
		w.check(err)
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprintf("%s %s %s %q %d", e.Actor, e.Action, e.Name, e.Detail, len(e.Changes)))
		}
		same(t, "audit", got, []string{
			`root delete ada@example.com "revoked session a, signed out" 0`,
			`ada@example.com update ada@example.com "the sign-in provider changed session a" 1`,
			`ada@example.com create ada@example.com "" 7`,
		})
	})
}

func TestDeadSessionsAreRemovedAfterAWeek(t *testing.T) {
	onEachLayout(t, func(w *world) {
		now := w.Now()
		w.createSession(session("old", "ada", now.Add(-8*24*time.Hour)))
		w.createSession(session("dead", "ada", now.Add(-6*24*time.Hour)))
		w.createSession(session("live", "ada", now))
		if got := w.expire(store.Retention{}).Sessions; got != 1 {
			t.Errorf("removed %d", got)
		}
		equals(t, "kept", w.sessionIDs(store.SessionFilter{}), "[live dead]")
	})
}
