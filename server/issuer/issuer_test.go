package issuer

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/seal"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

func testSeal(t *testing.T) seal.Key {
	t.Helper()
	text, err := seal.NewText()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.Parse(text + "\n") // a Secret made from a file often ends with a line break
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestPlan(t *testing.T) {
	const day = 24 * time.Hour
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	key := func(id string, signsFrom time.Duration) store.SigningKey {
		return store.SigningKey{ID: id, SignsFrom: start.Add(signsFrom)}
	}
	for name, test := range map[string]struct {
		keys   []store.SigningKey
		now    time.Duration
		create time.Duration // -1: none
		remove string
	}{
		"no key: one that signs at once":           {nil, 0, 0, ""},
		"key in its prime: nothing":                {[]store.SigningKey{key("a", 0)}, 15 * day, -1, ""},
		"a day before its end: the successor":      {[]store.SigningKey{key("a", 0)}, 29 * day, 30 * day, ""},
		"after a pause: published before it signs": {[]store.SigningKey{key("a", 0)}, 60 * day, 61 * day, ""},
		"successor waits: nothing":                 {[]store.SigningKey{key("b", 30*day), key("a", 0)}, 29*day + 1, -1, ""},
		"successor just signs: the old one stays":  {[]store.SigningKey{key("b", 30*day), key("a", 0)}, 30*day + time.Hour, -1, ""},
		"all old tokens are dead: it goes": {
			[]store.SigningKey{key("b", 30*day), key("a", 0)}, 30*day + time.Hour + keepAfter, -1, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			got := plan(test.keys, 30*day, start.Add(test.now))
			if (got.create == nil) != (test.create < 0) ||
				got.create != nil && !got.create.Equal(start.Add(test.create)) {
				t.Errorf("create %v, want after %s", got.create, test.create)
			}
			var removed string
			for _, k := range got.remove {
				removed += k.ID
			}
			if removed != test.remove {
				t.Errorf("remove %q, want %q", removed, test.remove)
			}
		})
	}
}

const rotateEvery = 2 * publishBefore

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func newTestIssuer(t *testing.T, s Store, c *clock, encryption seal.Key) *Issuer {
	t.Helper()
	return New(s, Options{
		URL: "https://berth.example.com/", Seal: encryption, RotateEvery: rotateEvery, Now: c.read,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}

// TestEveryTokenVerifiesUntilItExpires lives through rotations, an hour at a time.
func TestEveryTokenVerifiesUntilItExpires(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *storetest.Store) {
		c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		i := newTestIssuer(t, s, c, testSeal(t))
		ctx := t.Context()
		published := map[string]time.Time{} // when each key first was in the key set
		signed := map[string]bool{}
		var last string
		for range 3 * int(rotateEvery/time.Hour) {
			if err := i.Rotate(ctx); err != nil {
				t.Fatal(err)
			}
			keys, err := i.ListKeys(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if len(keys) > 3 {
				t.Fatalf("%d keys at %s", len(keys), c.now)
			}
			for _, k := range keys {
				if _, known := published[k.ID]; !known {
					published[k.ID] = c.now
				}
			}
			stored, err := i.readKeys(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if last != "" {
				c.now = c.now.Add(-time.Second) // the last moment of its life
				if _, err := i.verify(last, stored); err != nil {
					t.Fatalf("at %s a token does not verify before it expires", c.now)
				}
				c.now = c.now.Add(time.Second)
				if _, err := i.verify(last, stored); err == nil {
					t.Fatalf("at %s a token verifies after it has expired", c.now)
				}
			}
			key, err := i.signer(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if first := published[key.id]; len(signed) > 0 && !signed[key.id] && c.now.Sub(first) < publishBefore {
				t.Errorf("key %s signs %s after it was published", key.id, c.now.Sub(first))
			}
			signed[key.id] = true
			last = signFor(t, i, key, MaxLifetime)
			c.now = c.now.Add(time.Hour)
		}
		if len(signed) != 3 {
			t.Errorf("%d keys have signed in the time of three", len(signed))
		}
	})
}

func signFor(t *testing.T, i *Issuer, key signer, lifetime time.Duration) string {
	t.Helper()
	now := i.Now()
	token, err := key.sign(claimsAt(i.URL, now, now.Add(lifetime)))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestServersThatStartTogetherShareOneKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *storetest.Store) {
		c, encryption := &clock{time.Now()}, testSeal(t)
		ended := make(chan error)
		for range 8 {
			i := newTestIssuer(t, s, c, encryption)
			go func() { ended <- i.Rotate(t.Context()) }()
		}
		for range 8 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if keys, err := s.ListSigningKeys(t.Context()); err != nil || len(keys) != 1 {
			t.Errorf("%d keys (%v)", len(keys), err)
		}
	})
}

func TestKeyOfAnotherEncryptionKeyIsReplacedAndStillVerifies(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *storetest.Store) {
		c := &clock{time.Now()}
		before, after := newTestIssuer(t, s, c, testSeal(t)), newTestIssuer(t, s, c, testSeal(t))
		ctx := t.Context()
		if err := before.Rotate(ctx); err != nil {
			t.Fatal(err)
		}
		old, err := before.signer(ctx)
		if err != nil {
			t.Fatal(err)
		}
		token := signFor(t, before, old, time.Minute)
		c.now = c.now.Add(time.Second)
		if err := after.Rotate(ctx); err != nil {
			t.Fatal(err)
		}
		replaced, err := after.signer(ctx)
		if err != nil || replaced.id == old.id {
			t.Fatalf("signs with %s (%v)", replaced.id, err)
		}
		keys, err := after.readKeys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := after.verify(token, keys); err != nil {
			t.Error("the token of the earlier key does not verify")
		}
	})
}

func TestPrivateKeyIsEncryptedAndBoundToItsRow(t *testing.T) {
	encryption := testSeal(t)
	key, err := newKey(encryption, time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var public map[string]any
	if err := json.Unmarshal(key.PublicKey, &public); err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi"} {
		if public[private] != nil {
			t.Errorf("the public key has member %q", private)
		}
	}
	if public["kid"] != key.ID || public["alg"] != "RS256" || public["use"] != "sig" {
		t.Errorf("the public key is %v", public)
	}
	if _, err := openKey(encryption, key); err != nil {
		t.Error(err)
	}
	moved := key
	moved.ID = "another"
	if _, err := openKey(encryption, moved); err == nil {
		t.Error("an encrypted key can be moved to another row")
	}
	if _, err := openKey(testSeal(t), key); err == nil || strings.Contains(err.Error(), key.PrivateKey) {
		t.Errorf("with another encryption key: %v", err)
	}
}

func TestSubjectsOfDifferentDeploymentsDiffer(t *testing.T) {
	if got := Subject("team-a", "etl"); got != "pool:team-a:deployment:etl" {
		t.Error(got)
	}
	a, b := Subject("a:deployment:b", "c"), Subject("a", "b:deployment:c")
	if a == b {
		t.Errorf("both are %s", a)
	}
	if Subject("a:", "b") == Subject("a%3A", "b") {
		t.Error("an escaped name equals one that is not")
	}
}

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { end := now.Add(d); return &end }
	for name, test := range map[string]struct {
		lifetime time.Duration
		timeout  *time.Time
		want     time.Duration
	}{
		"default":                             {0, nil, DefaultLifetime},
		"as asked":                            {time.Minute, nil, time.Minute},
		"never more than an hour":             {24 * time.Hour, nil, time.Hour},
		"not beyond the time limit":           {time.Hour, at(5 * time.Minute), 5 * time.Minute},
		"time limit later than asked":         {time.Minute, at(time.Hour), time.Minute},
		"time limit over: long enough to use": {time.Hour, at(-time.Hour), time.Minute},
	} {
		if got := expiry(now, test.lifetime, test.timeout).Sub(now); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"https://berth.example.com": true, "https://example.com/berth": true, "http://127.0.0.1:4200": true,
		"http://localhost:4200": true, "http://[::1]:4200": true,
		"http://berth.example.com": false, "berth.example.com": false, "": false, "https://": false,
		"https://user@example.com": false, "https://example.com?x=1": false, "https://example.com#x": false,
		"ftp://example.com": false, "http://127.0.0.1.example.com": false,
	} {
		if err := CheckURL(url); (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func claimsAt(issuer string, now, expires time.Time) Claims {
	return Claims{
		Issuer: issuer, Subject: "pool:p:deployment:d", Audience: "vault", Run: uuid.New(), Attempt: 1,
		IssuedAt: numeric(now), NotBefore: numeric(now), Expiry: numeric(expires),
	}
}
