package identity

import (
	"errors"
)

// CountSignIn counts a sign-in that has ended with err.
func (s *Service) CountSignIn(flow string, err error) { s.counts.SignIn(flow, result(err)) }

func result(err error) string {
	var (
		unreachable *UnreachableError
		refused     *RefusedError
	)
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &refused):
		return "refused"
	case errors.As(err, &unreachable):
		return "unreachable"
	}
	return "failed"
}

// LogFailure logs why a sign-in failed, with the cause that the person is not told.
func (s *Service) LogFailure(err error) {
	var (
		provider    *ProviderError
		unreachable *UnreachableError
		cause       error
	)
	switch {
	case errors.As(err, &provider):
		cause = provider.Err
	case errors.As(err, &unreachable):
		cause = unreachable.Err
	}
	attributes := []any{"error", err}
	if cause != nil {
		attributes = append(attributes, "cause", cause)
	}
	s.logger.Warn("sign-in failed", attributes...)
}
