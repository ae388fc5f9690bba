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

// table is a store of keys that counts how often it is asked.
type table struct {
	keys    map[string]store.Key
	asked   int
	touched map[string]time.Time
	down    error
}

func (t *table) KeyByID(_ context.Context, id string) (*store.Key, error) {
	t.asked++
	if t.down != nil {
		return nil, t.down
	}
	key, ok := t.keys[id]
	if !ok {
		return nil, &store.Error{Code: store.NotFound, Message: "no such key"}
	}
	return &key, nil
}

func (t *table) JobKeyOf(context.Context, uuid.UUID) (*store.JobKey, error) {
	return nil, &store.Error{Code: store.NotFound, Message: "no attempt has keys here"}
}

func (t *table) TouchKey(_ context.Context, id string, at time.Time) error {
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
	keys := &table{keys: map[string]store.Key{
		good.ID:    {ID: good.ID, Name: "good", Role: "viewer", Pools: []string{"p"}, SecretHash: good.Hash()},
		expired.ID: {ID: expired.ID, SecretHash: expired.Hash(), ExpiresAt: &now},
		revoked.ID: {ID: revoked.ID, SecretHash: revoked.Hash(), RevokedAt: &before},
	}}
	tests := []struct {
		name, header string
		want         problem.Code
	}{
		{name: "a good key", header: "Bearer " + good.Text},
		{name: "the scheme in lower case", header: "bearer " + good.Text},
		{name: "no key", header: "", want: problem.Unauthenticated},
		{name: "another scheme", header: "Basic " + good.Text, want: problem.Unauthenticated},
		{name: "not a key", header: "Bearer hunter2", want: problem.Unauthenticated},
		{name: "a key that does not exist", header: "Bearer " + unknown.Text, want: problem.Unauthenticated},
		{name: "the id of one key with the secret of another", header: "Bearer berth_" + good.ID + "_" + other.Secret, want: problem.Unauthenticated},
		{name: "an expired key", header: "Bearer " + expired.Text, want: problem.Unauthenticated},
		{name: "a revoked key", header: "Bearer " + revoked.Text, want: problem.Unauthenticated},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := NewAuthenticator(keys, func() time.Time { return now }, slog.New(slog.DiscardHandler))
			who, err := a.Authenticate(bearer(test.header))
			var refusal *problem.Error
			if errors.As(err, &refusal) != (test.want != "") || refusal != nil && refusal.Code != test.want {
				t.Fatalf("got %v, want code %q", err, test.want)
			}
			if test.want == "" && (who.Name != "good" || who.Role != "viewer" || !who.MayUsePool("p") || who.MayUsePool("q") || !who.Authenticated) {
				t.Errorf("got %+v", who)
			}
		})
	}
}

func TestAnOutageIsNotABadKey(t *testing.T) {
	down := &store.Error{Code: store.Unavailable, Message: "the database is not reachable"}
	a := NewAuthenticator(&table{down: down}, time.Now, slog.New(slog.DiscardHandler))
	if _, err := a.Authenticate(bearer("Bearer " + newKey(t).Text)); !errors.Is(err, down) {
		t.Errorf("got %v, want %v", err, down)
	}
}

func TestAKeyIsRememberedForAWhile(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	key, unknown := newKey(t), newKey(t)
	keys := &table{keys: map[string]store.Key{key.ID: {ID: key.ID, SecretHash: key.Hash()}}, touched: map[string]time.Time{}}
	a := NewAuthenticator(keys, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	use := func(text string, wantAsked int, why string) {
		t.Helper()
		_, err := a.Authenticate(bearer("Bearer " + text))
		if (err != nil) != (text == unknown.Text) {
			t.Fatalf("%s: %v", why, err)
		}
		if keys.asked != wantAsked {
			t.Errorf("%s: the database was asked %d times, want %d", why, keys.asked, wantAsked)
		}
	}
	use(key.Text, 1, "the first time")
	use(key.Text, 1, "at once again")
	use(unknown.Text, 2, "a key that does not exist")
	use(unknown.Text, 2, "a key that does not exist, again")
	now = now.Add(cacheFor)
	use(key.Text, 3, "after a while")
	a.ClearCache()
	use(key.Text, 4, "after keys have changed")

	a.flush(t.Context())
	if at := keys.touched[key.ID]; !at.Equal(now) {
		t.Errorf("last use written as %v, want %v", at, now)
	}
	clear(keys.touched)
	use(key.Text, 4, "within the minute")
	a.flush(t.Context())
	if len(keys.touched) != 0 {
		t.Error("the last use was written again within the minute")
	}
}
