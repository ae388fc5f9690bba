package server

import (
	"context"
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
	// workerTimes is how much more often a worker's key may ask than others: many workers use one.
	workerTimes = 10
	// refusalsPerSecond bounds what one key can have written down of its being refused.
	refusalsPerSecond = 1
	refusalTimeout    = 5 * time.Second
)

// identified returns the request with who asks, and from where, in its context.
func identified(r *http.Request, who access.Principal, still func() error) *http.Request {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	ctx := access.WithAccessCheck(access.WithPrincipal(r.Context(), who), still)
	return r.WithContext(store.WithOrigin(ctx, store.Origin{KeyID: who.KeyID, Address: address}))
}

// checkRate refuses a key that asks too often. Without keys there is nobody to hold to account.
func (f *front) checkRate(who access.Principal) error {
	if !who.Authenticated {
		return nil
	}
	times := 1.0
	if who.Role == api.RoleWorker {
		times = workerTimes
	}
	if wait := f.requests.Take(who.KeyID, times); wait > 0 {
		refusal := problem.Newf(
			problem.RateLimited,
			"API key %q sends more requests than this server takes from one key",
			who.Name,
		)
		refusal.RetryAfter = wait
		return refusal
	}
	return nil
}

// noteRefusal writes into the audit that a known key asked for a change that it may not make. Who has no key
// leaves a line in the log only: strangers must not fill the database.
func (f *front) noteRefusal(r *http.Request, err error) {
	who := access.From(r.Context())
	refusal := problem.From(err)
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	if refusal.Code != problem.Forbidden || !who.Authenticated || read || f.refused.Take(who.KeyID, 1) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), refusalTimeout)
	defer cancel()
	if err := f.store.CreateAuditRefusal(ctx, r.Method+" "+apikey.Mask(r.URL.Path), apikey.Mask(refusal.Detail), who.Name); err != nil {
		f.responder.Logger.Warn(
			"a refusal could not be written down",
			"actor",
			who.Name,
			"path",
			apikey.Mask(r.URL.Path),
			"error",
			err,
		)
	}
}
