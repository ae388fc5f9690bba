package signin

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/identity"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// Paths of the two pages, and the one at which the provider ends sessions.
const (
	BeginPath             = "/sign-in"
	CallbackPath          = "/sign-in/callback"
	BackChannelLogoutPath = "/sign-in/back-channel-logout"
)

const (
	// flowLifetime is how long a person may take at the provider.
	flowLifetime = 10 * time.Minute
	// callbacksPerSecond bounds the calls of the provider that strangers at one address can cause.
	callbacksPerSecond = 5
	// toMax bounds the place in the page to return to.
	toMax = 500
	// logoutBodyMax and logoutBodyTime bound the form of a back-channel logout.
	logoutBodyMax  = 64 << 10
	logoutBodyTime = 10 * time.Second
)

// Site serves the sign-in of one server.
type Site struct {
	people    *identity.Service
	cookies   Cookies
	callbacks *access.Limiter
	// Failed answers with the page of a sign-in that failed. The text is plain: nothing of the request is in it.
	Failed func(w http.ResponseWriter, r *http.Request, status int, message string)
}

// New returns a Site.
func New(people *identity.Service, now func() time.Time) *Site {
	return &Site{
		people: people, cookies: NewCookies(people.Config()),
		callbacks: access.NewLimiter(callbacksPerSecond, now),
	}
}

// Begin sends a browser to the provider.
func (s *Site) Begin(w http.ResponseWriter, r *http.Request) {
	flow := identity.NewCodeFlow()
	address, err := s.people.AuthURL(r.Context(), flow)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.cookies.set(w, s.cookies.flow, encodeFlow(flow, r.URL.Query().Get("to")), flowLifetime)
	redirect(w, address)
}

// Callback is where the provider sends the browser back to.
func (s *Site) Callback(w http.ResponseWriter, r *http.Request) {
	flow, to, ok := decodeFlow(value(r, s.cookies.flow))
	s.cookies.set(w, s.cookies.flow, "", 0) // it works once
	if !ok {
		flow = identity.CodeFlow{}
	}
	if s.callbacks.Take(address(r), 1) > 0 {
		s.fail(w, r, problem.Newf(problem.RateLimited, "too many sign-ins from this address; wait a moment"))
		return
	}
	token, err := s.signIn(r, flow)
	if err != nil {
		s.people.CountSignIn("browser", err)
		s.fail(w, r, err)
		return
	}
	s.people.CountSignIn("browser", nil)
	s.cookies.set(w, s.cookies.session, token.Text, s.cookies.lifetime)
	redirect(w, target(to))
}

func (s *Site) signIn(r *http.Request, flow identity.CodeFlow) (apikey.Key, error) {
	// The code works once, so that a browser that disconnects must not leave half a sign-in.
	ctx := context.WithoutCancel(r.Context())
	signedIn, err := s.people.FinishCodeFlow(ctx, flow, r.URL.Query())
	if err != nil {
		return apikey.Key{}, err
	}
	// A browser without a session has no cookie, and a broken one names no session.
	old, _ := apikey.ParseSessionToken(value(r, s.cookies.session))
	signedIn.Kind, signedIn.Client = store.SessionBrowser, r.UserAgent()
	signedIn.Address, signedIn.Replaces = address(r), old
	token, _, err := s.people.Create(ctx, signedIn)
	return token, err
}

// BackChannelLogout ends the sessions that the provider says are over. The token in the body is all that counts,
// so that requests of browsers can do no more than those of others.
func (s *Site) BackChannelLogout(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if s.callbacks.Take("logout "+address(r), 1) > 0 {
		http.Error(w, "too many requests from this address", http.StatusTooManyRequests)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, logoutBodyMax)
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(logoutBodyTime)); err != nil {
		http.Error(w, "cannot read the request", http.StatusInternalServerError)
		return
	}
	token := r.PostFormValue("logout_token")
	if token == "" {
		http.Error(w, "no logout_token in the form", http.StatusBadRequest)
		return
	}
	ctx := store.WithOrigin(r.Context(), store.Origin{Address: address(r)})
	if _, err := s.people.SignOutByProvider(ctx, token); err != nil {
		s.people.LogFailure(err)
		refusal := problem.From(identity.Problem(err))
		status := http.StatusBadRequest
		if refusal.Code != problem.SignInFailed {
			status = http.StatusServiceUnavailable
		}
		http.Error(w, refusal.Detail, status)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// target is the place of the site to return to, relative to the callback, so that it works below the path of a proxy. It
// always stays on this server, whatever the text.
func target(to string) string {
	const root = "../"
	parsed, err := url.Parse(to)
	if err != nil || parsed.Scheme != "" || parsed.Host != "" || len(to) > toMax || !strings.HasPrefix(to, "/") ||
		strings.HasPrefix(to, "//") || strings.HasPrefix(to, "/..") || strings.ContainsFunc(to, notInAddress) {
		return root
	}
	return root + to[1:]
}

// notInAddress reports whether a character may not stand in an address as it is.
func notInAddress(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", c)
}

// redirect sends a browser on. A relative address is kept as it is: a proxy may serve the site below a path.
func redirect(w http.ResponseWriter, to string) {
	protect(w)
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// protect keeps codes in addresses away from caches and from other sites.
func protect(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
}

func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// fail shows a person why the sign-in failed. The cause of a server error is only logged.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	refusal := problem.From(identity.Problem(err))
	s.people.LogFailure(err)
	status := http.StatusForbidden
	switch refusal.Code {
	case problem.RateLimited:
		status = http.StatusTooManyRequests
	case problem.ProviderUnavailable, problem.Unavailable:
		status = http.StatusServiceUnavailable
	case problem.Internal:
		status = http.StatusInternalServerError
	}
	protect(w)
	s.Failed(w, r, status, refusal.Detail)
}
