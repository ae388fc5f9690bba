package oidctest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"golang.org/x/text/language"
)

// The registration of Berth at the provider.
const (
	ClientID     = "berth"
	ClientSecret = "hush-hush-client-secret"
)

// User of the provider. The key of a user is their subject.
type User struct {
	Subject       string
	Email         string
	EmailVerified bool
	Name          string
	Groups        []string
	// Disabled users cannot sign in or renew.
	Disabled bool
}

// Provider is a running provider.
type Provider struct {
	URL      string // the issuer
	requests sync.Map
	down     atomic.Bool
	storage  *storage
}

// Start starts a provider that ends with the test.
func Start(t testing.TB, users ...User) *Provider {
	t.Helper()
	s, err := newStorage(users)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{storage: s}
	mux := http.NewServeMux()
	server := httptest.NewServer(p.watch(mux))
	t.Cleanup(server.Close)
	p.URL = server.URL
	provider, err := op.NewProvider(&op.Config{
		CryptoKey: sha256.Sum256([]byte(t.Name())), CodeMethodS256: true, AuthMethodPost: true,
		GrantTypeRefreshToken: true, SupportedUILocales: []language.Tag{language.English},
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: 5 * time.Minute, PollInterval: time.Second, UserFormPath: "/device", UserCode: op.UserCodeBase20,
		},
	}, s, op.StaticIssuer(p.URL), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("/", provider)
	// The provider's page for user name and password: whoever SignInAs named is there already.
	callback := op.AuthCallbackURL(provider)
	mux.Handle("/login", op.NewIssuerInterceptor(provider.IssuerFromRequest).HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			id := r.URL.Query().Get("id")
			if !s.authenticate(id) {
				http.Error(w, "wrong user name or password", http.StatusForbidden)
				return
			}
			http.Redirect(w, r, callback(r.Context(), id), http.StatusFound)
		}))
	return p
}

// watch counts requests and answers nothing useful while the provider is down.
func (p *Provider) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count, _ := p.requests.LoadOrStore(r.URL.Path, new(atomic.Int64))
		count.(*atomic.Int64).Add(1)
		if p.down.Load() {
			http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Requests returns the number of requests to a path.
func (p *Provider) Requests(path string) int64 {
	count, ok := p.requests.Load(path)
	if !ok {
		return 0
	}
	return count.(*atomic.Int64).Load()
}

// SetDown takes the provider down or up again.
func (p *Provider) SetDown(down bool) { p.down.Store(down) }

// Register adds the address that the provider may send browsers to.
func (p *Provider) Register(redirect string) {
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	p.storage.redirects = append(p.storage.redirects, redirect)
}

// SignInAs puts a user in front of the provider's page; an empty subject fails there.
func (p *Provider) SignInAs(subject string) {
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	p.storage.present = subject
}

// ChangeUser changes a user, or adds one.
func (p *Provider) ChangeUser(subject string, change func(*User)) {
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	user := p.storage.users[subject]
	user.Subject = subject
	change(&user)
	p.storage.users[subject] = user
}

// Approve lets a user complete a device flow by its user code.
func (p *Provider) Approve(t testing.TB, userCode, subject string) {
	t.Helper()
	if !p.storage.decide(userCode, func(state *op.DeviceAuthorizationState) {
		state.Subject, state.Done, state.AuthTime = subject, true, time.Now()
	}) {
		t.Errorf("the provider does not know the user code %q", userCode)
	}
}

// Deny lets a user refuse a device flow.
func (p *Provider) Deny(t testing.TB, userCode string) {
	t.Helper()
	if !p.storage.decide(userCode, func(state *op.DeviceAuthorizationState) { state.Denied = true }) {
		t.Errorf("the provider does not know the user code %q", userCode)
	}
}

// ExpireDevice lets a device code expire.
func (p *Provider) ExpireDevice(t testing.TB, userCode string) {
	t.Helper()
	if !p.storage.decide(userCode, func(state *op.DeviceAuthorizationState) {
		state.Expires = time.Now().Add(-time.Second)
	}) {
		t.Errorf("the provider does not know the user code %q", userCode)
	}
}

// UserCodes lists the user codes of device flows, the newest last.
func (p *Provider) UserCodes() []string {
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	return append([]string{}, p.storage.userCodes...)
}

// SignedOut lists who has signed out at the provider, by subject.
func (p *Provider) SignedOut() []string {
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	return append([]string{}, p.storage.signedOut...)
}

// RotateKey makes the provider sign with a new key.
func (p *Provider) RotateKey(t testing.TB) {
	t.Helper()
	key, err := newSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	p.storage.key = key
}

// Sign returns a token with these claims, signed with the provider's key. iss, exp, iat and jti are added if they are
// missing, unless without names them.
func (p *Provider) Sign(t testing.TB, claims map[string]any, without ...string) string {
	t.Helper()
	p.storage.mu.Lock()
	key := p.storage.key
	p.storage.mu.Unlock()
	now := time.Now()
	all := map[string]any{
		"iss": p.URL, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(tokenLifetime).Unix(), "jti": rand.Text(),
	}
	maps.Copy(all, claims)
	for _, name := range without {
		delete(all, name)
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key.key, KeyID: key.id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(all).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// KeySet is the provider's key set, as JSON.
func (p *Provider) KeySet(t testing.TB) []byte {
	t.Helper()
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
		Key: &p.storage.key.key.PublicKey, KeyID: p.storage.key.id, Algorithm: string(jose.ES256), Use: "sig",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Secrets are all tokens and codes that the provider has issued.
func (p *Provider) Secrets() []string {
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	return append([]string{ClientSecret}, p.storage.issued...)
}

// HostOf returns the host of the provider's URL.
func (p *Provider) HostOf() string {
	parsed, err := url.Parse(p.URL)
	if err != nil {
		return ""
	}
	return parsed.Host
}

// client is Berth's registration.
type client struct{ redirects []string }

func (client) GetID() string                                                { return ClientID }
func (c client) RedirectURIs() []string                                     { return c.redirects }
func (c client) PostLogoutRedirectURIs() []string                           { return c.signedOut() }
func (client) ApplicationType() op.ApplicationType                          { return op.ApplicationTypeWeb }
func (client) AuthMethod() oidc.AuthMethod                                  { return oidc.AuthMethodBasic }
func (client) ResponseTypes() []oidc.ResponseType                           { return []oidc.ResponseType{oidc.ResponseTypeCode} }
func (client) LoginURL(id string) string                                    { return "/login?id=" + id }
func (client) AccessTokenType() op.AccessTokenType                          { return op.AccessTokenTypeBearer }
func (client) IDTokenLifetime() time.Duration                               { return 24 * time.Hour } // tests move the clock of the server
func (client) DevMode() bool                                                { return true }           // http on loopback
func (client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return keep }
func (client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return keep }
func (client) IsScopeAllowed(scope string) bool                             { return scope == "groups" }
func (client) IDTokenUserinfoClaimsAssertion() bool                         { return true }
func (client) ClockSkew() time.Duration                                     { return 0 }
func (client) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
}

// signedOut is where browsers may go after a sign-out: the root of each redirect.
func (c client) signedOut() []string {
	var roots []string
	for _, redirect := range c.redirects {
		roots = append(roots, strings.TrimSuffix(redirect, "sign-in/callback"))
	}
	return roots
}

func keep(scopes []string) []string { return scopes }
