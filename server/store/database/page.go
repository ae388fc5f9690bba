package database

import (
	"encoding/base64"
	"strings"

	"github.com/google/uuid"
)

// Page asks for a part of a list.
type Page struct {
	Limit  int
	Cursor string // opaque; empty: from the beginning
}

const (
	pageDefault = 50
	pageMax     = 500
)

// Size is how many rows the page may have.
func (p Page) Size() int {
	if p.Limit <= 0 {
		return pageDefault
	}
	return min(p.Limit, pageMax)
}

// After returns the key that the cursor was made of, "" for the first page. kind keeps the cursor of one list
// from being used on another.
func (p Page) After(kind string) (string, error) {
	if p.Cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	key, ok := strings.CutPrefix(string(b), kind+":")
	if err != nil || !ok || key == "" {
		return "", ForeignCursor()
	}
	return key, nil
}

// AfterID is After for a list in the order of IDs; ok is false for the first page.
func (p Page) AfterID(kind string) (id uuid.UUID, ok bool, err error) {
	key, err := p.After(kind)
	if err != nil || key == "" {
		return uuid.Nil, false, err
	}
	if id, err = uuid.Parse(key); err != nil {
		return uuid.Nil, false, ForeignCursor()
	}
	return id, true, nil
}

// ForeignCursor is the error for a cursor whose key is none of the list.
func ForeignCursor() *Error {
	return &Error{
		Code:    InvalidCursor,
		Message: "the cursor belongs to a different list or filter; start again without it",
	}
}

// CutPage cuts the one row too many that was asked for and makes the cursor of the next page from the last
// one shown.
func CutPage[T any](rows []T, p Page, kind string, key func(T) string) ([]T, string) {
	if len(rows) <= p.Size() {
		return rows, ""
	}
	rows = rows[:p.Size()]
	return rows, NewCursor(kind, key(rows[len(rows)-1]))
}

// NewCursor makes the cursor of what follows key, for a list that is not the store's own.
func NewCursor(kind, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + ":" + key))
}
