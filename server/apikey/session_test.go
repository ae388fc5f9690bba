package apikey

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"
)

func TestSessionTokens(t *testing.T) {
	at := time.UnixMilli(1_767_225_600_000)
	first, err := NewSessionToken(at, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	later, err := NewSessionToken(at.Add(time.Millisecond), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID >= later.ID || len(first.ID) != 20 {
		t.Errorf("IDs %s and %s are not in the order of creation", first.ID, later.ID)
	}
	if parsed, err := ParseSessionToken(first.Text); err != nil || parsed != first {
		t.Errorf("parsed %v, %v", parsed, err)
	}
	if masked := Mask("token " + first.Text + "!"); strings.Contains(masked, first.Secret) {
		t.Errorf("Mask leaves %s", masked)
	}
	for name, text := range map[string]string{
		"an API key":            mustNew(t).Text,
		"a token without a bit": first.Text[:len(first.Text)-1],
		"upper case":            strings.ToUpper(first.Text),
		"an ID in upper case":   prefix + strings.ToUpper("abcdefabcdefabcdefab") + "_" + first.Secret,
		"nothing":               "",
	} {
		if _, err := ParseSessionToken(text); err == nil {
			t.Errorf("%s is taken for a session token", name)
		}
	}
	if _, err := Parse(first.Text); err == nil {
		t.Error("a session token is taken for an API key")
	}
	if _, _, err := ParseJobKey(first.Text); err == nil {
		t.Error("a session token is taken for a job key")
	}
	if _, err := NewSessionToken(at, strings.NewReader("short")); err == nil {
		t.Error("created without random bytes")
	}
}

func mustNew(t *testing.T) Key {
	t.Helper()
	key, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
