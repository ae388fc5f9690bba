// Package seal encrypts the secrets that the server must be able to read again, before they go into the database.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// keyBytes is the length of a key, of AES-256.
const keyBytes = 32

var (
	errDamaged  = errors.New("its text is damaged")
	errOtherKey = errors.New("it was encrypted with a different key")
)

// Key encrypts and decrypts. All servers of an installation have the same one.
type Key struct{ aead cipher.AEAD }

// NewText returns a new key for Parse, as text.
func NewText() (string, error) {
	key := make([]byte, keyBytes)
	if _, err := rand.Read(key); err != nil {
		return "", fmt.Errorf("create encryption key: read random bytes: %w", err)
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

// Parse reads a key: 32 bytes in base64, with or without white space around them.
func Parse(text string) (Key, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != keyBytes {
		return Key{}, errors.New("want 32 random bytes in base64, as `openssl rand -base64 32` prints them")
	}
	return New(key)
}

// New returns the key with these 32 bytes.
func New(key []byte) (Key, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return Key{}, fmt.Errorf("use encryption key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return Key{}, fmt.Errorf("use encryption key: %w", err)
	}
	return Key{aead}, nil
}

// Seal encrypts a secret. owner is authenticated too, so that the text cannot be moved to another row.
func (k Key) Seal(secret []byte, owner string) (string, error) {
	nonce := make([]byte, k.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.StdEncoding.EncodeToString(k.aead.Seal(nonce, nonce, secret, []byte(owner))), nil
}

// Open decrypts what Seal has encrypted for the owner.
func (k Key) Open(sealed, owner string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || len(raw) < k.aead.NonceSize() {
		return nil, errDamaged
	}
	secret, err := k.aead.Open(nil, raw[:k.aead.NonceSize()], raw[k.aead.NonceSize():], []byte(owner))
	if err != nil {
		return nil, errOtherKey
	}
	return secret, nil
}
