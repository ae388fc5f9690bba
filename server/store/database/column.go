package database

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Time is a time column: TIMESTAMPTZ on PostgreSQL, microseconds since 1970 on SQLite.
type Time time.Time

// Scan implements sql.Scanner.
func (s *Time) Scan(src any) error {
	switch v := src.(type) {
	case time.Time:
		*s = Time(v.UTC())
	case int64:
		*s = Time(time.UnixMicro(v).UTC())
	case []byte:
		*s = unreadable(string(v))
	case string:
		*s = unreadable(v)
	default:
		return fmt.Errorf("read a time column: unexpected value %v", src)
	}
	return nil
}

// unreadable stands for a time that a driver returns as text, such as PostgreSQL's infinity. One such row must not
// break the lists that it is in. The API shows a time outside the years 1 to 9999 as broken.
func unreadable(text string) Time {
	const beforeAll, afterAll = -1, 10_000 // years
	if strings.HasPrefix(text, "-") {
		return Time(time.Date(beforeAll, time.January, 1, 0, 0, 0, 0, time.UTC))
	}
	return Time(time.Date(afterAll, time.January, 1, 0, 0, 0, 0, time.UTC))
}

// Value implements driver.Valuer; the SQLite driver is told to store times as microseconds.
func (s Time) Value() (driver.Value, error) { return time.Time(s), nil }

// MarshalJSON makes it microseconds since 1970, as it travels in a record.
func (s Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, time.Time(s).UnixMicro(), 10), nil
}

func (s Time) Time() time.Time { return time.Time(s) }

func (s *Time) Ptr() *time.Time {
	if s == nil {
		return nil
	}
	t := time.Time(*s)
	return &t
}

// TimeOf is a time as both databases keep it.
func TimeOf(t *time.Time) *Time {
	if t == nil {
		return nil
	}
	s := Time(t.UTC().Truncate(time.Microsecond))
	return &s
}

// JSON is a JSON document in a text column, nil for NULL.
type JSON json.RawMessage

// Scan implements sql.Scanner.
func (d *JSON) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d = nil
	case string:
		*d = JSON(v)
	case []byte:
		*d = JSON(bytes.Clone(v))
	default:
		return fmt.Errorf("read a JSON column: unexpected value %v", src)
	}
	return nil
}

// Value implements driver.Valuer.
func (d JSON) Value() (driver.Value, error) {
	if d == nil {
		return nil, nil
	}
	return string(d), nil
}

func (d JSON) Raw() json.RawMessage { return json.RawMessage(d) }

// ObjectOrEmpty returns the JSON object, or an empty one for no bytes.
func ObjectOrEmpty(raw json.RawMessage) JSON {
	if len(raw) == 0 {
		return JSON("{}")
	}
	return JSON(raw)
}

// Structured is a Go value in a text column as JSON.
type Structured[T any] struct{ V T }

// Scan implements sql.Scanner.
func (s *Structured[T]) Scan(src any) error {
	var d JSON
	if err := d.Scan(src); err != nil || d == nil {
		return err
	}
	if string(d) == "{}" { // which most are
		return nil
	}
	return json.Unmarshal(d, &s.V)
}

// Value implements driver.Valuer.
func (s Structured[T]) Value() (driver.Value, error) { return s.Text() }

// MarshalText makes it a string inside a record, as the column holds it.
func (s Structured[T]) MarshalText() ([]byte, error) { return json.Marshal(s.V) }

// Text is what the column holds.
func (s Structured[T]) Text() (string, error) {
	b, err := json.Marshal(s.V)
	return string(b), err
}

// Strings is a list of strings in a text column.
type Strings = Structured[[]string]

func StringsOf(list []string) Strings {
	if list == nil {
		list = []string{}
	}
	return Strings{list}
}

// CleanText replaces what no text column stores: PostgreSQL refuses NUL and invalid UTF-8.
func CleanText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// maxOutput bounds the texts about an attempt that come from its workload or its cluster, in bytes.
const maxOutput = 16 << 10

// CutOutput cleans a text and cuts its end off, with a mark.
func CutOutput(s string) string {
	if s = CleanText(s); len(s) <= maxOutput {
		return s
	}
	return strings.ToValidUTF8(s[:maxOutput], "") + "…"
}

// CutOutputBegin cleans a text and cuts its beginning off, with a mark.
func CutOutputBegin(s string) string {
	if s = CleanText(s); len(s) <= maxOutput {
		return s
	}
	return "…" + strings.ToValidUTF8(s[len(s)-maxOutput:], "")
}

func Microseconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	us := d.Microseconds()
	return &us
}

func Duration(us *int64) *time.Duration {
	if us == nil {
		return nil
	}
	d := time.Duration(*us) * time.Microsecond
	return &d
}
