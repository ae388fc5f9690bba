package apikey

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// A job key is the key of one attempt of a run, for its workload: `berth_<attempt id>_<secret>`, with the id
// as 32 hexadecimal characters. It is good for as long as the attempt lasts.
const (
	jobIDLen   = 32
	jobTextLen = len(prefix) + jobIDLen + 1 + secretLen
)

// NewJobKey makes a key for an attempt.
func NewJobKey(attempt [16]byte, random io.Reader) (Key, error) {
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return Key{}, fmt.Errorf("read random bytes for a job's key: %w", err)
	}
	return assemble(hex.EncodeToString(attempt[:]), base64.RawURLEncoding.EncodeToString(raw)), nil
}

// ParseJobKey takes a job key apart. The only error is ErrMalformed, as of any other key.
func ParseJobKey(text string) (Key, [16]byte, error) {
	var attempt [16]byte
	if len(text) != jobTextLen || !strings.HasPrefix(text, prefix) || text[len(prefix)+jobIDLen] != '_' {
		return Key{}, attempt, ErrMalformed
	}
	key := assemble(text[len(prefix):len(prefix)+jobIDLen], text[len(prefix)+jobIDLen+1:])
	id, err := hex.DecodeString(key.ID)
	if err != nil || hex.EncodeToString(id) != key.ID {
		return Key{}, attempt, ErrMalformed
	}
	if _, err := base64.RawURLEncoding.Strict().DecodeString(key.Secret); err != nil {
		return Key{}, attempt, ErrMalformed
	}
	copy(attempt[:], id)
	return key, attempt, nil
}
