package access

import "context"

type principalKey struct{}

type accessCheckKey struct{}

// WithAccessCheck returns a context for CheckStillAllowed; check authenticates and authorizes the request
// again.
func WithAccessCheck(ctx context.Context, check func() error) context.Context {
	return context.WithValue(ctx, accessCheckKey{}, check)
}

// CheckStillAllowed repeats the access check of the request and returns its error. Long-lived responses, such
// as streams, have to call it from time to time, because keys expire and are revoked.
func CheckStillAllowed(ctx context.Context) error {
	if check, ok := ctx.Value(accessCheckKey{}).(func() error); ok {
		return check()
	}
	return nil
}

// WithPrincipal returns a context that carries the principal.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// From returns the principal of a request. A context without one yields a Principal that may do nothing.
func From(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}
