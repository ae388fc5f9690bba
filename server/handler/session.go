package handler

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/identity"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/signin"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/wire"
)

// currentSession stands for the session of the request.
const currentSession = "current"

// GetSignIn returns how people sign in. It does not call the provider: the page asks for it at every start.
func (h *Handler) GetSignIn(
	context.Context, apiserver.GetSignInRequestObject,
) (apiserver.GetSignInResponseObject, error) {
	methods := api.SignInMethods{APIKey: h.Authenticated}
	if h.People != nil {
		provider, url := h.People.Config().ProviderName(), signin.BeginPath
		methods.Provider, methods.URL = &provider, &url
	}
	return apiserver.GetSignIn200JSONResponse(methods), nil
}

func (h *Handler) people() (*identity.Service, error) {
	if h.People == nil {
		return nil, problem.Newf(problem.NotFound,
			"people cannot sign in to this server, because no sign-in provider is configured; use an API key")
	}
	return h.People, nil
}

// StartDeviceSignIn begins a sign-in of the command line.
func (h *Handler) StartDeviceSignIn(
	ctx context.Context, _ apiserver.StartDeviceSignInRequestObject,
) (apiserver.StartDeviceSignInResponseObject, error) {
	people, err := h.people()
	if err != nil {
		return nil, err
	}
	device, err := people.StartDevice(ctx)
	if err != nil {
		people.LogFailure(err)
		return nil, identity.Problem(err)
	}
	return apiserver.StartDeviceSignIn200JSONResponse{
		DeviceCode: device.Code, UserCode: device.UserCode, VerificationURL: device.VerificationURL,
		VerificationURLComplete: wire.OrNil(device.CompleteURL),
		ExpiresIn:               seconds(device.ExpiresIn), Interval: seconds(device.Interval),
	}, nil
}

func seconds(d time.Duration) int32 { return int32(min(math.Ceil(d.Seconds()), math.MaxInt32)) }

// FinishDeviceSignIn asks once whether the person has signed in.
func (h *Handler) FinishDeviceSignIn(
	ctx context.Context, r apiserver.FinishDeviceSignInRequestObject,
) (apiserver.FinishDeviceSignInResponseObject, error) {
	people, err := h.people()
	if err != nil {
		return nil, err
	}
	// The device code works once, so that a client that disconnects must not leave half a sign-in.
	ctx = context.WithoutCancel(ctx)
	signedIn, err := people.PollDevice(ctx, r.Body.DeviceCode)
	if errors.Is(err, identity.ErrPending) || errors.Is(err, identity.ErrSlowDown) {
		return apiserver.FinishDeviceSignIn202JSONResponse{SlowDown: errors.Is(err, identity.ErrSlowDown)}, nil
	}
	people.CountSignIn("device", err)
	if err != nil {
		people.LogFailure(err)
		return nil, identity.Problem(err)
	}
	signedIn.Kind, signedIn.Client = store.SessionCLI, wire.Or(r.Body.Client, "")
	signedIn.Address = store.OriginOf(ctx).Address
	token, session, err := people.Create(ctx, signedIn)
	if err != nil {
		return nil, err
	}
	return apiserver.FinishDeviceSignIn201JSONResponse{
		Session: wire.Session(*session, h.sessionView(ctx)), Token: token.Text,
	}, nil
}

func (h *Handler) sessionView(ctx context.Context) wire.SessionView {
	view := wire.SessionView{Now: h.Now(), Current: access.From(ctx).KeyID}
	if h.People != nil {
		view.Idle = h.People.Config().SessionIdle
	}
	return view
}

// SignOut ends the session of the request.
func (h *Handler) SignOut(
	ctx context.Context, _ apiserver.SignOutRequestObject,
) (apiserver.SignOutResponseObject, error) {
	who := access.From(ctx)
	if who.Session == nil {
		return nil, problem.Newf(problem.NotFound, "this request has no session: it uses an API key")
	}
	people, err := h.people()
	if err != nil {
		return nil, err
	}
	// The ID token goes with the session.
	address := people.SignOutURL(ctx, who.Session.IDToken())
	if err := h.store.RevokeSession(ctx, who.KeyID, who.Name, ""); err != nil {
		return nil, err
	}
	return signedOutThere{
		signin.NewCookies(people.Config()), apiserver.SignOut200JSONResponse{ProviderURL: wire.OrNil(address)},
	}, nil
}

// signedOutThere makes a browser forget its session and says where else it signs out.
type signedOutThere struct {
	cookies signin.Cookies
	answer  apiserver.SignOut200JSONResponse
}

// VisitSignOutResponse writes the answer.
func (s signedOutThere) VisitSignOutResponse(w http.ResponseWriter) error {
	s.cookies.ClearSession(w)
	return s.answer.VisitSignOutResponse(w)
}

// ListSessions lists the caller's sessions, or those of others for an admin.
func (h *Handler) ListSessions(
	ctx context.Context, r apiserver.ListSessionsRequestObject,
) (apiserver.ListSessionsResponseObject, error) {
	p, who := r.Params, access.From(ctx)
	filter := store.SessionFilter{User: wire.Or(p.User, "")}
	view := h.sessionView(ctx)
	if !wire.Or(p.Ended, false) {
		filter.ActiveAt, filter.Idle = view.Now, view.Idle
	}
	switch others := wire.Or(p.Everyone, false) || filter.User != ""; {
	case others && !mayManageSessions(who):
		return nil, problem.Newf(problem.Forbidden, "sessions of other people need the role admin in all pools")
	case !others && who.Session == nil: // an API key has no sessions
		_, err := store.CursorKey(page(p.Limit, p.Cursor), "sessions")
		return apiserver.ListSessions200JSONResponse{Items: []api.Session{}}, err
	case !others:
		filter.Issuer, filter.Subject = who.Session.Issuer, who.Session.Subject
	}
	sessions, next, err := h.store.ListSessions(ctx, filter, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return apiserver.ListSessions200JSONResponse{
		Items:      wire.Each(sessions, func(s store.Session) api.Session { return wire.Session(s, view) }),
		NextCursor: wire.OrNil(next),
	}, nil
}

// RevokeSession ends a session of the caller, or any for an admin.
func (h *Handler) RevokeSession(
	ctx context.Context, r apiserver.RevokeSessionRequestObject,
) (apiserver.RevokeSessionResponseObject, error) {
	who, id := access.From(ctx), r.Session
	if id == currentSession {
		if who.Session == nil {
			return nil, problem.Newf(problem.NotFound, "this request has no session: it uses an API key")
		}
		id = who.KeyID
	}
	missing := problem.Newf(problem.NotFound, "session %q does not exist or was revoked", id)
	session, err := h.store.GetSession(ctx, id)
	if store.IsCode(err, store.NotFound) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	if !ownSession(who, session) && !mayManageSessions(who) {
		return nil, missing // as if it did not exist, so that IDs cannot be probed
	}
	if err := h.store.RevokeSession(ctx, id, who.Name, ""); err != nil {
		return nil, err
	}
	if h.People != nil && id == who.KeyID {
		return signedOut{signin.NewCookies(h.People.Config())}, nil
	}
	return apiserver.RevokeSession204Response{}, nil
}

// signedOut makes a browser forget its session.
type signedOut struct{ cookies signin.Cookies }

// VisitRevokeSessionResponse writes the answer.
func (s signedOut) VisitRevokeSessionResponse(w http.ResponseWriter) error {
	s.cookies.ClearSession(w)
	return apiserver.RevokeSession204Response{}.VisitRevokeSessionResponse(w)
}

func ownSession(who access.Principal, s *store.Session) bool {
	return who.Session != nil && who.Session.Issuer == s.Person.Issuer &&
		who.Session.Subject == s.Person.Subject
}

// mayManageSessions reports whether the caller may see and revoke the sessions of others.
func mayManageSessions(who access.Principal) bool {
	return who.RoleIn(access.AllPools) == api.RoleAdmin
}

// RevokeSessions ends all sessions of a person.
func (h *Handler) RevokeSessions(
	ctx context.Context, r apiserver.RevokeSessionsRequestObject,
) (apiserver.RevokeSessionsResponseObject, error) {
	who := access.From(ctx)
	filter := store.SessionFilter{User: wire.Or(r.Body.User, "")}
	view := h.sessionView(ctx)
	filter.ActiveAt, filter.Idle = view.Now, view.Idle
	switch {
	case filter.User != "" && !mayManageSessions(who):
		return nil, problem.Newf(problem.Forbidden, "sessions of other people need the role admin in all pools")
	case filter.User == "" && who.Session == nil:
		return nil, problem.Newf(problem.NotFound, "an API key has no sessions; name a user").
			At("/user", "is missing")
	case filter.User == "":
		filter.Issuer, filter.Subject = who.Session.Issuer, who.Session.Subject
	}
	revoked, err := h.store.RevokeSessions(ctx, filter, who.Name)
	if err != nil {
		return nil, err
	}
	if revoked == 0 {
		return nil, problem.Newf(problem.NotFound, "%q has no active session", filter.User)
	}
	return apiserver.RevokeSessions200JSONResponse{Revoked: int32(revoked)}, nil
}
