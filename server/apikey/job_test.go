package apikey

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func TestJobKeyContainsItsAttempt(t *testing.T) {
	attempt := [16]byte{1, 2, 3, 0xff}
	key, err := NewJobKey(attempt, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parsed, named, err := ParseJobKey(key.Text)
	if err != nil || parsed != key || named != attempt {
		t.Errorf("ParseJobKey(%s) = %s, %x, %v", key, parsed, named, err)
	}
	other, err := NewJobKey(attempt, rand.Reader)
	if err != nil || other.Secret == key.Secret || parsed.Matches(other.Hash()) ||
		!parsed.Matches(key.Hash()) {
		t.Error("two keys of one attempt match each other")
	}
	if _, err := Parse(key.Text); !errors.Is(err, ErrMalformed) {
		t.Error("Parse accepts a job key")
	}
	if _, err := NewJobKey(attempt, strings.NewReader("short")); err == nil {
		t.Error("a short random source made a key")
	}
}

func TestParseJobRefuses(t *testing.T) {
	key, err := NewJobKey([16]byte{}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	user, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty text":                   "",
		"user key":                     user.Text,
		"truncated key":                key.Text[:len(key.Text)-1],
		"key that is too long":         key.Text + "A",
		"ID in upper case":             strings.Replace(key.Text, "berth_0", "berth_A", 1),
		"ID that is not hexadecimal":   strings.Replace(key.Text, "berth_0", "berth_x", 1),
		"secret that is not base64url": key.Text[:len(key.Text)-1] + "!",
		"wrong prefix":                 "bertx" + key.Text[5:],
		"no separator":                 strings.Replace(key.Text, "0_", "00", 1),
	} {
		if _, _, err := ParseJobKey(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
