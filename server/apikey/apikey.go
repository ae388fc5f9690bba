// Package apikey is the format of Berth's API keys: how one is made, read and compared. It knows nothing of
// databases, HTTP or Kubernetes, so that the server, the command line and the chart's hook can all use it.
//
// A key is one word, `berth_<id>_<secret>`: eight hexadecimal characters that name it (they may appear in
// logs and lists) and 43 characters of base64url, 32 random bytes, that prove it (they may not). The server
// keeps the id and the hash of the secret only. The secret is random and long, so one plain SHA-256 is
// enough: there is nothing to guess.
package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const (
	prefix      = "berth_"
	idBytes     = 4
	idLen       = 2 * idBytes
	secretBytes = 32
	secretLen   = 43 // base64url of 32 bytes, no padding
	textLen     = len(prefix) + idLen + 1 + secretLen
)

// ErrMalformed says that a text is not an API key. It never carries the text, which may be a secret all the
// same.
var ErrMalformed = errors.New(
	"malformed API key: want berth_<8 hexadecimal characters>_<43 base64url characters>",
)

// Key is an API key. ID may be shown; Secret and Text may not, and printing or logging a Key shows the ID
// only.
type Key struct {
	ID     string // eight lower-case hexadecimal characters
	Secret string // 43 base64url characters
	Text   string // the whole key, as it is sent
}

// New makes a key from the system's random source.
func New() (Key, error) { return newFrom(rand.Reader) }

func newFrom(random io.Reader) (Key, error) {
	raw := make([]byte, idBytes+secretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return Key{}, fmt.Errorf("read random bytes for an API key: %w", err)
	}
	return assemble(
		hex.EncodeToString(raw[:idBytes]),
		base64.RawURLEncoding.EncodeToString(raw[idBytes:]),
	), nil
}

func assemble(id, secret string) Key {
	return Key{ID: id, Secret: secret, Text: prefix + id + "_" + secret}
}

// Parse takes a key apart. The parts are found by position, since the secret may itself contain an
// underscore. The only error is ErrMalformed.
func Parse(text string) (Key, error) {
	if len(text) != textLen || !strings.HasPrefix(text, prefix) || text[len(prefix)+idLen] != '_' {
		return Key{}, ErrMalformed
	}
	key := assemble(text[len(prefix):len(prefix)+idLen], text[len(prefix)+idLen+1:])
	if id, err := hex.DecodeString(key.ID); err != nil || hex.EncodeToString(id) != key.ID {
		return Key{}, ErrMalformed
	}
	// Strict, so that two different texts are never the same secret.
	if _, err := base64.RawURLEncoding.Strict().DecodeString(key.Secret); err != nil {
		return Key{}, ErrMalformed
	}
	return key, nil
}

// Hash is what the server stores of a key: the SHA-256 of the secret's characters, in hexadecimal.
func (k Key) Hash() string { return Hash(k.Secret) }

// Hash is the SHA-256 of a secret's characters, in hexadecimal.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Matches tells in constant time whether the key is the one whose hash was stored.
func (k Key) Matches(storedHash string) bool {
	return subtle.ConstantTimeCompare([]byte(k.Hash()), []byte(storedHash)) == 1
}

// String shows the id and hides the secret.
func (k Key) String() string { return prefix + k.ID + "_…" }

// GoString keeps the secret out of %#v.
func (k Key) GoString() string { return k.String() }

// LogValue keeps the secret out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }
