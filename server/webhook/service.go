package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/event"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/outbound"
	"github.com/berth-dev/berth/server/seal"
	"github.com/berth-dev/berth/server/store"
)

const (
	// callTimeout bounds an attempt; holdFor is longer than that and the time to record it, so that no other server takes a
	// delivery that is being sent.
	callTimeout = 10 * time.Second
	holdFor     = 20 * time.Second
	responseMax = 16 << 10
	// rotateFor is how long the secret before the last one signs, too.
	rotateFor = 24 * time.Hour
)

// Counter counts deliveries by what became of them.
type Counter interface{ Delivery(outcome string, n int) }

// Options of a Service.
type Options struct {
	Store        *store.Store
	Installation uuid.UUID
	PublicURL    string
	// Seal encrypts addresses and secrets; nil: the server has no key to do so, and webhooks are off.
	Seal    *seal.Key
	Allowed *outbound.Policy
	Now     func() time.Time
	Logger  *slog.Logger
	Counter Counter
}

// Service keeps webhooks and tells them what happened.
type Service struct {
	Options
	http *http.Client
}

// New makes a Service.
func New(o Options) *Service {
	return &Service{o, outbound.NewClient(outbound.Options{
		Timeout: callTimeout, ResponseMax: responseMax, Policy: o.Allowed,
	})}
}

// OffError says why webhooks cannot be set on this server.
type OffError struct{ Reason string }

func (e *OffError) Error() string { return "webhooks are off: " + e.Reason }

// off returns why webhooks cannot be set, nil if they can.
func (s *Service) off() error {
	switch {
	case s.Seal == nil:
		return &OffError{"the server has no key to encrypt their addresses and secrets: start it with " +
			"--identity-key-file or BERTH_IDENTITY_KEY"}
	case s.Allowed.Empty():
		return &OffError{"the server may call no hosts: start it with --webhook-allow HOST"}
	}
	return nil
}

// Change is a webhook as a person sets it. A secret that is nil stays as it is.
type Change struct {
	Webhook         store.Webhook
	URL, RoutingKey *string
	Secret          *string
	Rotate          bool // make a new secret, beside which the last one signs for a day
}

// Set creates or replaces a webhook. It returns the secret where the server has made it: it is shown once.
func (s *Service) Set(ctx context.Context, c Change, actor string) (saved *store.Webhook, secret string, err error) {
	if err := s.off(); err != nil {
		return nil, "", err
	}
	err = s.Store.InTx(ctx, func(tx *store.Tx) error {
		before, err := tx.LockWebhook(ctx, c.Webhook.Name)
		if err != nil {
			return err
		}
		h := c.Webhook
		if secret, err = s.secrets(before, &h, c); err != nil {
			return err
		}
		saved, err = tx.UpsertWebhook(ctx, before, h, actor)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return saved, secret, s.Refresh(ctx)
}

// secrets completes a webhook with its encrypted address and secrets. It returns a secret that it has made.
func (s *Service) secrets(before, h *store.Webhook, c Change) (made string, err error) {
	var kept Secrets
	if before == nil {
		if h.ID, err = uuid.NewV7(); err != nil {
			return "", fmt.Errorf("generate an ID: %w", err)
		}
	} else {
		h.ID, h.RotatedUntil, h.Secrets = before.ID, before.RotatedUntil, before.Secrets
		if kept, err = s.open(*before); err != nil {
			return "", err
		}
	}
	next := kept
	if c.URL != nil {
		next.URL = *c.URL
	}
	if c.RoutingKey != nil {
		next.RoutingKey = *c.RoutingKey
	}
	if h.Format != string(event.PagerDuty) && c.RoutingKey == nil {
		next.RoutingKey = ""
	}
	if made, err = nextSecret(&next, c); err != nil {
		return "", err
	}
	if next.Secret != kept.Secret && kept.Secret != "" {
		until := s.Now().Add(rotateFor)
		next.Previous, h.RotatedUntil = kept.Secret, &until
	}
	if err := check(h, &next, s.Allowed); err != nil {
		return "", err
	}
	if next == kept {
		return made, nil // and so is what is stored
	}
	text, err := json.Marshal(next)
	if err != nil {
		return "", fmt.Errorf("encode the secrets of webhook %q: %w", h.Name, err)
	}
	if h.Secrets, err = s.Seal.Seal(text, owner(h.ID)); err != nil {
		return "", fmt.Errorf("encrypt the secrets of webhook %q: %w", h.Name, err)
	}
	return made, nil
}

// nextSecret puts in the secret that a change wants, and returns it where it was made here.
func nextSecret(next *Secrets, c Change) (made string, err error) {
	switch {
	case c.Secret != nil:
		next.Secret = *c.Secret
		return "", checkSecret(*c.Secret)
	case next.Secret != "" && !c.Rotate:
		return "", nil
	}
	key := make([]byte, secretBytes)
	if _, err := rand.Read(key); err != nil {
		return "", fmt.Errorf("make a secret: read random bytes: %w", err)
	}
	next.Secret = secretPrefix + base64.StdEncoding.EncodeToString(key)
	return next.Secret, nil
}

// owner is what the secrets of a webhook are encrypted for.
func owner(id uuid.UUID) string { return "webhook " + id.String() }

// errNoSeal is for a server that shares its database with one that has a key.
var errNoSeal = errors.New("the server has no key to decrypt the secrets of webhooks: start it with --identity-key-file " +
	"or BERTH_IDENTITY_KEY")

// open decrypts the secrets of a webhook.
func (s *Service) open(h store.Webhook) (Secrets, error) {
	var secrets Secrets
	if s.Seal == nil {
		return secrets, errNoSeal
	}
	text, err := s.Seal.Open(h.Secrets, owner(h.ID))
	if err != nil {
		return secrets, fmt.Errorf("decrypt the secrets of webhook %q: %w", h.Name, err)
	}
	if err := json.Unmarshal(text, &secrets); err != nil {
		return secrets, fmt.Errorf("read the secrets of webhook %q: they are damaged", h.Name)
	}
	return secrets, nil
}

// Refresh makes this server keep the ends of runs that a webhook may want to be told of.
func (s *Service) Refresh(ctx context.Context) error {
	hooks, err := s.Store.ListActiveWebhooks(ctx)
	if err != nil {
		return err
	}
	s.Store.WatchEnds(ends(hooks))
	return nil
}

// ends returns which ends of runs a webhook may want; nil for none.
func ends(hooks []store.Webhook) func(pool string, state lifecycle.StateType, category lifecycle.Category) bool {
	var wanting []store.Webhook
	for _, h := range hooks {
		if countsFailures(h) || wantsRuns(h) {
			wanting = append(wanting, h)
		}
	}
	if len(wanting) == 0 {
		return nil
	}
	return func(pool string, state lifecycle.StateType, category lifecycle.Category) bool {
		for _, h := range wanting {
			if !anyMatches(h.Filter.Pools, pool) {
				continue
			}
			if wantsEnd(h, string(state), string(category)) || countsFailures(h) && state != lifecycle.Cancelled {
				return true
			}
		}
		return false
	}
}
