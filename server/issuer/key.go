package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/seal"
	"github.com/berth-dev/berth/server/store"
)

const rsaBits = 2048

// newKey creates a signing key, encrypted.
func newKey(s seal.Key, now, signsFrom time.Time) (store.SigningKey, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("generate an ID: %w", err)
	}
	private, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("generate a signing key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("encode a signing key: %w", err)
	}
	public, err := json.Marshal(jose.JSONWebKey{
		Key: &private.PublicKey, KeyID: id.String(), Algorithm: string(Algorithm), Use: "sig",
	})
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("encode a signing key: %w", err)
	}
	sealed, err := s.Seal(der, id.String())
	if err != nil {
		return store.SigningKey{}, fmt.Errorf("encrypt a signing key: %w", err)
	}
	return store.SigningKey{
		ID: id.String(), Algorithm: string(Algorithm), PublicKey: public, PrivateKey: sealed, CreatedAt: now,
		SignsFrom: signsFrom,
	}, nil
}

// openKey decrypts a signing key.
func openKey(s seal.Key, k store.SigningKey) (*rsa.PrivateKey, error) {
	der, err := s.Open(k.PrivateKey, k.ID)
	if err != nil {
		return nil, fmt.Errorf("decrypt signing key %s: %w", k.ID, err)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", k.ID, err)
	}
	rsaKey, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("read signing key " + k.ID + ": it is not an RSA key")
	}
	return rsaKey, nil
}
