package apikey

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
)

func TestAJobKeyNamesItsAttempt(t *testing.T) {
	attempt := [16]byte{1, 2, 3, 0xff}
	key, err := NewJobKey(attempt, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parsed, named, err := ParseJobKey(key.Text)
	if err != nil || parsed != key || named != attempt {
		t.Errorf("%s came back as %s for %x: %v", key, parsed, named, err)
	}
	other, err := NewJobKey(attempt, rand.Reader)
	if err != nil || other.Secret == key.Secret || parsed.Matches(other.Hash()) || !parsed.Matches(key.Hash()) {
		t.Error("keys of one attempt are not told apart")
	}
	if _, err := Parse(key.Text); !errors.Is(err, ErrMalformed) {
		t.Error("it passes for a person's key")
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
	person, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":                  "",
		"a person's key":           person.Text,
		"one that is cut off":      key.Text[:len(key.Text)-1],
		"one that is too long":     key.Text + "A",
		"upper case in the id":     strings.Replace(key.Text, "berth_0", "berth_A", 1),
		"an id that is no number":  strings.Replace(key.Text, "berth_0", "berth_x", 1),
		"a secret that is no text": key.Text[:len(key.Text)-1] + "!",
		"another prefix":           "bertx" + key.Text[5:],
		"no separator":             strings.Replace(key.Text, "0_", "00", 1),
	} {
		if _, _, err := ParseJobKey(text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
