package apikey

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// A job key belongs to one attempt of a run and is used by its workload: `berth_<attempt ID>_<secret>`, with
// the ID as 32 hexadecimal characters. It is valid as long as the attempt is active.
const (
	jobIDLen   = 32
	jobTextLen = len(prefix) + jobIDLen + 1 + secretLen
)

// NewJobKey creates a key for an attempt.
func NewJobKey(attempt [16]byte, random io.Reader) (Key, error) {
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return Key{}, fmt.Errorf("create job key: read random bytes: %w", err)
	}
	return assemble(hex.EncodeToString(attempt[:]), base64.RawURLEncoding.EncodeToString(raw)), nil
}

// ParseJobKey parses a job key and returns the ID of its attempt. The only error is ErrMalformed.
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
