package cli

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

const (
	// renewPart is the part of a key's lifetime after which it is renewed.
	renewPart = 0.75
	// renewPause keeps a renewal that fails from being tried with every request.
	renewPause = 10 * time.Second
)

// exchanging sends requests with a key that was exchanged for an ID token, and renews it, so that long commands
// outlive their first key.
type exchanging struct {
	next     http.RoundTripper
	identity Identity
	exchange func(ctx context.Context, token, rule string) (api.APIKeyCreated, error)
	now      func() time.Time

	mu      sync.Mutex // held while a token is exchanged, so that parallel requests wait for one exchange
	key     string
	renewAt time.Time
	endsAt  time.Time
}

// newExchanging returns a transport for a server. transport carries the exchange itself, without a key.
func (a *App) newExchanging(c Connection, transport http.RoundTripper) (*exchanging, error) {
	client, err := apiclient.NewClientWithResponses(c.URL, apiclient.WithHTTPClient(apiclient.NewHTTPClient(transport)))
	if err != nil {
		return nil, fmt.Errorf("make client for %s: %w", c.URL, err)
	}
	return &exchanging{
		next: transport, identity: *c.Identity, now: a.now,
		exchange: func(ctx context.Context, token, rule string) (api.APIKeyCreated, error) {
			return Created(client.ExchangeTokenWithResponse(ctx, api.TokenExchange{Token: token, Rule: StringOrNil(rule)}))
		},
	}, nil
}

// RoundTrip sends a request with the key. A key that the server does not accept any more is replaced once: the
// trust rule may have changed.
func (e *exchanging) RoundTrip(r *http.Request) (*http.Response, error) {
	key, err := e.current(r.Context())
	if err != nil {
		return nil, err
	}
	response, err := e.next.RoundTrip(withKey(r, key))
	if err != nil || response.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return response, err
	}
	_ = response.Body.Close() // the answer to the second request counts
	if key, err = e.replace(r.Context(), key); err != nil {
		return nil, err
	}
	again := withKey(r, key)
	if r.Body != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
	return e.next.RoundTrip(again)
}

func withKey(r *http.Request, key string) *http.Request {
	r = r.Clone(r.Context())
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return r
}

// current returns the key, exchanged or renewed if it is time; empty while an automatic identity has not been
// needed.
func (e *exchanging) current(ctx context.Context) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if e.key == "" && e.identity.Automatic || e.key != "" && now.Before(e.renewAt) {
		return e.key, nil
	}
	err := e.renew(ctx)
	if err != nil && e.key != "" && now.Before(e.endsAt) {
		e.renewAt = now.Add(renewPause) // the key still works
		return e.key, nil
	}
	return e.key, err
}

// replace returns another key than the one that was refused.
func (e *exchanging) replace(ctx context.Context, refused string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.key != refused { // another request has replaced it
		return e.key, nil
	}
	return e.key, e.renew(ctx)
}

// renew exchanges a token for a key. Its caller holds the lock.
func (e *exchanging) renew(ctx context.Context) error {
	token, err := e.identity.token(ctx)
	if err != nil {
		return err
	}
	created, err := e.exchange(ctx, token, e.identity.rule)
	if err != nil {
		return fmt.Errorf("sign in with the ID token of %s: %w", e.identity.source, err)
	}
	e.key = created.Secret
	// The lifetime by the server's clock, from now by ours.
	lifetime := time.Duration(0)
	if ends := created.APIKey.ExpiresAt; ends != nil {
		lifetime = ends.Sub(created.APIKey.CreatedAt)
	}
	now := e.now()
	e.renewAt, e.endsAt = now.Add(time.Duration(float64(lifetime)*renewPart)), now.Add(lifetime)
	return nil
}
