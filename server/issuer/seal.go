package issuer

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

const (
	sealBytes = 32 // AES-256
	rsaBits   = 2048
)

// Seal encrypts private signing keys for the database. All servers of an installation have the same one.
type Seal struct{ aead cipher.AEAD }

// NewSealText returns a new key for ParseSeal, as text.
func NewSealText() (string, error) {
	key := make([]byte, sealBytes)
	if _, err := io.ReadFull(rand.Reader, key); err != nil {
		return "", fmt.Errorf("create encryption key: read random bytes: %w", err)
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

// ParseSeal reads an encryption key: 32 bytes in base64, with or without white space around them.
func ParseSeal(text string) (Seal, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != sealBytes {
		return Seal{}, errors.New("want 32 random bytes in base64, as `openssl rand -base64 32` prints them")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return Seal{}, fmt.Errorf("use encryption key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return Seal{}, fmt.Errorf("use encryption key: %w", err)
	}
	return Seal{aead}, nil
}

// newKey creates a signing key, encrypted.
func (s Seal) newKey(now, signsFrom time.Time) (store.SigningKey, error) {
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
	nonce := make([]byte, s.aead.NonceSize())
	if _, err := io.ReadFull(rand.Reader, nonce); err != nil {
		return store.SigningKey{}, fmt.Errorf("encrypt a signing key: read random bytes: %w", err)
	}
	// The ID is authenticated too, so that an encrypted key cannot be moved to another row.
	sealed := s.aead.Seal(nonce, nonce, der, []byte(id.String()))
	return store.SigningKey{
		ID: id.String(), Algorithm: string(Algorithm), PublicKey: public,
		PrivateKey: base64.StdEncoding.EncodeToString(sealed), CreatedAt: now, SignsFrom: signsFrom,
	}, nil
}

// open decrypts a signing key.
func (s Seal) open(k store.SigningKey) (*rsa.PrivateKey, error) {
	sealed, err := base64.StdEncoding.DecodeString(k.PrivateKey)
	if err != nil || len(sealed) < s.aead.NonceSize() {
		return nil, fmt.Errorf("decrypt signing key %s: its text is damaged", k.ID)
	}
	der, err := s.aead.Open(nil, sealed[:s.aead.NonceSize()], sealed[s.aead.NonceSize():], []byte(k.ID))
	if err != nil {
		return nil, fmt.Errorf("decrypt signing key %s: it was encrypted with a different key", k.ID)
	}
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", k.ID, err)
	}
	rsaKey, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read signing key %s: it is not an RSA key", k.ID)
	}
	return rsaKey, nil
}
