// Package problem is how the API says no: one error type with a stable code, and the one place that knows
// which HTTP status belongs to which code.
//
// Handlers return a *Error (or an error of the store, which carries a code of its own); Responder turns it
// into an RFC 9457 problem document. What has no code is a bug or an accident: it is logged, and the caller
// learns nothing of it.
package problem

import (
	"fmt"
	"time"

	"github.com/berth-dev/berth/server/api"
)

// Code is stable: scripts rely on it.
type Code string

// Codes that the HTTP server itself gives; those of the store pass through as they are.
const (
	Unauthenticated     Code = "unauthenticated"
	Forbidden           Code = "forbidden"
	NotFound            Code = "not-found"
	MethodNotAllowed    Code = "method-not-allowed"
	InvalidJSON         Code = "invalid-json"
	InvalidBody         Code = "invalid-body"
	InvalidParameter    Code = "invalid-parameter"
	BodyTooLarge        Code = "body-too-large"
	UnsupportedMedia    Code = "unsupported-media-type"
	HostRefused         Code = "host-refused"
	OriginRefused       Code = "origin-refused"
	PreconditionFailed  Code = "precondition-failed"
	TemplateInvalid     Code = "template-invalid"
	VariablesInvalid    Code = "variables-invalid"
	ParametersInvalid   Code = "parameters-invalid"
	ApplyInvalid        Code = "apply-invalid"
	Frozen              Code = "frozen"
	PlanChanged         Code = "plan-changed" // what an apply would change is not what its plan showed
	ProtocolUnsupported Code = "protocol-unsupported"
	// TemplateBreaks: a new template version breaks deployments that work now, and that was asked to be
	// refused.
	TemplateBreaks Code = "template-breaks-deployments"
	// RateLimited: the key has sent too many requests; RetryAfter says when the next is taken.
	RateLimited Code = "rate-limited"
	Unavailable Code = "unavailable"
	Internal    Code = "internal"
)

// Error is a refusal that the caller can do something about.
type Error struct {
	Code Code
	// Detail is for people: what is wrong with this request, and what to do.
	Detail string
	// Findings say where, one by one.
	Findings []api.Finding
	// RetryAfter is how long to wait before asking again; 0 where that says nothing.
	RetryAfter time.Duration
	// Err is the cause, for logs only.
	Err error
}

// Newf makes an Error whose detail is formatted.
func Newf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// At adds a place and what is wrong there.
func (e *Error) At(pointer, format string, args ...any) *Error {
	code := string(e.Code)
	e.Findings = append(
		e.Findings,
		api.Finding{Pointer: pointer, Code: &code, Message: fmt.Sprintf(format, args...)},
	)
	return e
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Detail, e.Err)
	}
	return e.Detail
}

func (e *Error) Unwrap() error { return e.Err }
