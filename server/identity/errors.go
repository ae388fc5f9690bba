package identity

import (
	"crypto/subtle"
	"errors"

	"github.com/berth-dev/berth/server/problem"
)

// UnreachableError says that the provider did not answer. API keys still work.
type UnreachableError struct {
	Name string // the provider's host
	What string // was to be done
	Err  error  // may not be shown to users
}

func (e *UnreachableError) Error() string {
	return "cannot reach the sign-in provider " + e.Name + " (" + e.What + "); API keys still work"
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// ProviderError says that the provider answered with a refusal or with something invalid.
type ProviderError struct {
	Name   string
	Code   string // of OAuth, if it sent one
	Detail string
	Err    error // may not be shown to users
}

func (e *ProviderError) Error() string { return "sign-in provider " + e.Name + ": " + e.Detail }

func (e *ProviderError) Unwrap() error { return e.Err }

// RefusedError says that the provider knows the person, but Berth does not let them in.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// Problem turns an error of this package into the problem document of a sign-in.
func Problem(err error) error {
	var (
		unreachable *UnreachableError
		provider    *ProviderError
		refused     *RefusedError
	)
	switch {
	case errors.As(err, &unreachable):
		return &problem.Error{Code: problem.ProviderUnavailable, Detail: unreachable.Error(), Err: unreachable.Err}
	case errors.As(err, &provider):
		return &problem.Error{Code: problem.SignInFailed, Detail: provider.Error(), Err: provider.Err}
	case errors.As(err, &refused):
		return &problem.Error{Code: problem.SignInFailed, Detail: refused.Error()}
	}
	return err
}

// equal compares secrets in constant time.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
