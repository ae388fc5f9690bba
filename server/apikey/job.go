package apikey

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
)

// A job key belongs to one attempt of a run and is used by its workload: `berth_<attempt ID>_<secret>`, with
// the ID as 32 hexadecimal characters. It is valid as long as the attempt is active.
const jobIDLen = 32

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
	key, id, err := parseLong(text, jobIDLen)
	copy(attempt[:], id)
	return key, attempt, err
}
