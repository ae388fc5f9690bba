package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server/api"
)

func TestSigningOutOnThePageAlsoSignsOutAtTheProvider(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	b := c.browser()
	b.signIn("u-ada")
	token := b.cookie()
	out := read[api.SignedOut](b.call(http.MethodPost, "/api/v1/sign-out", "").is(http.StatusOK))
	if b.cookie() != "" {
		t.Error("the browser still has the cookie")
	}
	request := b.request("", http.MethodGet, "/api/v1/info", "")
	request.AddCookie(&http.Cookie{Name: "__Host-berth-session", Value: token})
	c.send(request).refused(http.StatusUnauthorized, "unauthenticated")

	if out.ProviderURL == nil || !strings.HasPrefix(*out.ProviderURL, c.provider.URL+"/end_session?") {
		t.Fatalf("the page is told %+v", out)
	}
	// The provider knows whose session it is from the ID token, and sends the browser back.
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a, _ := b.open(*out.ProviderURL)
	if back := a.is(http.StatusFound).header.Get("Location"); back != siteURL+"/" {
		t.Errorf("the provider sends the browser to %q", back)
	}
	if ended := c.provider.SignedOut(); len(ended) != 1 || ended[0] != "u-ada" {
		t.Errorf("the provider has signed out %v", ended)
	}
}

func TestSigningOutOnTheCommandLineShowsNoToken(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	token := c.device("u-bob").Token
	out := read[api.SignedOut](c.send(c.request(token, http.MethodPost, "/api/v1/sign-out", "")).is(http.StatusOK))
	there, err := url.Parse(*out.ProviderURL)
	if err != nil || there.Query().Get("client_id") != oidctest.ClientID || there.Query().Has("id_token_hint") {
		t.Errorf("the command line is told %+v, %v", there, err)
	}
	c.send(c.request(token, http.MethodPost, "/api/v1/sign-out", "")).refused(http.StatusUnauthorized, "unauthenticated")
	c.call(http.MethodPost, "/api/v1/sign-out", "").refused(http.StatusNotFound, "not-found") // a key
}

// logoutClaims are those of a logout token for a person.
func logoutClaims(subject string) map[string]any {
	return map[string]any{
		"aud": oidctest.ClientID, "sub": subject,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
}

func (c *company) logout(token string) answer {
	c.t.Helper()
	request := c.request("", http.MethodPost, "/sign-in/back-channel-logout", "logout_token="+url.QueryEscape(token))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.send(request)
}

func TestTheProviderSignsAPersonOut(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	one, two, other := c.device("u-bob").Token, c.browser(), c.device("u-ada").Token
	two.signIn("u-bob")
	c.logout(c.provider.Sign(t, logoutClaims("u-bob"))).is(http.StatusOK)
	c.send(c.request(one, http.MethodGet, "/api/v1/whoami", "")).refused(http.StatusUnauthorized, "unauthenticated")
	two.call(http.MethodGet, "/api/v1/whoami", "").refused(http.StatusUnauthorized, "unauthenticated")
	c.send(c.request(other, http.MethodGet, "/api/v1/whoami", "")).is(http.StatusOK)
	entries := read[api.AuditList](c.call(http.MethodGet, "/api/v1/audit?kind=session&action=delete", "").is(http.StatusOK)).Items
	if len(entries) != 2 || entries[0].ActorKind != api.ActorSystem || entries[0].Actor != "sign-in provider" {
		t.Errorf("the audit has %+v", entries)
	}
}

func TestOnlyALogoutTokenOfTheProviderSignsAPersonOut(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	bob := c.device("u-bob").Token
	good := logoutClaims("u-bob")
	for name, token := range map[string]string{
		"of another provider":   oidctest.Start(t).Sign(t, changed(good, map[string]any{"iss": c.provider.URL})),
		"for another client":    c.provider.Sign(t, changed(good, map[string]any{"aud": "other"})),
		"an ID token":           c.provider.Sign(t, map[string]any{"aud": oidctest.ClientID, "sub": "u-bob"}),
		"with a nonce":          c.provider.Sign(t, changed(good, map[string]any{"nonce": "n"})),
		"of ten minutes ago":    c.provider.Sign(t, changed(good, map[string]any{"iat": time.Now().Add(-10 * time.Minute).Unix()})),
		"expired":               c.provider.Sign(t, changed(good, map[string]any{"exp": time.Now().Add(-2 * time.Minute).Unix()})),
		"without a signature":   encoded(t, map[string]any{"alg": "none"}) + "." + encoded(t, good) + ".",
		"no token":              "x",
		"":                      "",
		"longer than any token": strings.Repeat("x", 70_000),
	} {
		c.clock.forward(time.Second) // the rate of one address
		if a := c.logout(token); a.status != http.StatusBadRequest {
			t.Errorf("%s: status %d: %s", name, a.status, a.body)
		}
	}
	c.send(c.request(bob, http.MethodGet, "/api/v1/whoami", "")).is(http.StatusOK)
}
