package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

const (
	// workerRateFactor is the rate of worker keys relative to other keys, because many workers share one.
	workerRateFactor = 10
	// refusalsPerSecond bounds the audit entries that the refusals of one key can cause.
	refusalsPerSecond = 1
	refusalTimeout    = 5 * time.Second
)

// withIdentity returns the request with its principal, origin and access check in the context.
func withIdentity(r *http.Request, who access.Principal, check func() error) *http.Request {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	ctx := access.WithAccessCheck(access.WithPrincipal(r.Context(), who), check)
	return r.WithContext(store.WithOrigin(ctx, store.Origin{Kind: who.ActorKind(), KeyID: who.KeyID, Address: address}))
}

// checkRate refuses a key that exceeds its rate. A server without keys has no limit.
func (f *front) checkRate(who access.Principal) error {
	if !who.Authenticated {
		return nil
	}
	factor := 1.0
	if who.Has(api.RoleWorker) {
		factor = workerRateFactor
	}
	if wait := f.requests.Take(who.RateKey(), factor); wait > 0 {
		refusal := problem.Newf(problem.RateLimited, "%s exceeds the request rate of this server", who)
		refusal.RetryAfter = wait
		return refusal
	}
	return nil
}

// streamRetry is when a caller should ask again who was refused a stream.
const streamRetry = 10 * time.Second

// enterStream counts a stream of the caller, or refuses it.
func (f *front) enterStream(r *http.Request) (leave func(), err error) {
	who := access.From(r.Context())
	leave, entry := f.streams.Enter(who.RateKey())
	var refusal *problem.Error
	switch entry {
	case access.Entered:
		return leave, nil
	case access.CallerIsFull:
		refusal = problem.Newf(problem.RateLimited,
			"%s has %d open streams and downloads of output on this server, the most for one key; close some", who,
			f.streamsPerKey)
	case access.ServerIsFull:
		refusal = problem.Newf(problem.Unavailable,
			"this server has %d open streams and downloads of output, the most for all keys; try again later",
			f.streamsInAll)
	}
	refusal.RetryAfter = streamRetry
	return nil, refusal
}

// auditRefusal records in the audit log that a key was refused a change. Requests without a valid key are
// only logged, because strangers must not fill the database.
func (f *front) auditRefusal(r *http.Request, err error) {
	who := access.From(r.Context())
	refusal := problem.From(err)
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	denied := refusal.Code == problem.Forbidden || errors.Is(err, access.ErrHidden)
	if !denied || !who.Authenticated || read || f.refused.Take(who.RateKey(), 1) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), refusalTimeout)
	defer cancel()
	if err := f.store.CreateAuditRefusal(ctx, r.Method+" "+apikey.Mask(r.URL.Path),
		apikey.Mask(refusal.Detail), who.Name); err != nil {
		f.responder.Logger.Warn("cannot record refusal in the audit log",
			"actor", who.Name, "path", apikey.Mask(r.URL.Path), "error", err)
	}
}
