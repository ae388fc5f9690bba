package database

import (
	"errors"
	"fmt"
)

// Code says what kind of error it is; the HTTP server maps it to a status in one place.
type Code string

// Codes of store errors. They are the codes of the API's problem documents.
const (
	NotFound      Code = "not-found"
	Conflict      Code = "conflict"
	InvalidCursor Code = "invalid-cursor"
	InvalidText   Code = "invalid-body" // what no database column takes, such as a NUL character
	Unavailable   Code = "unavailable"
	QueryTimeout  Code = "query-timeout"
	StorageFull   Code = "storage-full"
)

// Error is an error that the caller can do something about.
type Error struct {
	Code    Code
	Message string
	Err     error
	// Users are what keeps an object from being deleted, some of UsersTotal.
	Users      []User
	UsersTotal int
}

// User is an object that uses another one.
type User struct {
	Kind, ID, Name string
	Pool           string // that it belongs to, if any
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Message, e.Err)
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// IsCode reports whether err is an Error of this code.
func IsCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
