package apikey

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

const sample = "berth_00010203_BAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiM"

func TestNewKeyHasTheDocumentedForm(t *testing.T) {
	form := regexp.MustCompile(`^berth_[0-9a-f]{8}_[A-Za-z0-9_-]{43}$`)
	seen := map[string]bool{}
	for range 200 {
		key, err := New()
		if err != nil {
			t.Fatal(err)
		}
		if !form.MatchString(key.Text) {
			t.Fatalf("key of id %s does not match %s", key.ID, form)
		}
		if seen[key.Secret] {
			t.Fatal("two keys have the same secret")
		}
		seen[key.Secret] = true
		back, err := Parse(key.Text)
		if err != nil || back != key {
			t.Fatalf("Parse(Text) = %v, %v; want the key itself", back, err)
		}
	}
}

func TestKeyUsesTheRandomBytesInOrder(t *testing.T) {
	random := make([]byte, idBytes+secretBytes)
	for i := range random {
		random[i] = byte(i)
	}
	key, err := newFrom(bytes.NewReader(random))
	if err != nil {
		t.Fatal(err)
	}
	if key.Text != sample {
		t.Errorf("key = %s, want %s", key.Text, sample)
	}
}

func TestShortRandomSourceFailsInsteadOfMakingAWeakKey(t *testing.T) {
	if key, err := newFrom(bytes.NewReader(make([]byte, 10))); err == nil || key.Text != "" {
		t.Errorf("newFrom(10 bytes) = %v, %v; want an error and no key", key, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty text":                            "",
		"wrong prefix":                          "xerth" + sample[5:],
		"short secret":                          sample[:len(sample)-1],
		"long secret":                           sample + "A",
		"ID in upper case":                      "berth_0001020A" + sample[14:],
		"ID that is not hexadecimal":            "berth_0001020g" + sample[14:],
		"slash of standard base64":              sample[:len(sample)-2] + "/M",
		"space at the end":                      sample[:len(sample)-1] + " ",
		"line break inside":                     sample[:20] + "\n" + sample[21:],
		"unused bits set in the last character": sample[:len(sample)-1] + "N",
		"no underscore after the ID":            strings.Replace(sample, "03_B", "03-B", 1),
		"key with its scheme":                   "Bearer " + sample,
	} {
		t.Run(name, func(t *testing.T) {
			key, err := Parse(text)
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("Parse = %v, %v; want ErrMalformed", key, err)
			}
			if err != nil && text != "" && strings.Contains(err.Error(), text) {
				t.Error("the error contains the text, which may be a secret")
			}
		})
	}
}

func TestParseAcceptsASecretWithUnderscoresAndDashes(t *testing.T) {
	text := "berth_deadbeef_" + strings.Repeat("_-", 21) + "A"
	key, err := Parse(text)
	if err != nil || key.ID != "deadbeef" || key.Secret != text[15:] {
		t.Errorf("Parse = %v, %v", key, err)
	}
}

func TestMatchesOnlyItsOwnHash(t *testing.T) {
	key, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	// Computed with sha256sum. Databases store this form, so it must not change.
	if want := "01d748c114f286637a54294d9fdbe1e9f0d5d79299f6f9c35e757fe746e94a85"; key.Hash() != want {
		t.Errorf("hash = %s, want %s", key.Hash(), want)
	}
	if !key.Matches(Hash(key.Secret)) {
		t.Error("the key does not match its own hash")
	}
	for name, stored := range map[string]string{
		"another hash": Hash("other"), "empty text": "", "the secret itself": key.Secret,
		"the hash of the whole text": Hash(key.Text), "a hash cut short": key.Hash()[:63],
	} {
		if key.Matches(stored) {
			t.Errorf("the key matches %s", name)
		}
	}
}

func TestPrintedKeyShowsTheIDAndHidesTheSecret(t *testing.T) {
	key, err := Parse(sample)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "key", key)
	printed := map[string]string{"in a slice": fmt.Sprint([]Key{key}), "slog": log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		printed[verb] = fmt.Sprintf(verb, key)
	}
	for form, out := range printed {
		if strings.Contains(out, key.Secret) {
			t.Errorf("%s shows the secret", form)
		}
		if !strings.Contains(out, key.ID) {
			t.Errorf("%s hides the ID: %s", form, out)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("berth__")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := Parse(text); err == nil && key.Text != text {
			t.Errorf("Parse(%q).Text = %q", text, key.Text)
		}
	})
}
