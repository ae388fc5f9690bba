package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// touchEvery is the precision of a session's last use.
const touchEvery = time.Minute

// Sessions is the part of the store that the Service needs.
type Sessions interface {
	CreateSession(ctx context.Context, s store.Session, replaced string) error
	GetSession(ctx context.Context, id string) (*store.Session, error)
	UpdateSessionLastUsed(ctx context.Context, id string, at time.Time) error
	ClaimSessionCheck(ctx context.Context, s store.Session, until time.Time) (bool, error)
	UpdateSessionChecked(ctx context.Context, s store.Session) error
	RevokeSession(ctx context.Context, id, by, why string) error
	RevokeSessions(ctx context.Context, f store.SessionFilter, by string) (int, error)
}

// Service signs people in and authenticates their sessions. It is safe for concurrent use.
type Service struct {
	config   Config
	grants   *Grants
	sessions Sessions
	provider *provider
	now      func() time.Time
	logger   *slog.Logger
	counts   Counter
}

// Counter counts sign-ins by flow (browser, device, recheck) and result (ok, refused, failed, unreachable).
type Counter interface{ SignIn(flow, result string) }

// Options of a Service.
type Options struct {
	Config   Config // with its defaults
	Grants   *Grants
	Sessions Sessions
	Now      func() time.Time
	Logger   *slog.Logger
	Counter  Counter
}

// New returns a Service. It does not call the provider.
func New(o Options) (*Service, error) {
	provider, err := newProvider(o.Config, o.Now)
	if err != nil {
		return nil, err
	}
	return &Service{
		config: o.Config, grants: o.Grants, sessions: o.Sessions, provider: provider, now: o.Now, logger: o.Logger,
		counts: o.Counter,
	}, nil
}

// Close ends idle connections to the provider.
func (s *Service) Close() { s.provider.http.CloseIdleConnections() }

// Config returns the configuration.
func (s *Service) Config() Config { return s.config }

// check refuses a person who may not sign in.
func (s *Service) check(p store.Person) error {
	if err := s.config.allowed(p); err != nil {
		return &RefusedError{Reason: err.Error()}
	}
	if len(s.grants.Of(p)) == 0 {
		return &RefusedError{Reason: p.Actor + " may not use this server: no group of this person has a role here. " +
			"An administrator gives roles to groups in the server's access file"}
	}
	return nil
}

// SignIn is a person who has just signed in, and with what.
type SignIn struct {
	Person       store.Person
	RefreshToken string
	IDToken      string
	Kind         store.SessionKind
	Client       string // program and machine
	Address      string
	// Replaces is the token that this client had before; its session ends. Zero if it had none.
	Replaces apikey.Key
}

// Create creates a session. Its token is always new, so that a token that was planted in a client before the
// sign-in gains nothing.
func (s *Service) Create(ctx context.Context, in SignIn) (apikey.Key, *store.Session, error) {
	now := s.now()
	token, err := apikey.NewSessionToken(now, rand.Reader)
	if err != nil {
		return token, nil, err
	}
	refresh, err := sealToken(token, in.RefreshToken)
	if err != nil {
		return token, nil, err
	}
	idToken := ""
	if in.Kind == store.SessionBrowser { // only a browser can sign out at the provider
		if idToken, err = sealToken(token, in.IDToken); err != nil {
			return token, nil, err
		}
	}
	session := store.Session{
		ID: token.ID, SecretHash: token.Hash(), Kind: in.Kind, Person: in.Person,
		Client: apikey.Mask(clip(in.Client)), Address: in.Address,
		CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(s.config.SessionMaxAge), CheckedAt: now,
		CheckFrom: now.Add(s.config.Recheck), RefreshToken: refresh, IDToken: idToken,
	}
	ctx = store.WithOrigin(ctx, store.Origin{
		Kind: store.ActorPerson, KeyID: token.ID, Address: in.Address,
	})
	if err := s.sessions.CreateSession(ctx, session, s.replaced(ctx, in.Replaces)); err != nil {
		return token, nil, err
	}
	s.logger.Info("signed in", "user", in.Person.Actor, "session", token.ID, "kind", string(in.Kind))
	return token, &session, nil
}

// replaced returns the ID of the session that a client had. A token whose secret is wrong ends nothing.
func (s *Service) replaced(ctx context.Context, token apikey.Key) string {
	if token.ID == "" {
		return ""
	}
	if old, err := s.sessions.GetSession(ctx, token.ID); err == nil && token.Matches(old.SecretHash) {
		return token.ID
	}
	return ""
}

// Authenticate returns the principal of a session token. Nothing is cached: a revocation counts at once, on
// every server.
func (s *Service) Authenticate(
	ctx context.Context, token apikey.Key, kind store.SessionKind,
) (access.Principal, error) {
	session, err := s.sessions.GetSession(ctx, token.ID)
	var missing *store.Error
	if errors.As(err, &missing) && missing.Code == store.NotFound {
		session, err = &store.Session{}, nil
	}
	if err != nil {
		return access.Principal{}, err
	}
	if session.Kind != kind {
		session = &store.Session{} // a token counts only where it was issued for
	}
	if reason := s.dead(session, token); reason != "" {
		return access.Principal{}, problem.Newf(problem.Unauthenticated, "%s", reason)
	}
	s.touch(ctx, session)
	if session, err = s.recheck(ctx, token, session); err != nil {
		return access.Principal{}, err
	}
	grants := s.grants.Of(session.Person)
	if len(grants) == 0 {
		return access.Principal{}, problem.Newf(problem.Forbidden,
			"%s has no role on this server any more", session.Person.Actor)
	}
	return principal(token, session, grants), nil
}

// dead says why a session is over; empty if it is not. An unknown session and a wrong secret get the same
// reason, so that IDs cannot be probed.
func (s *Service) dead(session *store.Session, token apikey.Key) string {
	const again = "; sign in again"
	now := s.now()
	switch {
	case !token.Matches(session.SecretHash):
		return "the session is not valid" + again
	case session.RevokedAt != nil:
		return "the session was revoked" + again
	case !now.Before(session.ExpiresAt):
		return "the session has expired" + again
	case now.Sub(session.LastUsedAt) >= s.config.SessionIdle:
		return "the session has expired, because it was not used for " + period(s.config.SessionIdle) + again
	case session.Person.Issuer != s.config.Issuer:
		return "the session belongs to another sign-in provider" + again
	}
	return ""
}

func period(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}

func (s *Service) touch(ctx context.Context, session *store.Session) {
	now := s.now()
	if now.Sub(session.LastUsedAt) < touchEvery {
		return
	}
	err := s.sessions.UpdateSessionLastUsed(context.WithoutCancel(ctx), session.ID, now)
	if err != nil {
		s.logger.Warn("cannot store the last use of a session", "session", session.ID, "error", err)
	}
}
