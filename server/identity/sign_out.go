package identity

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/berth-dev/berth/server/openid"
	"github.com/berth-dev/berth/server/store"
)

// logoutTokenAge bounds how old a logout token may be, whatever its expiry, so that one that was kept cannot sign
// out a person who has signed in again since.
const logoutTokenAge = 5 * time.Minute

// hintMax keeps the address short enough for proxies. Without the hint the provider asks the person.
const hintMax = 4096

// SignOutURL is where a browser signs out at the provider and comes back from; empty if the provider has no such
// address or cannot be reached: Berth's own session is over either way. idToken is that of the session, which
// tells the provider whose session it is; empty if the client is not a browser.
func (s *Service) SignOutURL(ctx context.Context, idToken string) string {
	d, err := s.provider.discover(ctx)
	if err != nil {
		s.logger.Warn("cannot offer to sign out at the provider", "error", err)
		return ""
	}
	at, err := url.Parse(d.signOutURL)
	if err != nil || d.signOutURL == "" {
		return ""
	}
	query := at.Query()
	query.Set("client_id", s.config.Client.ID)
	query.Set("post_logout_redirect_uri", s.config.SignedOutURL())
	if idToken != "" && len(idToken) <= hintMax {
		query.Set("id_token_hint", idToken)
	}
	at.RawQuery = query.Encode()
	return at.String()
}

// SignedOutURL is where the provider sends browsers that have signed out there.
func (c Config) SignedOutURL() string { return c.PublicURL + "/" }

// SignOutByProvider ends the sessions that a logout token of the provider names (OpenID Connect Back-Channel
// Logout): those of one sign-in there, or all of a person. It returns how many.
func (s *Service) SignOutByProvider(ctx context.Context, raw string) (int, error) {
	d, err := s.provider.discover(ctx)
	if err != nil {
		return 0, err
	}
	token, err := s.verifyLogout(ctx, d, raw)
	if err != nil {
		return 0, err
	}
	if age := s.now().Sub(token.IssuedAt); age > logoutTokenAge || age < -openid.ClockSkew {
		return 0, &ProviderError{Name: s.config.ProviderName(), Detail: "its logout token is too old or from the future"}
	}
	filter := store.SessionFilter{Issuer: s.config.Issuer, Subject: token.Subject, ProviderSession: token.SessionID}
	ctx = store.WithOrigin(ctx, store.Origin{Kind: store.ActorSystem, Address: store.OriginOf(ctx).Address})
	ended, err := s.sessions.RevokeSessions(ctx, filter, endedByProvider)
	if err == nil {
		s.logger.Info("sessions ended by the sign-in provider", "subject", token.Subject, "sessions", ended)
	}
	return ended, err
}

// verifyLogout verifies a logout token, which is for one of Berth's registrations.
func (s *Service) verifyLogout(ctx context.Context, d *discovery, raw string) (*oidc.LogoutToken, error) {
	var failure error
	for _, client := range slices.Compact([]string{s.config.Client.ID, s.config.DeviceClient.ID}) {
		token, err := d.Verifier(&oidc.Config{
			ClientID: client, SupportedSigningAlgs: d.algorithms,
			Now: func() time.Time { return s.now().Add(-openid.ClockSkew) },
		}).VerifyLogout(s.provider.with(ctx), raw)
		if err == nil {
			return token, nil
		}
		failure = err
	}
	return nil, &ProviderError{Name: s.config.ProviderName(), Detail: "its logout token is not valid", Err: safe(failure)}
}
