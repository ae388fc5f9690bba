package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

const publicURL = "https://berth.example.com"

func withPublicURL(o *server.Options) { o.PublicURL = publicURL }

// relyingParty is a client that reaches the server under its public URL, as a cloud or a vault would.
func (r *running) relyingParty() context.Context {
	r.t.Helper()
	target, err := url.Parse(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	return oidc.ClientContext(r.t.Context(), &http.Client{Transport: redirected{target, r.http.Transport}})
}

type redirected struct {
	target *url.URL
	next   http.RoundTripper
}

func (d redirected) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme+"://"+request.URL.Host != publicURL {
		return nil, fmt.Errorf("asked %s", request.URL)
	}
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host = d.target.Scheme, d.target.Host
	return d.next.RoundTrip(request)
}

// job is a run with an active attempt and its key.
type job struct {
	*running
	claim  api.Claim
	worker aWorker
}

// startJob starts a run in the pool local, which grants tokens for the audiences.
func startJob(t *testing.T, audiences string) job {
	t.Helper()
	r := start(t, withPublicURL)
	r.deploy("etl", "")
	r.grantAudiences("local", audiences)
	r.startRun("etl", `{}`)
	w := r.newWorker("w1")
	claim := w.claimKeyed()
	w.begin(claim)
	return job{r, claim, w}
}

func (r *running) grantAudiences(pool, audiences string) {
	r.t.Helper()
	r.call(http.MethodPatch, "/api/v1/work-pools/"+pool, `{"run_token_audiences":`+audiences+`}`).is(http.StatusOK)
}

func (j job) askAs(key, run, body string) answer {
	j.t.Helper()
	return j.send(j.request(key, http.MethodPost, "/api/v1/runs/"+run+"/token", body))
}

func (j job) ask(body string) answer {
	j.t.Helper()
	return j.askAs(*j.claim.JobKey, j.claim.RunID.String(), body)
}

func (j job) token(audience string) string {
	j.t.Helper()
	return read[api.RunToken](j.ask(`{"audience":"` + audience + `"}`).is(http.StatusCreated)).Token
}

func (j job) introspect(key, token string) api.RunTokenIntrospection {
	j.t.Helper()
	body, err := json.Marshal(api.RunTokenIntrospect{Token: token})
	if err != nil {
		j.t.Fatal(err)
	}
	return read[api.RunTokenIntrospection](j.send(
		j.request(key, http.MethodPost, "/api/v1/run-tokens/introspect", string(body))).is(http.StatusOK))
}

func TestRelyingPartyVerifiesARunTokenOverDiscoveryAndThroughRotation(t *testing.T) {
	t.Parallel()
	j := startJob(t, `["vault"]`)
	ctx := j.relyingParty()
	provider, err := oidc.NewProvider(ctx, publicURL)
	if err != nil {
		t.Fatal(err)
	}
	verifier := provider.Verifier(&oidc.Config{ClientID: "vault"})

	first := j.token("vault")
	verified, err := verifier.Verify(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Pool, Deployment, Run string
		Attempt               int
		TemplateVersion       int `json:"template_version"`
	}
	if err := verified.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if verified.Subject != "pool:local:deployment:etl" || claims.Pool != "local" || claims.Deployment != "etl" ||
		claims.Run != j.claim.RunID.String() || claims.Attempt != 1 || claims.TemplateVersion != 1 {
		t.Errorf("got subject %s, %+v", verified.Subject, claims)
	}

	j.call(http.MethodPost, "/api/v1/signing-keys/rotate", `{}`).is(http.StatusOK)
	second := j.token("vault")
	if keyOf(t, first) == keyOf(t, second) {
		t.Error("the old key signs after the rotation")
	}
	for name, token := range map[string]string{"issued before": first, "issued after": second} {
		if _, err := verifier.Verify(ctx, token); err != nil {
			t.Errorf("token %s the rotation: %v", name, err)
		}
	}

	j.call(http.MethodPost, "/api/v1/signing-keys/rotate", `{"revoke":true}`).is(http.StatusOK)
	fresh, err := oidc.NewProvider(ctx, publicURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Verifier(&oidc.Config{ClientID: "vault"}).Verify(ctx, second); err == nil {
		t.Error("a token of a revoked key verifies")
	}
	if j.introspect(j.admin, second).Active {
		t.Error("a token of a revoked key is active")
	}
	if _, err := verifier.Verify(ctx, j.token("vault")); err != nil {
		t.Errorf("token of the new key: %v", err)
	}
}

func keyOf(t *testing.T, token string) string {
	t.Helper()
	header, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ Kid string }
	if err := json.Unmarshal(header, &h); err != nil {
		t.Fatal(err)
	}
	return h.Kid
}

func TestOnlyTheJobKeyOfTheRunGetsARunToken(t *testing.T) {
	t.Parallel()
	j := startJob(t, `["vault"]`)
	const body = `{"audience":"vault"}`
	run := j.claim.RunID.String()
	for name, key := range map[string]string{
		"admin": j.admin, "worker": j.running.worker,
		"operator": j.makeKey("op", api.RoleOperator), "editor": j.makeKey("ed", api.RoleEditor),
	} {
		if a := j.askAs(key, run, body); a.status != http.StatusForbidden {
			t.Errorf("%s: status %d: %s", name, a.status, a.body)
		}
	}
	j.askAs("", run, body).refused(http.StatusUnauthorized, "unauthenticated")

	other := j.startRun("etl", `{}`)
	j.askAs(*j.claim.JobKey, other.ID.String(), body).refused(http.StatusForbidden, "forbidden")
	j.ask(body).is(http.StatusCreated)
}

func TestRunTokenIsOnlyForAudiencesThatThePoolGrants(t *testing.T) {
	t.Parallel()
	j := startJob(t, `[]`)
	j.ask(`{"audience":"vault"}`).refused(http.StatusForbidden, "audience-not-granted")

	j.call(http.MethodPost, "/api/v1/work-pools",
		`{"name":"other","type":"process","run_token_audiences":["aws"]}`).is(http.StatusCreated)
	j.grantAudiences("local", `["vault","vault"]`)
	token := j.token("vault")
	for _, refused := range []string{"aws", "Vault", "vaul", "vault2"} {
		j.ask(`{"audience":"`+refused+`"}`).refused(http.StatusForbidden, "audience-not-granted")
	}
	for _, invalid := range []string{`{}`, `{"audience":""}`, `{"audience":"a b"}`, `{"audience":["vault"]}`,
		`{"audience":"vault","lifetime_seconds":3601}`, `{"audience":"vault","lifetime_seconds":1}`} {
		j.ask(invalid).refused(http.StatusBadRequest, "invalid-body")
	}

	if !j.introspect(j.admin, token).Active {
		t.Error("the token is not active")
	}
	j.grantAudiences("local", `[]`)
	j.ask(`{"audience":"vault"}`).refused(http.StatusForbidden, "audience-not-granted")
	if j.introspect(j.admin, token).Active {
		t.Error("the token is active after the pool no longer grants its audience")
	}
}

func TestRunTokenIsDeadWhenTheAttemptIs(t *testing.T) {
	t.Parallel()
	j := startJob(t, `["vault"]`)
	token := j.token("vault")
	viewer, elsewhere := j.makeKey("v", api.RoleViewer), j.makeKey("e", api.RoleViewer, "elsewhere")

	got := j.introspect(viewer, token)
	if !got.Active || *got.Sub != "pool:local:deployment:etl" || *got.Aud != "vault" || *got.Pool != "local" ||
		got.Run.String() != j.claim.RunID.String() || *got.Exp-*got.Iat != 600 {
		t.Errorf("got %+v", got)
	}
	if hidden := j.introspect(elsewhere, token); hidden.Active || hidden.Pool != nil {
		t.Errorf("a key of another pool sees %+v", hidden)
	}

	j.worker.finish(j.claim, 0, "")
	j.ask(`{"audience":"vault"}`).refused(http.StatusUnauthorized, "unauthenticated")
	if got := j.introspect(viewer, token); got.Active || got.Sub != nil {
		t.Errorf("after the end: %+v", got)
	}
}

func TestIntrospectionRefusesForgedTokens(t *testing.T) {
	t.Parallel()
	j := startJob(t, `["vault"]`)
	token := j.token("vault")
	parts := strings.Split(token, ".")
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, forged := range map[string]string{
		"no text at all":       "x",
		"algorithm none":       encode(`{"alg":"none"}`) + "." + parts[1] + ".",
		"HS256":                encode(`{"alg":"HS256","kid":"`+keyOf(t, token)+`"}`) + "." + parts[1] + "." + parts[2],
		"another payload":      parts[0] + "." + encode(`{"iss":"`+publicURL+`"}`) + "." + parts[2],
		"no signature":         parts[0] + "." + parts[1] + ".",
		"a key ID with a path": encode(`{"alg":"RS256","kid":"../../etc/passwd"}`) + "." + parts[1] + "." + parts[2],
		"a key of its own":     encode(`{"alg":"RS256","jku":"https://evil.example/jwks"}`) + "." + parts[1] + "." + parts[2],
	} {
		if j.introspect(j.admin, forged).Active {
			t.Errorf("%s: active", name)
		}
	}
}

func TestRunTokensAreAuditedOncePerAudienceAndStoredNowhere(t *testing.T) {
	t.Parallel()
	j := startJob(t, `["aws","vault"]`)
	for range 3 {
		j.token("vault")
	}
	j.token("aws")
	entries := read[api.AuditList](j.call(http.MethodGet, "/api/v1/audit?kind=run-token", "").is(http.StatusOK)).Items
	if len(entries) != 2 {
		t.Fatalf("%d entries", len(entries))
	}
	last := entries[0]
	if last.Name != j.claim.RunID.String() || *last.Pool != "local" || *last.Detail != "attempt 1, audience aws" {
		t.Errorf("got %+v", last)
	}
	pool := read[api.AuditList](j.call(http.MethodGet, "/api/v1/audit?kind=pool&action=update", "").is(http.StatusOK))
	if len(pool.Items) != 1 || pool.Items[0].Changes == nil {
		t.Errorf("the grant is not in the audit: %+v", pool.Items)
	}
}

func TestRunTokensAreOffWithoutAPublicURLAndSayHowToTurnThemOn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*server.Options)
		says   string
	}{
		"no public URL":   {func(*server.Options) {}, "--public-url"},
		"plain HTTP":      {func(o *server.Options) { o.PublicURL = "http://berth.example.com" }, "https://"},
		"URL with secret": {func(o *server.Options) { o.PublicURL = "https://a:b@berth.example.com" }, "HOST"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, test.change)
			for _, path := range []string{"/.well-known/openid-configuration", "/oauth/jwks", "/api/v1/signing-keys"} {
				problem := r.call(http.MethodGet, path, "").refused(http.StatusNotFound, "not-found")
				if !strings.Contains(*problem.Detail, test.says) {
					t.Errorf("%s: %s", path, *problem.Detail)
				}
			}
		})
	}
}

func TestSigningKeySurvivesARestartAndIsNotReadableFromTheDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := func() string {
		r := start(t, withPublicURL, func(o *server.Options) { o.DataDir = dir })
		keys := read[api.SigningKeyList](r.call(http.MethodGet, "/api/v1/signing-keys", "").is(http.StatusOK)).Items
		if len(keys) != 1 || keys[0].State != api.Signing {
			t.Fatalf("keys: %+v", keys)
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		return keys[0].ID
	}
	if first, second := key(), key(); first != second {
		t.Errorf("key %s, after the restart %s", first, second)
	}
}
