package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-dev/berth/server/issuer"
	"github.com/berth-dev/berth/server/seal"
)

const (
	// identityKeyFile is the file in the data directory with the key of openSeal.
	identityKeyFile = "identity.key"
	// rotateInterval is how often a server checks whether a signing key is due.
	rotateInterval = time.Minute
)

// newIssuer returns the issuer of run tokens, with a key that can sign. If run tokens are off, it returns nil
// and the reason, which tells an administrator how to turn them on.
func (s *server) newIssuer(ctx context.Context, encryption *seal.Key) (made *issuer.Issuer, off string, err error) {
	if s.PublicURL == "" {
		return nil, "the server has no public URL: start it with --public-url https://HOST", nil
	}
	if err := issuer.CheckURL(s.PublicURL); err != nil {
		return nil, fmt.Sprintf("the public URL cannot be that of a token issuer: %v", err), nil
	}
	if encryption == nil {
		return nil, "the server has no key to encrypt its signing keys: " +
			"start it with --identity-key-file or BERTH_IDENTITY_KEY", nil
	}
	made = issuer.New(s.store, issuer.Options{
		URL: s.PublicURL, Seal: *encryption, RotateEvery: s.RotateIdentityEvery, Now: s.Now, Logger: s.Logger,
	})
	if err := made.Rotate(ctx); err != nil {
		return nil, "", fmt.Errorf("create signing key: %w", err)
	}
	return made, "", nil
}

// openSeal returns the key that encrypts signing keys and the secrets of webhooks; nil: the server has none.
func (s *server) openSeal() (*seal.Key, error) {
	text, err := s.identityKey()
	if err != nil || text == "" {
		return nil, err
	}
	key, err := seal.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read identity key: %w", err)
	}
	return &key, nil
}

// identityKey returns the key that encrypts signing keys. A server with an SQLite file keeps it beside that
// file, and creates it at first.
func (s *server) identityKey() (string, error) {
	if s.IdentityKey != "" || !s.embedded() || s.DataDir == "" {
		return s.IdentityKey, nil
	}
	path := filepath.Join(s.DataDir, identityKeyFile)
	text, err := os.ReadFile(path)
	if err == nil {
		return string(text), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read identity key: %w", err)
	}
	created, err := seal.NewText()
	if err != nil {
		return "", err
	}
	const ownerOnly = 0o600
	if err := os.WriteFile(path, []byte(created+"\n"), ownerOnly); err != nil {
		return "", fmt.Errorf("write identity key: %w", err)
	}
	return created, nil
}
