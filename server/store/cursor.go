package store

import (
	"encoding/base64"
	"strings"
)

const (
	pageDefault = 50
	pageMax     = 500
)

// size is how many rows the page may have.
func (p Page) size() int {
	if p.Limit <= 0 {
		return pageDefault
	}
	return min(p.Limit, pageMax)
}

// after returns the key that the cursor was made of, "" for the first page. kind keeps the cursor of one list
// from being used on another.
func (p Page) after(kind string) (string, error) {
	if p.Cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	key, ok := strings.CutPrefix(string(b), kind+":")
	if err != nil || !ok || key == "" {
		return "", &Error{Code: InvalidCursor, Message: "this cursor is not of this list"}
	}
	return key, nil
}

// paged cuts the one row too many that was asked for and makes the cursor of the next page from the last one
// shown.
func paged[T any](rows []T, p Page, kind string, key func(T) string) ([]T, string) {
	if len(rows) <= p.size() {
		return rows, ""
	}
	rows = rows[:p.size()]
	return rows, NewCursor(kind, key(rows[len(rows)-1]))
}

// CursorKey reads a cursor that NewCursor made: "" for the first page.
func CursorKey(p Page, kind string) (string, error) { return p.after(kind) }

// NewCursor makes the cursor of what follows key, for a list that is not the store's own.
func NewCursor(kind, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + ":" + key))
}
