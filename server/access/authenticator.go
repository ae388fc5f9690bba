// Package access decides who may do what: which principal an API key belongs to, which role an operation
// requires, which pools a key is limited to, and whether a request to a server without keys may come from a
// foreign web page.
package access

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

const (
	// cacheFor is how long a key is cached. A revocation through another server takes effect here after this
	// time.
	cacheFor = 5 * time.Second
	// cacheMax bounds the cache, because unauthenticated clients can fill it with unknown IDs.
	cacheMax = 10_000
	// touchEvery is the precision of a key's last use.
	touchEvery = time.Minute
)

// Keys is the part of the store that the Authenticator needs.
type Keys interface {
	GetKey(ctx context.Context, id string) (*store.Key, error)
	UpdateKeyLastUsed(ctx context.Context, id string, at time.Time) error
	GetJobKey(ctx context.Context, attempt uuid.UUID) (*store.JobKey, error)
}

// Authenticator finds the principal of a request by its API key. It is safe for concurrent use.
type Authenticator struct {
	keys   Keys
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	cache   map[string]cached
	touched map[string]time.Time // last use, as stored
	used    map[string]time.Time // last use, not stored yet
}

type cached struct {
	key *store.Key // nil: unknown key
	at  time.Time
}

// NewAuthenticator returns an Authenticator that reads keys from the store.
func NewAuthenticator(keys Keys, now func() time.Time, logger *slog.Logger) *Authenticator {
	return &Authenticator{
		keys: keys, now: now, logger: logger,
		cache: map[string]cached{}, touched: map[string]time.Time{}, used: map[string]time.Time{},
	}
}

// Authenticate returns the principal that sent the request. Its errors are Unauthenticated and, if the store
// cannot be read, the error of the store: an outage must not look like an invalid key.
func (a *Authenticator) Authenticate(r *http.Request) (Principal, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "" {
		return Principal{}, problem.Newf(
			problem.Unauthenticated, "no API key: send the header Authorization: Bearer berth_…")
	}

	text = strings.TrimSpace(text)
	if sent, attempt, err := apikey.ParseJobKey(text); err == nil && strings.EqualFold(scheme, "Bearer") {
		return a.authenticateJob(r.Context(), sent, attempt)
	}
	sent, err := apikey.Parse(text)
	if !strings.EqualFold(scheme, "Bearer") || err != nil {
		return Principal{}, problem.Newf(
			problem.Unauthenticated,
			"malformed API key in the Authorization header: want Bearer berth_…; check that the key is complete",
		)
	}
	key, err := a.lookUp(r.Context(), sent.ID)
	if err != nil {
		return Principal{}, err
	}
	if reason := a.invalid(key, sent); reason != "" {
		return Principal{}, problem.Newf(problem.Unauthenticated, "%s", reason)
	}
	a.noteUse(key.ID)
	return principalOf(key), nil
}

// AuthenticateID returns the principal of the key with that ID, for a caller who has shown it before.
func (a *Authenticator) AuthenticateID(ctx context.Context, id string) (Principal, error) {
	key, err := a.lookUp(ctx, id)
	if err != nil {
		return Principal{}, err
	}
	if key == nil {
		return Principal{}, problem.Newf(problem.Unauthenticated, "the API key does not exist any more")
	}
	if reason := a.over(key); reason != "" {
		return Principal{}, problem.Newf(problem.Unauthenticated, "%s", reason)
	}
	a.noteUse(key.ID)
	return principalOf(key), nil
}

// principalOf returns the holder of a key. One that a trust rule has made acts in the name of the token's subject.
func principalOf(key *store.Key) Principal {
	p := Principal{
		Name: key.Name, KeyID: key.ID, Kind: api.CallerAPIKey, CreatedBy: key.CreatedBy, ExpiresAt: key.ExpiresAt,
		Bindings: Bindings(key.Bindings), Owner: key.Owner, Authenticated: true,
	}
	if key.Token.Rule != "" {
		p.Name, p.Kind, p.Token = key.Token.Subject, api.CallerCI, &key.Token
	}
	return p
}

// Bindings converts the stored bindings of a key.
func Bindings(stored []store.Binding) []Binding {
	all := make([]Binding, len(stored))
	for i, b := range stored {
		all[i] = Binding{Role: api.Role(b.Role), Pool: b.Pool}
	}
	return all
}

// invalid says why a key is not valid; empty if it is. An unknown key and a wrong secret get the same reason,
// so that key IDs cannot be probed.
func (a *Authenticator) invalid(key *store.Key, sent apikey.Key) string {
	if key == nil || !sent.Matches(key.SecretHash) {
		return "the API key is not valid"
	}
	return a.over(key)
}

// over says why a key counts no more; empty if it does.
func (a *Authenticator) over(key *store.Key) string {
	switch {
	case key.RevokedAt != nil:
		return "the API key was revoked"
	case key.ExpiresAt != nil && !a.now().Before(*key.ExpiresAt):
		return "the API key has expired"
	}
	return ""
}

// lookUp returns a key, from the cache if it is fresh; nil if there is no such key.
func (a *Authenticator) lookUp(ctx context.Context, id string) (*store.Key, error) {
	a.mu.Lock()
	entry, ok := a.cache[id]
	a.mu.Unlock()
	if ok && a.now().Sub(entry.at) < cacheFor {
		return entry.key, nil
	}
	key, err := a.keys.GetKey(ctx, id)
	var storeError *store.Error
	if errors.As(err, &storeError) && storeError.Code == store.NotFound {
		key, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.cache) >= cacheMax {
		clear(a.cache)
	}
	a.cache[id] = cached{key: key, at: a.now()}
	return key, nil
}

// ClearCache makes the next requests read their keys from the database. Call it after keys have changed.
func (a *Authenticator) ClearCache() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.cache)
}

// noteUse records the last use of a key, to be stored by the next flush.
func (a *Authenticator) noteUse(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.now(); now.Sub(a.touched[id]) >= touchEvery {
		a.used[id] = now
	}
}

// Run stores the last use of keys periodically until ctx ends.
func (a *Authenticator) Run(ctx context.Context) error {
	ticker := time.NewTicker(cacheFor)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			a.flush(ctx)
		}
	}
}

func (a *Authenticator) flush(ctx context.Context) {
	a.mu.Lock()
	used := a.used
	a.used = map[string]time.Time{}
	for id, at := range used {
		a.touched[id] = at
	}
	a.mu.Unlock()
	for id, at := range used {
		if err := a.keys.UpdateKeyLastUsed(ctx, id, at); err != nil && ctx.Err() == nil {
			a.logger.Warn("cannot store the last use of an API key", "key", id, "error", err)
		}
	}
}
