package seal

import (
	"strings"
	"testing"
)

func newKey(t *testing.T) Key {
	t.Helper()
	text, err := NewText()
	if err != nil {
		t.Fatal(err)
	}
	key, err := Parse(" " + text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestOnlyItsKeyAndOwnerOpenASecret(t *testing.T) {
	key := newKey(t)
	sealed, err := key.Seal([]byte("secret"), "webhook a")
	if err != nil || strings.Contains(sealed, "secret") {
		t.Fatalf("%q, %v", sealed, err)
	}
	if got, err := key.Open(sealed, "webhook a"); err != nil || string(got) != "secret" {
		t.Errorf("opened as %q, %v", got, err)
	}
	if _, err := key.Open(sealed, "webhook b"); err == nil {
		t.Error("another owner opens it")
	}
	if _, err := newKey(t).Open(sealed, "webhook a"); err == nil {
		t.Error("another key opens it")
	}
	for _, damaged := range []string{"", "a", "?", sealed[:len(sealed)-8]} {
		if _, err := key.Open(damaged, "webhook a"); err == nil {
			t.Errorf("%q is opened", damaged)
		}
	}
}

func TestKeysOfAnotherLengthAreRefused(t *testing.T) {
	for _, text := range []string{"", "AAAA", "not base64!", strings.Repeat("A", 64)} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q is a key", text)
		}
	}
}
