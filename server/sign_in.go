package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/identity"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/request"
	"github.com/berth-dev/berth/server/signin"
	"github.com/berth-dev/berth/server/store"
)

const (
	// reloadGrants is how often the access file is read.
	reloadGrants = 10 * time.Second
	// strangersPerSecond bounds the calls of the sign-in provider that strangers at one address can cause. All
	// people behind one proxy share an address.
	strangersPerSecond = 20
)

// openSignIn returns the sign-in of people and its grants; both are nil without a provider.
func (s *server) openSignIn() (*identity.Service, *identity.Grants, error) {
	if s.SignIn.Issuer == "" {
		return nil, nil, nil
	}
	config, err := s.SignIn.WithDefaults()
	if err != nil {
		return nil, nil, fmt.Errorf("sign-in: %w", err)
	}
	grants, err := identity.OpenGrants(s.AccessFile, s.Logger)
	if err != nil {
		return nil, nil, err
	}
	people, err := identity.New(identity.Options{
		Config: config, Grants: grants, Sessions: s.store, Now: s.Now, Logger: s.Logger,
		Counter: metric.NewSignIn(s.registry),
	})
	return people, grants, err
}

// addSignIn serves the pages through which browsers sign in.
func (f *front) addSignIn(router *mux.Router) {
	if f.site == nil {
		return
	}
	for path, page := range map[string]http.HandlerFunc{
		signin.BeginPath: f.site.Begin, signin.CallbackPath: f.site.Callback,
	} {
		router.Handle(path, named(path, page)).Methods(http.MethodGet)
	}
	router.Handle(signin.BackChannelLogoutPath,
		named(signin.BackChannelLogoutPath, http.HandlerFunc(f.site.BackChannelLogout))).Methods(http.MethodPost)
}

// checkStranger bounds the operations that call a provider or an issuer for whoever asks.
func (f *front) checkStranger(r *http.Request, o *request.Operation) error {
	switch o.ID {
	case "StartDeviceSignIn", "FinishDeviceSignIn", "ExchangeToken":
	default:
		return nil
	}
	wait := f.strangers.Take(store.OriginOf(r.Context()).Address, 1)
	if wait == 0 {
		return nil
	}
	refusal := problem.Newf(problem.RateLimited, "too many sign-ins and token exchanges from this address")
	refusal.RetryAfter = wait
	return refusal
}

// authenticatePerson returns the principal of a session; handled is false if the request has none.
func (f *front) authenticatePerson(r *http.Request) (who access.Principal, handled bool, err error) {
	if f.site == nil {
		return who, false, nil
	}
	return f.site.Authenticate(r)
}

// watchGrants reads the access file again when it changes.
func watchGrants(grants *identity.Grants) func(context.Context) error {
	return func(ctx context.Context) error { return grants.Run(ctx, reloadGrants) }
}

// strangersRate is 0, no limit, where requests are not limited.
func strangersRate(limit float64) float64 {
	if limit < 0 {
		return 0
	}
	return strangersPerSecond
}
