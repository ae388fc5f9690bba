package trust

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/berth-dev/berth/server/openid"
	"github.com/berth-dev/berth/server/outbound"
	"github.com/berth-dev/berth/server/store"
)

const (
	// keysFresh is how long the keys of an issuer are used without asking it again.
	keysFresh = time.Hour
	// keysStale is how long they are used while the issuer cannot be reached.
	keysStale = 24 * time.Hour
	// askAgain is the least time between two calls of an issuer, however many tokens name a key that it does not have.
	askAgain = 30 * time.Second
	// failureCached keeps requests from queueing up for an issuer that is down.
	failureCached = 5 * time.Second
	// issuersMax bounds the issuers in memory.
	issuersMax = 1000
	// maxPublished bounds the keys that a token without a key ID is tried with.
	maxPublished = 100
	// maxRSABits bounds the cost of checking a signature.
	minRSABits, maxRSABits = 2048, 8192
)

// UnreachableError says that an issuer did not answer with its keys.
type UnreachableError struct {
	Issuer string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("cannot read the keys of the issuer %s: %v", e.Issuer, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// parseKeys reads a key set and refuses keys that no token should be signed with.
func parseKeys(text []byte) (jose.JSONWebKeySet, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil {
		return set, errors.New("is not a JSON Web Key Set, which has the form {\"keys\": [...]}")
	}
	if len(set.Keys) == 0 {
		return set, errors.New("has no keys; want a JSON Web Key Set, which has the form {\"keys\": [...]}")
	}
	if len(set.Keys) > maxPublished {
		return set, fmt.Errorf("has %d keys; at most %d are read", len(set.Keys), maxPublished)
	}
	for i, key := range set.Keys {
		if public, ok := key.Key.(*rsa.PublicKey); ok {
			if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
				return set, fmt.Errorf("key %d has %d bits; want %d to %d", i, bits, minRSABits, maxRSABits)
			}
		}
	}
	return set, nil
}

// keyRing holds the keys of the issuers of rules. It is safe for concurrent use.
type keyRing struct {
	now func() time.Time

	mu      sync.Mutex
	issuers map[string]*issuerKeys
}

func newKeyRing(now func() time.Time) *keyRing {
	return &keyRing{now: now, issuers: map[string]*issuerKeys{}}
}

// of returns the keys of a rule's issuer. Rules with the same issuer and authorities share them.
func (r *keyRing) of(rule store.TrustRule) (keySource, error) {
	if rule.Keys != nil {
		set, err := parseKeys(rule.Keys)
		return literalKeys(set), err
	}
	digest := sha256.Sum256([]byte(rule.Issuer + "\x00" + rule.Authorities))
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.issuers[string(digest[:])]; ok {
		return known, nil
	}
	var authorities *x509.CertPool
	if rule.Authorities != "" {
		var err error
		if authorities, err = outbound.Authorities([]byte(rule.Authorities)); err != nil {
			return nil, fmt.Errorf("authorities of trust rule %q: %w", rule.Name, err)
		}
	}
	if len(r.issuers) >= issuersMax {
		r.closeIdle()
		clear(r.issuers)
	}
	keys := &issuerKeys{issuer: rule.Issuer, http: openid.NewClient(authorities), now: r.now}
	r.issuers[string(digest[:])] = keys
	return keys, nil
}

// closeIdle ends idle connections. The caller holds the lock.
func (r *keyRing) closeIdle() {
	for _, keys := range r.issuers {
		keys.http.CloseIdleConnections()
	}
}

func (r *keyRing) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeIdle()
}

// keySource finds the keys with an ID, or all of them for a token that names none.
type keySource interface {
	find(ctx context.Context, id string) ([]jose.JSONWebKey, error)
}

// literalKeys stand in the rule.
type literalKeys jose.JSONWebKeySet

func (k literalKeys) find(_ context.Context, id string) ([]jose.JSONWebKey, error) {
	return keysWith(k.Keys, id), nil
}

// keysWith compares IDs and does nothing else with them.
func keysWith(keys []jose.JSONWebKey, id string) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, key := range keys {
		if (id == "" || key.KeyID == id) && key.Use != "enc" {
			found = append(found, key)
		}
	}
	return found
}

// issuerKeys are read from an issuer: discovery says where they are.
type issuerKeys struct {
	issuer string
	http   *http.Client
	now    func() time.Time

	mu       sync.Mutex // held while the issuer is asked, so that it is asked once
	keys     []jose.JSONWebKey
	readAt   time.Time
	failure  error
	failedAt time.Time
}

func (k *issuerKeys) find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age := k.now().Sub(k.readAt)
	found := keysWith(k.keys, id)
	if age < askAgain || age < keysFresh && len(found) > 0 {
		return found, nil
	}
	if k.failure == nil || k.now().Sub(k.failedAt) >= failureCached {
		k.read(ctx)
	}
	switch found = keysWith(k.keys, id); {
	case k.failure == nil, len(found) > 0 && age < keysStale:
		return found, nil
	}
	return nil, &UnreachableError{Issuer: k.issuer, Err: k.failure}
}

// read asks the issuer for its keys. They are asked for whoever waits, so that one who leaves does not fail them.
func (k *issuerKeys) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), openid.CallTimeout)
	defer cancel()
	keys, err := k.fetch(ctx)
	if err != nil {
		k.failure, k.failedAt = err, k.now()
		return
	}
	k.keys, k.readAt, k.failure = keys, k.now(), nil
}

func (k *issuerKeys) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	// NewProvider refuses a document of another issuer.
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, k.http), k.issuer)
	if err != nil {
		return nil, discoveryError(err)
	}
	var document struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, errors.New("its discovery document is not valid")
	}
	if err := sameHost(k.issuer, document.KeysURL); err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, document.KeysURL, nil)
	if err != nil {
		return nil, errors.New("its jwks_uri is not valid")
	}
	response, err := k.http.Do(request)
	if err != nil {
		return nil, cause(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answered with status %d for its keys", response.StatusCode)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, cause(err)
	}
	set, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("its key set %w", err)
	}
	return set.Keys, nil
}

// sameHost refuses keys at another host than the issuer's: only hosts that an admin has named are asked.
func sameHost(issuer, keys string) error {
	from, err := url.Parse(issuer)
	if err != nil {
		return errors.New("the issuer is not a URL")
	}
	to, err := url.Parse(keys)
	if err != nil || to.Host != from.Host || to.Scheme != from.Scheme || to.User != nil {
		return errors.New("its jwks_uri is at another host, which is not asked; give the keys in the rule")
	}
	return nil
}

func discoveryError(err error) error {
	var mismatch *oidc.IssuerMismatchError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("it calls itself %.200s; set the issuer to exactly that", mismatch.Discovered)
	}
	return cause(err)
}

// cause is the last cause of an error of the HTTP client, without the address, which the message has already. A
// library quotes the answer of the issuer, which is cut.
func cause(err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return fmt.Errorf("%.200s", err.Error())
}
