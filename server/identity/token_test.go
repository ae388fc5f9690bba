package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/berth-dev/berth/server/apikey"
)

// forger is a provider whose token endpoint answers with any ID token.
type forger struct {
	url    string
	key    *ecdsa.PrivateKey
	token  string
	issuer string // that discovery names; empty means url
}

func newForger(t *testing.T) *forger {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &forger{key: key}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	f.url = server.URL
	answer := func(path string, value func() any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(value()); err != nil {
				t.Error(err)
			}
		})
	}
	answer("/.well-known/openid-configuration", func() any {
		issuer := f.issuer
		if issuer == "" {
			issuer = f.url
		}
		return map[string]any{
			"issuer": issuer, "authorization_endpoint": f.url + "/auth", "token_endpoint": f.url + "/token",
			"jwks_uri": f.url + "/keys", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		}
	})
	answer("/keys", func() any {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: &f.key.PublicKey, KeyID: "one", Algorithm: "ES256", Use: "sig"},
		}}
	})
	answer("/token", func() any {
		return map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": f.token}
	})
	return f
}

type noCount struct{}

func (noCount) SignIn(string, string) {}

func (f *forger) service(t *testing.T, change func(*Config)) *Service {
	t.Helper()
	file := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(file, []byte("grants: [{group: g, role: viewer}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	grants, err := OpenGrants(file, logger)
	if err != nil {
		t.Fatal(err)
	}
	config := Config{Issuer: f.url, Client: Client{ID: "berth", Secret: "s"}, PublicURL: "https://berth.example.com"}
	if change != nil {
		change(&config)
	}
	if config, err = config.WithDefaults(); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Config: config, Grants: grants, Now: time.Now, Logger: logger, Counter: noCount{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func encoded(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // of maps of texts and numbers
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// signed signs claims with a key.
func signed(t *testing.T, key *ecdsa.PrivateKey, payload map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{}).WithHeader("kid", "one"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestOnlyAnIDTokenOfTheProviderForThisSignInCounts(t *testing.T) {
	f := newForger(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&f.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	s := f.service(t, nil)
	flow := NewCodeFlow()
	now := time.Now().Unix()
	valid := map[string]any{
		"iss": f.url, "aud": "berth", "sub": "u", "exp": now + 300, "iat": now, "nonce": flow.Nonce, "groups": []string{"g"},
	}
	with := func(name string, value any) string {
		payload := maps.Clone(valid)
		if payload[name] = value; value == nil {
			delete(payload, name)
		}
		return signed(t, f.key, payload)
	}
	// forged signs with HMAC under what is public of the provider's key.
	forged := func(secret []byte) string {
		text := encoded(map[string]any{"alg": "HS256", "kid": "one"}) + "." + encoded(valid)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	good := signed(t, f.key, valid)
	parts := strings.Split(good, ".")
	for name, test := range map[string]struct {
		token string
		want  string // part of the error; empty if it counts
	}{
		"valid":                             {good, ""},
		"valid, from a clock 30 s ahead":    {with("iat", now+30), ""},
		"valid, 30 s after its end":         {with("exp", now-30), ""},
		"for several clients, for this one": {with("aud", []string{"berth", "other"}), "another client"},
		"no signature, alg none":            {encoded(map[string]any{"alg": "none"}) + "." + parts[1] + ".", "not valid"},
		"HMAC under the public key in PEM": {
			forged(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})), "not valid",
		},
		"HMAC under the public key in DER": {forged(public), "not valid"},
		"HMAC under the client secret":     {forged([]byte("s")), "not valid"},
		"signed with another key":          {signed(t, other, valid), "not valid"},
		"claims changed after signing":     {parts[0] + "." + encoded(maps.Clone(valid)) + "x." + parts[2], "not valid"},
		"signature cut off":                {parts[0] + "." + parts[1] + ".", "not valid"},
		"for another client":               {with("aud", "other"), "not valid"},
		"of another issuer":                {with("iss", "https://evil.example"), "not valid"},
		"issued to another client":         {with("azp", "other"), "another client"},
		"expired":                          {with("exp", now-120), "expired"},
		"without an end":                   {with("exp", nil), "expired"},
		"issued in the future":             {with("iat", now+600), "future"},
		"not yet valid":                    {with("nbf", now+3600), "not valid"},
		"of another sign-in":               {with("nonce", "replayed"), "another sign-in"},
		"without a nonce":                  {with("nonce", nil), "another sign-in"},
		"without a person":                 {with("sub", nil), "names no person"},
		"bound to another access token":    {with("at_hash", "x"), "another access token"},
		"not a token":                      {"hello", "not valid"},
		"empty":                            {"", "no ID token"},
	} {
		t.Run(name, func(t *testing.T) {
			f.token = test.token
			signedIn, err := s.FinishCodeFlow(t.Context(), flow,
				url.Values{"state": {flow.State}, "code": {"c"}})
			person := signedIn.Person
			switch {
			case test.want == "" && (err != nil || person.Subject != "u"):
				t.Errorf("refused: %+v, %v", person, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want an error with %q", err, test.want)
			case err != nil && test.token != "" && len(test.token) > 20 && strings.Contains(err.Error(), test.token):
				t.Error("the error has the token")
			}
		})
	}
}

func TestAnAnswerOfAnotherIssuerIsRefused(t *testing.T) {
	f := newForger(t)
	s, flow := f.service(t, nil), NewCodeFlow()
	_, err := s.FinishCodeFlow(t.Context(), flow,
		url.Values{"state": {flow.State}, "code": {"c"}, "iss": {"https://evil.example"}})
	if err == nil || !strings.Contains(err.Error(), "another sign-in provider") {
		t.Errorf("got %v", err)
	}
	f.issuer = "https://evil.example"
	if _, err := f.service(t, nil).AuthURL(t.Context(), flow); err == nil ||
		!strings.Contains(err.Error(), "calls itself https://evil.example") {
		t.Errorf("a provider with another name: %v", err)
	}
}

func TestGroupClaims(t *testing.T) {
	for name, test := range map[string]struct {
		text, path, want string
	}{
		"list":             {`{"groups":["b","a","b"]}`, "groups", "[a b] true <nil>"},
		"one text":         {`{"groups":"a"}`, "groups", "[a] true <nil>"},
		"nested":           {`{"realm_access":{"roles":["a"]}}`, "realm_access.roles", "[a] true <nil>"},
		"name with dots":   {`{"https://x.y/groups":["a"]}`, "https://x.y/groups", "[a] true <nil>"},
		"missing":          {`{}`, "groups", "[] false <nil>"},
		"null":             {`{"groups":null}`, "groups", "[] false <nil>"},
		"numbers":          {`{"groups":[1]}`, "groups", `[] true claim "groups": want a list of texts`},
		"kept by provider": {`{"_claim_names":{"groups":"src1"}}`, "groups", "too many groups"},
	} {
		var c claims
		if err := json.Unmarshal([]byte(test.text), &c); err != nil {
			t.Fatal(err)
		}
		groups, found, err := c.groups(test.path)
		if got := strings.TrimSpace(fmt.Sprint(groups, found, err)); !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestAccessFiles(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		"grants: [{group: g, role: deployer, pools: [a, b]}, {user: Ada@Example.com, role: admin}]": "",
		"grants: [{role: admin}]":                         "either group or user",
		"grants: [{group: g, user: u, role: admin}]":      "either group or user",
		"grants: [{group: g, role: worker}]":              `role "worker": want viewer`,
		"grants: [{group: g}]":                            "want viewer",
		"grants: [{group: g, role: admin, pools: []}]":    "leave it out",
		"grants: [{group: g, role: admin, pools: ['*']}]": "leave it out",
		"grants: [{group: g, role: admin, pool: a}]":      "it has a list of grants",
		"grant: []": "it has a list of grants",
	} {
		_, err := ParseGrants([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestAChangedAccessFileIsReadAgainAndABrokenOneIsNot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.yaml")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("grants: [{group: g, role: viewer}]")
	grants, err := OpenGrants(file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	person := Config{}.person("i", "s", claims{}, []string{"g"})
	for _, step := range []struct{ text, want string }{
		{"grants: [{group: g, role: admin}]", "admin"}, {"grants: [{", "admin"}, {"grants: [{group: g, role: editor}]", "editor"},
	} {
		put(step.text)
		_, _ = grants.reload() // the error of the broken one is logged by Run
		if got := grants.Of(person)[0].Role; string(got) != step.want {
			t.Errorf("after %s: %s, want %s", step.text, got, step.want)
		}
	}
}

func TestARefreshTokenOpensOnlyWithTheTokenOfItsSession(t *testing.T) {
	one, two := sessionToken(t), sessionToken(t)
	sealed, err := sealToken(one, "refresh")
	if err != nil || strings.Contains(sealed, "refresh") {
		t.Fatalf("sealed as %s, %v", sealed, err)
	}
	if text, err := openToken(one, sealed); text != "refresh" || err != nil {
		t.Errorf("unsealed %q, %v", text, err)
	}
	if _, err := openToken(two, sealed); err == nil {
		t.Error("another session opens it")
	}
	for _, damaged := range []string{"", "x", sealed[:len(sealed)-2], "A" + sealed[1:]} {
		if text, err := openToken(one, damaged); err == nil && text == "refresh" && damaged != sealed {
			t.Errorf("%q is opened", damaged)
		}
	}
}

func TestConfigurations(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"good":                 {func(*Config) {}, ""},
		"issuer without TLS":   {func(c *Config) { c.Issuer = "http://login.example.com" }, "want https"},
		"issuer on loopback":   {func(c *Config) { c.Issuer = "http://127.0.0.1:5556" }, ""},
		"public URL with path": {func(c *Config) { c.PublicURL = "https://example.com/berth" }, "only at the root of a host"},
		"public URL over http": {func(c *Config) { c.PublicURL = "http://berth.example.com" }, "want https"},
		"no client":            {func(c *Config) { c.Client.ID = "" }, "client ID is empty"},
		"no openid":            {func(c *Config) { c.Scopes = []string{"email"} }, "lack openid"},
		"short idle time":      {func(c *Config) { c.SessionIdle = time.Minute }, "at least 5m"},
		"idle over max":        {func(c *Config) { c.SessionMaxAge = time.Hour }, "less than their idle time"},
		"constant checks":      {func(c *Config) { c.Recheck = time.Second }, "at least 1m"},
	} {
		c := Config{Issuer: "https://i.example.com", PublicURL: "https://b.example.com", Client: Client{ID: "berth"}}
		test.change(&c)
		_, err := c.WithDefaults()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestAllowedDomains(t *testing.T) {
	c := Config{AllowedDomains: []string{"example.com"}}
	for email, ok := range map[string]bool{
		"a@example.com": true, "a@evil.example": false, "a@evil.example@example.com": false, "a@sub.example.com": false,
		"example.com": false, "": false,
	} {
		p := c.person("i", "s", claims{"email": []byte(`"` + email + `"`), "email_verified": []byte("true")}, nil)
		if err := c.allowed(p); (err == nil) != ok {
			t.Errorf("%q: %v", email, err)
		}
	}
	unverified := c.person("i", "s", claims{"email": []byte(`"a@example.com"`)}, nil)
	if c.allowed(unverified) == nil || unverified.Actor != "user s" {
		t.Errorf("an unverified address counts: %+v", unverified)
	}
}

func sessionToken(t *testing.T) apikey.Key {
	t.Helper()
	token, err := apikey.NewSessionToken(time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
