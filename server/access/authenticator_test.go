package access

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// fakeKeys is a store of keys that counts its reads.
type fakeKeys struct {
	keys    map[string]store.Key
	reads   int
	touched map[string]time.Time
	down    error
}

func (t *fakeKeys) GetKey(_ context.Context, id string) (*store.Key, error) {
	t.reads++
	if t.down != nil {
		return nil, t.down
	}
	key, ok := t.keys[id]
	if !ok {
		return nil, &store.Error{Code: store.NotFound, Message: "API key not found"}
	}
	return &key, nil
}

func (t *fakeKeys) GetJobKey(context.Context, uuid.UUID) (*store.JobKey, error) {
	return nil, &store.Error{Code: store.NotFound, Message: "attempt not found"}
}

func (t *fakeKeys) UpdateKeyLastUsed(_ context.Context, id string, at time.Time) error {
	t.touched[id] = at
	return nil
}

func newKey(t *testing.T) apikey.Key {
	t.Helper()
	key, err := apikey.New()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func bearer(text string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if text != "" {
		r.Header.Set("Authorization", text)
	}
	return r
}

func TestAuthenticate(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := now.Add(-time.Second)
	good, expired, revoked, unknown, other := newKey(t), newKey(t), newKey(t), newKey(t), newKey(t)
	keys := &fakeKeys{keys: map[string]store.Key{
		good.ID: {ID: good.ID, Name: "good", Bindings: []store.Binding{{Role: "viewer", Pool: "p"}},
			SecretHash: good.Hash()},
		expired.ID: {ID: expired.ID, SecretHash: expired.Hash(), ExpiresAt: &now},
		revoked.ID: {ID: revoked.ID, SecretHash: revoked.Hash(), RevokedAt: &before},
	}}
	tests := []struct {
		name, header string
		want         problem.Code
	}{
		{name: "valid key", header: "Bearer " + good.Text},
		{name: "scheme in lower case", header: "bearer " + good.Text},
		{name: "no key", header: "", want: problem.Unauthenticated},
		{name: "other scheme", header: "Basic " + good.Text, want: problem.Unauthenticated},
		{name: "malformed key", header: "Bearer hunter2", want: problem.Unauthenticated},
		{name: "unknown key", header: "Bearer " + unknown.Text, want: problem.Unauthenticated},
		{
			name:   "ID of one key with the secret of another",
			header: "Bearer berth_" + good.ID + "_" + other.Secret, want: problem.Unauthenticated,
		},
		{name: "expired key", header: "Bearer " + expired.Text, want: problem.Unauthenticated},
		{name: "revoked key", header: "Bearer " + revoked.Text, want: problem.Unauthenticated},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := NewAuthenticator(keys, func() time.Time { return now }, slog.New(slog.DiscardHandler))
			who, err := a.Authenticate(bearer(test.header))
			var refusal *problem.Error
			if errors.As(err, &refusal) != (test.want != "") || refusal != nil && refusal.Code != test.want {
				t.Fatalf("got %v, want code %q", err, test.want)
			}
			if test.want == "" && (who.Name != "good" || who.RoleIn("p") != "viewer" || who.RoleIn("q") != "" || !who.Authenticated) {
				t.Errorf("got %+v", who)
			}
		})
	}
}

func TestUnavailableStoreIsNotAnInvalidKey(t *testing.T) {
	down := &store.Error{Code: store.Unavailable, Message: "the database is not reachable"}
	a := NewAuthenticator(&fakeKeys{down: down}, time.Now, slog.New(slog.DiscardHandler))
	if _, err := a.Authenticate(bearer("Bearer " + newKey(t).Text)); !errors.Is(err, down) {
		t.Errorf("got %v, want %v", err, down)
	}
}

func TestKeysAreCachedForAWhile(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	key, unknown := newKey(t), newKey(t)
	keys := &fakeKeys{keys: map[string]store.Key{key.ID: {ID: key.ID, SecretHash: key.Hash()}},
		touched: map[string]time.Time{}}
	a := NewAuthenticator(keys, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	use := func(text string, wantReads int, why string) {
		t.Helper()
		_, err := a.Authenticate(bearer("Bearer " + text))
		if (err != nil) != (text == unknown.Text) {
			t.Fatalf("%s: %v", why, err)
		}
		if keys.reads != wantReads {
			t.Errorf("%s: %d reads, want %d", why, keys.reads, wantReads)
		}
	}
	use(key.Text, 1, "first use")
	use(key.Text, 1, "second use")
	use(unknown.Text, 2, "unknown key")
	use(unknown.Text, 2, "unknown key again")
	now = now.Add(cacheFor)
	use(key.Text, 3, "after the cache expired")
	a.ClearCache()
	use(key.Text, 4, "after the cache was cleared")

	a.flush(t.Context())
	if at := keys.touched[key.ID]; !at.Equal(now) {
		t.Errorf("stored last use = %v, want %v", at, now)
	}
	clear(keys.touched)
	use(key.Text, 4, "within the same minute")
	a.flush(t.Context())
	if len(keys.touched) != 0 {
		t.Error("last use was stored twice within a minute")
	}
}
