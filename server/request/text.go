package request

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

const (
	// verbatimExtension marks texts of openapi.yaml that may hold any character: output of a workload or of its cluster,
	// which the server cuts, and the source of a template.
	verbatimExtension = "x-verbatim"
	// plainExtension marks documents whose texts are shown in messages, such as the parameters of rules. They may
	// hold line breaks and tabs, and no other control characters.
	plainExtension = "x-plain"
	// maxLine is the length of the longest text of one line, in characters: names, tags, versions. Longer
	// texts, such as descriptions, may have line breaks and tabs.
	maxLine = 300
)

// checkText refuses characters that hide or change what is shown, and U+0000, which PostgreSQL does not store.
func (d *decoder) checkText(text string, schema *openapi3.Schema) error {
	if !strings.ContainsFunc(text, isControl) {
		return d.checkComposed(text, textOf(schema))
	}
	declared := textOf(schema)
	switch {
	case declared != nil && declared.Extensions[verbatimExtension] == true:
		return nil
	case declared == nil && d.plain:
		if message := controlMessage(text, false); message != "" {
			return d.invalidBody("%s", message)
		}
		return nil
	case declared == nil: // a document of the user
		if strings.ContainsRune(text, 0) {
			return d.invalidBody("must not contain the character U+0000")
		}
		return nil
	}
	if message := controlMessage(text, isLine(declared)); message != "" {
		return d.invalidBody("%s", message)
	}
	return nil
}

// isLine reports whether a text has one line.
func isLine(schema *openapi3.Schema) bool {
	return schema.MaxLength != nil && *schema.MaxLength <= maxLine
}

// controlMessage says which control character a text contains; empty if it has none. Texts of several lines
// may contain line breaks and tabs; a return alone would let a terminal write over the line.
func controlMessage(text string, line bool) string {
	at := 0
	for i, r := range text {
		at++
		allowed := r == '\t' || r == '\n' || r == '\r' && strings.HasPrefix(text[i:], "\r\n")
		if isControl(r) && (line || !allowed) {
			return fmt.Sprintf("must not contain control characters, but character %d is U+%04X", at, r)
		}
	}
	return ""
}

// isControl reports whether a character is a control character, or changes the direction of the text around
// it.
func isControl(r rune) bool {
	return r < utf8.RuneSelf && (r < ' ' || r == 0x7f) ||
		r >= utf8.RuneSelf && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Bidi_Control, r))
}

var (
	errTime = errors.New("not a time of RFC 3339")
	errYear = errors.New("the year in UTC is not between 1 and 9999")
)

// validTime refuses the times that JSON cannot represent in every zone: the year must have four digits in
// UTC too.
func validTime(text string) error {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return err
	}
	// time.Parse takes a lower-case t, a comma before the fraction, and offsets of 24 hours.
	if strings.ContainsAny(text, ",tz ") || !validOffset(text) {
		return errTime
	}
	if year := at.UTC().Year(); year < 1 || year > 9999 {
		return errYear
	}
	return nil
}

// validOffset reports whether the offset of a time is Z or below 24 hours.
func validOffset(text string) bool {
	const offset = len("+hh:mm")
	if strings.HasSuffix(text, "Z") || len(text) < offset {
		return true
	}
	hours, minutes := text[len(text)-offset+1:len(text)-offset+3], text[len(text)-2:]
	return hours <= "23" && minutes <= "59"
}
