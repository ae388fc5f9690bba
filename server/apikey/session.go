package apikey

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// A session token belongs to a person who signed in: `berth_<ID>_<secret>`, with an ID of 20 hexadecimal
// characters. The first twelve of them are the time of the sign-in, so that IDs are in the order of creation.
const (
	sessionTimeBytes = 6
	sessionIDBytes   = 10
	sessionIDLen     = 2 * sessionIDBytes
)

// NewSessionToken creates the token of a session that begins at a time.
func NewSessionToken(at time.Time, random io.Reader) (Key, error) {
	raw := make([]byte, sessionIDBytes+secretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return Key{}, fmt.Errorf("create session token: read random bytes: %w", err)
	}
	var milliseconds [8]byte
	binary.BigEndian.PutUint64(milliseconds[:], uint64(max(at.UnixMilli(), 0)))
	copy(raw, milliseconds[8-sessionTimeBytes:])
	return assemble(
		hex.EncodeToString(raw[:sessionIDBytes]),
		base64.RawURLEncoding.EncodeToString(raw[sessionIDBytes:]),
	), nil
}

// ParseSessionToken parses the token of a session. The only error is ErrMalformed.
func ParseSessionToken(text string) (Key, error) {
	key, _, err := parseLong(text, sessionIDLen)
	return key, err
}

// parseLong parses a key whose ID has idLen characters.
func parseLong(text string, idLen int) (Key, []byte, error) {
	want := len(prefix) + idLen + 1 + secretLen
	if len(text) != want || text[:len(prefix)] != prefix || text[len(prefix)+idLen] != '_' {
		return Key{}, nil, ErrMalformed
	}
	key := assemble(text[len(prefix):len(prefix)+idLen], text[len(prefix)+idLen+1:])
	id, err := hex.DecodeString(key.ID)
	if err != nil || hex.EncodeToString(id) != key.ID {
		return Key{}, nil, ErrMalformed
	}
	// Strict decoding, so that no two texts decode to the same secret.
	if _, err := base64.RawURLEncoding.Strict().DecodeString(key.Secret); err != nil {
		return Key{}, nil, ErrMalformed
	}
	return key, id, nil
}
