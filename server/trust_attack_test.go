package server_test

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
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// encoded is a part of a token.
func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// changed returns claims with some replaced; nil removes one.
func changed(claims map[string]any, changes map[string]any) map[string]any {
	all := maps.Clone(claims)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// TestOnlyATokenOfTheTrustedIssuerForThisServerCounts tries what an attacker has: public keys, genuine tokens for
// others, another issuer and other keys.
func TestOnlyATokenOfTheTrustedIssuerForThisServerCounts(t *testing.T) {
	t.Parallel()
	w := startCI(t)
	w.trust("ci", `{"sub":["repo:acme/etl:ref:refs/heads/main"]}`, "")
	evil := oidctest.Start(t)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// Where the attacker would like the server to look.
	var asked atomic.Int64
	lure := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer lure.Close()

	now := time.Now()
	good := githubClaims()
	full := changed(good, map[string]any{"iss": w.issuer.URL, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	with := func(changes map[string]any) string { return w.issuer.Sign(t, changed(good, changes)) }
	// forge signs the claims with the attacker's key under a header of their choice.
	forge := func(header map[string]any) string {
		header["alg"] = "ES256"
		options := &jose.SignerOptions{}
		for name, value := range header {
			if name != "alg" {
				options.WithHeader(jose.HeaderKey(name), value)
			}
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: own}, options)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(full)
		signed, err := signer.Sign(text)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.issuer.KeySet(t), &set); err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(set.Keys[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	kid := set.Keys[0].KeyID
	confused := func(secret []byte) string {
		text := encoded(t, map[string]any{"alg": "HS256", "kid": kid}) + "." + encoded(t, full)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	parts := strings.Split(w.issuer.Sign(t, good), ".")
	for name, test := range map[string]struct{ token, want string }{
		"no signature, alg none":       {encoded(t, map[string]any{"alg": "none"}) + "." + encoded(t, full) + ".", "not valid"},
		"alg None, written otherwise":  {encoded(t, map[string]any{"alg": "nOnE"}) + "." + encoded(t, full) + ".", "not valid"},
		"HMAC under the public PEM":    {confused(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})), "algorithm"},
		"HMAC under the public DER":    {confused(public), "algorithm"},
		"HMAC under nothing":           {confused(nil), "algorithm"},
		"signature cut off":            {parts[0] + "." + parts[1] + ".", "not valid"},
		"claims changed":               {parts[0] + "." + encoded(t, full) + "." + parts[2], "signature"},
		"the attacker's key":           {forge(map[string]any{"kid": kid}), "signature"},
		"no key ID":                    {forge(map[string]any{}), "signature"},
		"a key ID that is a path":      {forge(map[string]any{"kid": "../../../../dev/null"}), "signature"},
		"a key ID that is SQL":         {forge(map[string]any{"kid": "x' UNION SELECT 'a' --"}), "signature"},
		"the key in the header":        {forge(map[string]any{"jwk": jose.JSONWebKey{Key: &own.PublicKey}}), "signature"},
		"keys at an address (jku)":     {forge(map[string]any{"jku": lure.URL + "/keys"}), "signature"},
		"a certificate at an address":  {forge(map[string]any{"x5u": lure.URL + "/cert"}), "signature"},
		"an unknown critical header":   {forge(map[string]any{"crit": []string{"x"}, "x": 1}), "signature"},
		"another issuer, its own name": {evil.Sign(t, good), "no trust rule is for the issuer"},
		"another issuer, this name":    {evil.Sign(t, changed(good, map[string]any{"iss": w.issuer.URL})), "signature"},
		"an issuer with a slash":       {with(map[string]any{"iss": w.issuer.URL + "/"}), "no trust rule is for the issuer"},
		"for another audience":         {with(map[string]any{"aud": "https://other.example.com"}), "no trust rule accepts"},
		"for no audience":              {with(map[string]any{"aud": nil}), "no trust rule accepts"},
		"a pull request":               {with(map[string]any{"sub": "repo:acme/etl:pull_request"}), "no trust rule accepts"},
		"a repository named alike":     {with(map[string]any{"sub": "repo:acme/etl-evil:ref:refs/heads/main"}), "no trust rule accepts"},
		"a subject with a line break":  {with(map[string]any{"sub": "repo:acme/etl:ref:refs/heads/main\n"}), "not printable"},
		"no subject":                   {with(map[string]any{"sub": nil}), "subject"},
		"expired":                      {with(map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}), "expired"},
		"not valid yet":                {with(map[string]any{"nbf": now.Add(time.Hour).Unix()}), "not valid yet"},
		"issued in the future":         {with(map[string]any{"iat": now.Add(time.Hour).Unix(), "exp": now.Add(2 * time.Hour).Unix()}), "future"},
		"lives for a year":             {with(map[string]any{"exp": now.Add(365 * 24 * time.Hour).Unix()}), "lives for"},
		"not a token":                  {"hello", "not a signed"},
		"an encrypted token":           {"a.b.c.d.e", "not a signed"},
		"a token as JSON": {
			`{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
			"not a signed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			document := w.exchange(test.token).refused(http.StatusForbidden, "token-refused")
			if !strings.Contains(*document.Detail, test.want) {
				t.Errorf("got %q, want %q", *document.Detail, test.want)
			}
			if len(test.token) > 50 && strings.Contains(*document.Detail, test.token[:50]) {
				t.Error("the answer has the token")
			}
		})
	}
	if asked.Load() > 0 {
		t.Errorf("the server went %d times where a header sent it", asked.Load())
	}
	// Tokens with unknown key IDs do not make the server ask the issuer each time.
	if n := w.issuer.Requests("/keys"); n > 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
	w.exchange(strings.Repeat("x", 17_000)).refused(http.StatusBadRequest, "invalid-body", "/token")
	w.exchange(w.issuer.Sign(t, good)).is(http.StatusCreated)
}

func TestATokenWithoutAnEndOrABeginningIsRefused(t *testing.T) {
	t.Parallel()
	w := startCI(t)
	w.trust("ci", `{"sub":["repo:acme/etl:ref:refs/heads/main"]}`, "")
	for _, missing := range []string{"exp", "iat"} {
		token := w.issuer.Sign(t, changed(githubClaims(), nil), missing)
		w.exchange(token).refused(http.StatusForbidden, "token-refused")
	}
}

func TestARunTokenIsNotExchanged(t *testing.T) {
	t.Parallel()
	w := startCI(t)
	w.call(http.MethodPut, "/api/v1/trust-rules/own", `{"issuer":"`+ciAudience+`","claims":{"sub":["pool:local:*"]},
		"bindings":[{"role":"viewer","pool":"local"}]}`).
		refused(http.StatusUnprocessableEntity, "trust-rule-invalid", "/issuer")
	w.call(http.MethodPatch, "/api/v1/work-pools/local", `{"run_token_audiences":["`+ciAudience+`"]}`).is(http.StatusOK)
	w.deploy("etl", "")
	run := w.startRun("etl", `{}`)
	worker := w.newWorker("w")
	claim := worker.claimKeyed()
	worker.begin(claim)
	token := read[api.RunToken](w.as(*claim.JobKey, http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/token",
		`{"audience":"`+ciAudience+`"}`).is(http.StatusCreated)).Token
	document := w.exchange(token).refused(http.StatusForbidden, "token-refused")
	if !strings.Contains(*document.Detail, "run token of this server") {
		t.Errorf("got %q", *document.Detail)
	}
}

func TestASingleUseTokenIsExchangedOnce(t *testing.T) {
	t.Parallel()
	w := startCI(t)
	w.trust("ci", `{"sub":["repo:acme/etl:ref:refs/heads/main"]}`, `,"single_use":true`)
	token := w.issuer.Sign(t, githubClaims())
	w.exchange(token).is(http.StatusCreated)
	w.exchange(token).refused(http.StatusForbidden, "token-used")
	w.exchange(w.issuer.Sign(t, githubClaims())).is(http.StatusCreated)
}

func TestAnIssuerThatIsDownIsSaidToBe(t *testing.T) {
	t.Parallel()
	w := startCI(t)
	w.trust("ci", `{"sub":["repo:acme/etl:ref:refs/heads/main"]}`, "")
	w.issuer.SetDown(true)
	a := w.exchange(w.issuer.Sign(t, githubClaims()))
	document := a.refused(http.StatusServiceUnavailable, "issuer-unavailable")
	if !strings.Contains(*document.Detail, w.issuer.URL) || a.header.Get("Retry-After") == "" {
		t.Errorf("got %q", *document.Detail)
	}
	w.issuer.SetDown(false)
	w.clock.forward(6 * time.Second)
	w.exchange(w.issuer.Sign(t, githubClaims())).is(http.StatusCreated)

	// Known keys go on, also with a new one in between.
	w.issuer.SetDown(true)
	w.exchange(w.issuer.Sign(t, githubClaims())).is(http.StatusCreated)
	w.issuer.SetDown(false)
	w.issuer.RotateKey(t)
	w.clock.forward(40 * time.Second)
	w.exchange(w.issuer.Sign(t, githubClaims())).is(http.StatusCreated)
}

// TestAnIssuerCannotSendTheServerElsewhere has issuers whose documents lead to an address that only the server reaches.
func TestAnIssuerCannotSendTheServerElsewhere(t *testing.T) {
	t.Parallel()
	w := startCI(t)
	var asked atomic.Int64
	inner := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = rw.Write(w.issuer.KeySet(t))
	}))
	defer inner.Close()
	for name, test := range map[string]struct {
		serve func(url string, rw http.ResponseWriter, r *http.Request)
		want  string
	}{
		"keys at another host": {func(url string, rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(rw, `{"issuer":%q,"jwks_uri":%q}`, url, inner.URL+"/keys")
		}, "another host"},
		"a redirect of discovery": {func(_ string, rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, inner.URL, http.StatusFound)
		}, "cannot read the keys"},
		"a redirect of the keys": {func(url string, rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keys" {
				http.Redirect(rw, r, inner.URL, http.StatusFound)
				return
			}
			fmt.Fprintf(rw, `{"issuer":%q,"jwks_uri":%q}`, url, url+"/keys")
		}, "status 302"},
		"another name": {func(_ string, rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(rw, `{"issuer":"https://evil.example","jwks_uri":"https://evil.example/keys"}`)
		}, "calls itself"},
		"endless keys": {func(url string, rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keys" {
				for range 3 << 10 {
					if _, err := rw.Write([]byte(strings.Repeat(" ", 1<<10))); err != nil {
						return
					}
				}
				return
			}
			fmt.Fprintf(rw, `{"issuer":%q,"jwks_uri":%q}`, url, url+"/keys")
		}, "JSON Web Key Set"},
	} {
		t.Run(name, func(t *testing.T) {
			var url string
			issuer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Set("Content-Type", "application/json")
				test.serve(url, rw, r)
			}))
			defer issuer.Close()
			url = issuer.URL
			w.call(http.MethodPut, "/api/v1/trust-rules/x", fmt.Sprintf(
				`{"issuer":%q,"claims":{"sub":["a"]},"bindings":[{"role":"viewer","pool":"local"}]}`, url)).is(http.StatusOK)
			document := w.exchange(w.issuer.Sign(t, map[string]any{"iss": url, "sub": "a", "aud": ciAudience})).
				refused(http.StatusServiceUnavailable, "issuer-unavailable")
			if !strings.Contains(*document.Detail, test.want) {
				t.Errorf("got %q, want %q", *document.Detail, test.want)
			}
		})
	}
	if asked.Load() > 0 {
		t.Errorf("the server went elsewhere %d times", asked.Load())
	}
}

func TestExchangesOfOneAddressAreLimited(t *testing.T) {
	t.Parallel()
	w := startCI(t, func(o *server.Options) { o.RateLimit = 100 })
	limited := false
	for range 100 {
		if a := w.exchange("x.y.z"); a.status == http.StatusTooManyRequests {
			limited = true
			a.refused(http.StatusTooManyRequests, "rate-limited")
		}
	}
	if !limited {
		t.Error("a stranger may try as often as they like")
	}
}

func TestTokensAreNeitherStoredNorLogged(t *testing.T) {
	t.Parallel()
	var log logged
	w := startCI(t, func(o *server.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	w.trust("ci", `{"sub":["repo:acme/etl:ref:refs/heads/main"]}`, `,"single_use":true`)
	token := w.issuer.Sign(t, githubClaims())
	key := read[api.APIKeyCreated](w.exchange(token).is(http.StatusCreated)).Secret
	w.exchange(token).refused(http.StatusForbidden, "token-used")
	w.exchange(token[:len(token)-8]).refused(http.StatusForbidden, "token-refused")
	text := log.String()
	for _, path := range []string{"/api/v1/audit?limit=100", "/api/v1/api-keys?ended=true", "/api/v1/trust-rules"} {
		text += string(w.call(http.MethodGet, path, "").is(http.StatusOK).body)
	}
	parts := strings.Split(token, ".")
	for _, secret := range []string{parts[1], parts[2], key[len(key)-43:]} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret of %d characters is stored or logged", len(secret))
		}
	}
	if !strings.Contains(text, "repo:acme/etl") {
		t.Error("this test looks in the wrong places")
	}
}
