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
	// cacheFor is how long a key is believed without asking the database; a revocation made through another
	// server takes this long to be known here.
	cacheFor = 5 * time.Second
	// cacheMax bounds the cache, which anybody can fill with ids that do not exist.
	cacheMax = 10_000
	// touchEvery is how precise a key's last use is.
	touchEvery = time.Minute
)

// Keys is what the authenticator needs of the store.
type Keys interface {
	KeyByID(ctx context.Context, id string) (*store.Key, error)
	TouchKey(ctx context.Context, id string, at time.Time) error
	JobKeyOf(ctx context.Context, attempt uuid.UUID) (*store.JobKey, error)
}

// Authenticator tells whose key a request carries. It is safe for concurrent use.
type Authenticator struct {
	keys   Keys
	now    func() time.Time
	logger *slog.Logger

	mu      sync.Mutex
	cache   map[string]cached
	touched map[string]time.Time // written to the database
	used    map[string]time.Time // to be written
}

type cached struct {
	key *store.Key // nil: there is no such key
	at  time.Time
}

// NewAuthenticator makes an Authenticator that reads keys from the store.
func NewAuthenticator(keys Keys, now func() time.Time, logger *slog.Logger) *Authenticator {
	return &Authenticator{
		keys: keys, now: now, logger: logger,
		cache: map[string]cached{}, touched: map[string]time.Time{}, used: map[string]time.Time{},
	}
}

// Authenticate returns who sent the request. The only errors are Unauthenticated and what the store says when
// it can not be asked: an outage must not look like a bad key.
func (a *Authenticator) Authenticate(r *http.Request) (Principal, error) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "" {
		return Principal{}, problem.Newf(
			problem.Unauthenticated,
			"send an API key: Authorization: Bearer berth_…",
		)
	}
	text = strings.TrimSpace(text)
	if sent, attempt, err := apikey.ParseJobKey(text); err == nil && strings.EqualFold(scheme, "Bearer") {
		return a.job(r.Context(), sent, attempt)
	}
	sent, err := apikey.Parse(text)
	if !strings.EqualFold(scheme, "Bearer") || err != nil {
		return Principal{}, problem.Newf(
			problem.Unauthenticated,
			"the Authorization header does not hold a well-formed API key, perhaps it is mistyped or cut off: want Bearer berth_…",
		)
	}
	key, err := a.lookUp(r.Context(), sent.ID)
	if err != nil {
		return Principal{}, err
	}
	if refusal := a.check(key, sent); refusal != "" {
		return Principal{}, problem.Newf(problem.Unauthenticated, "%s", refusal)
	}
	a.use(key.ID)
	return Principal{
		Name:          key.Name,
		KeyID:         key.ID,
		Role:          api.Role(key.Role),
		Pools:         key.Pools,
		Authenticated: true,
	}, nil
}

// check says why a key is not good. Whether it exists and whether its secret is right are not told apart.
func (a *Authenticator) check(key *store.Key, sent apikey.Key) string {
	switch {
	case key == nil || !sent.Matches(key.SecretHash):
		return "this API key is not valid"
	case key.RevokedAt != nil:
		return "this API key has been revoked"
	case key.ExpiresAt != nil && !a.now().Before(*key.ExpiresAt):
		return "this API key has expired"
	}
	return ""
}

func (a *Authenticator) lookUp(ctx context.Context, id string) (*store.Key, error) {
	a.mu.Lock()
	entry, ok := a.cache[id]
	a.mu.Unlock()
	if ok && a.now().Sub(entry.at) < cacheFor {
		return entry.key, nil
	}
	key, err := a.keys.KeyByID(ctx, id)
	var known *store.Error
	if errors.As(err, &known) && known.Code == store.NotFound {
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

// ClearCache makes the next request ask the database again, after keys have changed.
func (a *Authenticator) ClearCache() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.cache)
}

func (a *Authenticator) use(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.now(); now.Sub(a.touched[id]) >= touchEvery {
		a.used[id] = now
	}
}

// Run writes down when keys were last used, now and then, until ctx ends.
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
		if err := a.keys.TouchKey(ctx, id, at); err != nil && ctx.Err() == nil {
			a.logger.Warn("record the last use of an API key", "key", id, "error", err)
		}
	}
}
