package apikey

import (
	"strings"
	"testing"
)

func TestWhatSurroundsAKeyIsTakenOff(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "KEY", "a trailing line break": "KEY\n", "CRLF": "KEY\r\n", "several line breaks": "\nKEY\n\n",
		"a byte order mark": "\uFEFFKEY\r\n", "spaces and tabs": " \tKEY \t", "a no-break space": "KEY\u00a0",
	} {
		if got, err := Clean(text); got != "KEY" || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if got, err := Clean(" \n"); got != "" || err != nil {
		t.Errorf("an empty file: got %q, %v", got, err)
	}
}

func TestWhatCannotBeAHeaderIsRefusedWithoutTheKey(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"two lines":              {"SECRET\nKEY", "character 7 is a line break"},
		"a space":                {"SECRET KEY", "character 7 is a space"},
		"a tab":                  {"SECRET\tKEY", "character 7 is a tab"},
		"quotes":                 {`"SECRET"`, "character 1 is a quotation mark"},
		"NUL":                    {"SECRET\x00", "character 7 is the control character U+0000"},
		"an escape":              {"\x1bSECRET", "character 1 is the control character U+001B"},
		"a zero-width space":     {"SECRET\u200bKEY", "character 7 is the invisible character U+200B"},
		"a letter of no ASCII":   {"SECRÉT", "character 5 is outside ASCII"},
		"bytes that are no text": {"SECRET\xff\xfe", "not text in UTF-8"},
	} {
		got, err := Clean(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || got != "" {
			t.Errorf("%s: got %q, %v", name, got, err)
		} else if strings.Contains(err.Error(), "SECR") {
			t.Errorf("%s: the error contains the key: %v", name, err)
		}
	}
}
