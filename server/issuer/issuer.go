package issuer

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/seal"
	"github.com/berth-dev/berth/server/store"
)

const (
	// Algorithm signs all tokens: the one that every recipient must support.
	Algorithm = jose.RS256

	// MaxLifetime is the longest life of a token, DefaultLifetime that of one whose job does not ask for another.
	MaxLifetime     = time.Hour
	DefaultLifetime = 10 * time.Minute
	minLifetime     = time.Minute

	// cacheFor is how long a server uses the keys that it has read. Anybody may ask for the key set.
	cacheFor = 5 * time.Second
)

// ErrNoKey says that no signing key can be used yet.
var ErrNoKey = errors.New("no signing key is ready")

// Store is the part of the store that the Issuer needs.
type Store interface {
	ListSigningKeys(ctx context.Context) ([]store.SigningKey, error)
	CreateRunToken(ctx context.Context, run, attempt uuid.UUID, audience string) (*store.RunIdentity, error)
	GetRunIdentity(ctx context.Context, run uuid.UUID, attempt int32) (*store.RunIdentity, error)
	InTx(ctx context.Context, do func(tx *store.Tx) error) error
}

// Options of an Issuer.
type Options struct {
	// URL is the issuer: the public URL of the server.
	URL  string
	Seal seal.Key
	// RotateEvery is how long a key signs; 0 means 30 days.
	RotateEvery time.Duration
	Now         func() time.Time
	Logger      *slog.Logger
}

// Issuer signs run tokens. It is safe for concurrent use.
type Issuer struct {
	Options
	store Store

	mu     sync.Mutex
	keys   []store.SigningKey
	readAt time.Time
	parsed map[string]*rsa.PrivateKey // by key ID
}

// New returns an Issuer. CheckURL must accept the URL.
func New(s Store, o Options) *Issuer {
	o.URL = strings.TrimRight(o.URL, "/")
	if o.RotateEvery == 0 {
		o.RotateEvery = defaultRotateEvery
	}
	return &Issuer{Options: o, store: s, parsed: map[string]*rsa.PrivateKey{}}
}

// CheckURL says why a URL cannot be that of an issuer. Recipients require https; http is for trying it on one
// machine.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q is not a URL of the form https://HOST[/PATH]", text)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q must begin with https://", text)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// signer is a key with which tokens can be signed.
type signer struct {
	id      string
	private *rsa.PrivateKey
}

// signer returns the key that signs now. A key that cannot be decrypted is skipped: Rotate replaces it.
func (i *Issuer) signer(ctx context.Context) (signer, error) {
	keys, err := i.readKeys(ctx)
	if err != nil {
		return signer{}, err
	}
	now := i.Now()
	for _, k := range keys {
		if k.SignsFrom.After(now) {
			continue
		}
		private, err := i.open(k)
		if err != nil {
			i.Logger.Warn("signing key cannot be used", "key", k.ID, "error", err)
			continue
		}
		return signer{k.ID, private}, nil
	}
	return signer{}, ErrNoKey
}

// readKeys returns the signing keys, from memory if they were read a moment ago.
func (i *Issuer) readKeys(ctx context.Context) ([]store.SigningKey, error) {
	i.mu.Lock()
	keys, fresh := i.keys, len(i.keys) > 0 && i.Now().Sub(i.readAt) < cacheFor
	i.mu.Unlock()
	if fresh {
		return keys, nil
	}
	keys, err := i.store.ListSigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.readAt = keys, i.Now()
	return keys, nil
}

// forgetKeys makes the next use read the keys from the database.
func (i *Issuer) forgetKeys() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = nil
}

// open decrypts a private key, once.
func (i *Issuer) open(k store.SigningKey) (*rsa.PrivateKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if private, ok := i.parsed[k.ID]; ok {
		return private, nil
	}
	private, err := openKey(i.Seal, k)
	if err != nil {
		return nil, err
	}
	i.parsed[k.ID] = private
	return private, nil
}
