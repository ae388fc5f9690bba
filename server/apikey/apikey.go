// Package apikey implements the format of Berth's API keys: creating, parsing, comparing and masking them. It
// knows nothing of databases, HTTP or Kubernetes, so that the server, the command line and the chart's hook
// share it.
//
// A key has the form `berth_<id>_<secret>`: an ID of eight hexadecimal characters, which may appear in logs
// and lists, and a secret of 43 base64url characters (32 random bytes), which may not. The server stores the
// ID and the SHA-256 of the secret. A slow password hash would add nothing, because a random secret of this
// length cannot be guessed.
package apikey

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
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

// ErrMalformed says that a text is not an API key. It never contains the text, which may still be a secret.
var ErrMalformed = errors.New(
	"malformed API key: want berth_<8 hexadecimal characters>_<43 base64url characters>",
)

// Key is an API key. ID may be shown, Secret and Text may not. Printing or logging a Key shows only the ID.
type Key struct {
	ID     string // eight lower-case hexadecimal characters
	Secret string // 43 base64url characters
	Text   string // the whole key, as clients send it
}

// New creates a key from the system's random source.
func New() (Key, error) { return newFrom(rand.Reader) }

// Derive makes a key for a purpose from another key: always the same one, from which the other cannot be told.
func Derive(from Key, purpose string) (Key, error) {
	raw, err := hkdf.Key(sha256.New, []byte(from.Secret), nil, "berth "+purpose, idBytes+secretBytes)
	if err != nil {
		return Key{}, fmt.Errorf("derive a key for %s: %w", purpose, err)
	}
	return newFrom(bytes.NewReader(raw))
}

func newFrom(random io.Reader) (Key, error) {
	raw := make([]byte, idBytes+secretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return Key{}, fmt.Errorf("create API key: read random bytes: %w", err)
	}
	return assemble(
		hex.EncodeToString(raw[:idBytes]),
		base64.RawURLEncoding.EncodeToString(raw[idBytes:]),
	), nil
}

func assemble(id, secret string) Key {
	return Key{ID: id, Secret: secret, Text: prefix + id + "_" + secret}
}

// Parse parses a key. The parts are found by position, because the secret may contain an underscore. The only
// error is ErrMalformed.
func Parse(text string) (Key, error) {
	if len(text) != textLen || !strings.HasPrefix(text, prefix) || text[len(prefix)+idLen] != '_' {
		return Key{}, ErrMalformed
	}
	key := assemble(text[len(prefix):len(prefix)+idLen], text[len(prefix)+idLen+1:])
	if id, err := hex.DecodeString(key.ID); err != nil || hex.EncodeToString(id) != key.ID {
		return Key{}, ErrMalformed
	}
	// Strict decoding, so that no two texts decode to the same secret.
	if _, err := base64.RawURLEncoding.Strict().DecodeString(key.Secret); err != nil {
		return Key{}, ErrMalformed
	}
	return key, nil
}

// Hash returns what the server stores instead of the secret: its SHA-256, in hexadecimal.
func (k Key) Hash() string { return Hash(k.Secret) }

// Hash returns the SHA-256 of a secret's characters, in hexadecimal.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Matches reports in constant time whether storedHash is the hash of the key.
func (k Key) Matches(storedHash string) bool {
	return subtle.ConstantTimeCompare([]byte(k.Hash()), []byte(storedHash)) == 1
}

// String returns the key with its secret hidden.
func (k Key) String() string { return prefix + k.ID + "_…" }

// GoString keeps the secret out of %#v.
func (k Key) GoString() string { return k.String() }

// LogValue keeps the secret out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// embedded matches a key, or most of one, inside a text.
var embedded = regexp.MustCompile(prefix + `([0-9a-f]{32}|[0-9a-f]{20}|[0-9a-f]{8})_[A-Za-z0-9_-]{16,}`)

// Mask hides the secret of every key in a text. Use it for text from clients that goes into logs, responses
// or the audit log: users paste keys into the wrong place.
func Mask(text string) string {
	if !strings.Contains(text, prefix) { // the common case, without the cost of a regular expression
		return text
	}
	return embedded.ReplaceAllString(text, prefix+"${1}_…")
}
