package store

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// stamp is a time column: TIMESTAMPTZ on PostgreSQL, microseconds since 1970 on SQLite.
type stamp time.Time

// Scan implements sql.Scanner.
func (s *stamp) Scan(src any) error {
	switch v := src.(type) {
	case time.Time:
		*s = stamp(v.UTC())
	case int64:
		*s = stamp(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a time column holds %T", src)
	}
	return nil
}

// Value implements driver.Valuer; the SQLite driver is told to store times as microseconds.
func (s stamp) Value() (driver.Value, error) { return time.Time(s), nil }

func (s stamp) time() time.Time { return time.Time(s) }

func (s *stamp) ptr() *time.Time {
	if s == nil {
		return nil
	}
	t := time.Time(*s)
	return &t
}

// stampOf is a time as both databases keep it.
func stampOf(t *time.Time) *stamp {
	if t == nil {
		return nil
	}
	s := stamp(t.UTC().Truncate(time.Microsecond))
	return &s
}

// document is a JSON document in a text column, nil for NULL.
type document json.RawMessage

// Scan implements sql.Scanner.
func (d *document) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d = nil
	case string:
		*d = document(v)
	case []byte:
		*d = document(bytes.Clone(v))
	default:
		return fmt.Errorf("a JSON column holds %T", src)
	}
	return nil
}

// Value implements driver.Valuer.
func (d document) Value() (driver.Value, error) {
	if d == nil {
		return nil, nil
	}
	return string(d), nil
}

func (d document) raw() json.RawMessage { return json.RawMessage(d) }

// object is a JSON object as given, the empty one where nothing is.
func object(raw json.RawMessage) document {
	if len(raw) == 0 {
		return document("{}")
	}
	return document(raw)
}

// structured is a Go value in a text column as JSON.
type structured[T any] struct{ v T }

// Scan implements sql.Scanner.
func (s *structured[T]) Scan(src any) error {
	var d document
	if err := d.Scan(src); err != nil || d == nil {
		return err
	}
	if string(d) == "{}" { // which most are
		return nil
	}
	return json.Unmarshal(d, &s.v)
}

// Value implements driver.Valuer.
func (s structured[T]) Value() (driver.Value, error) { return s.text() }

// MarshalText makes it a string inside a record, as the column holds it.
func (s structured[T]) MarshalText() ([]byte, error) { return json.Marshal(s.v) }

// text is what the column holds.
func (s structured[T]) text() (string, error) {
	b, err := json.Marshal(s.v)
	return string(b), err
}

// texts is a list of strings in a text column.
type texts = structured[[]string]

func textsOf(list []string) texts {
	if list == nil {
		list = []string{}
	}
	return texts{list}
}

// clean makes output of a workload fit for a text column: PostgreSQL takes neither NUL nor broken UTF-8.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func microseconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	us := d.Microseconds()
	return &us
}

func duration(us *int64) *time.Duration {
	if us == nil {
		return nil
	}
	d := time.Duration(*us) * time.Microsecond
	return &d
}
