package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// ciWorld is a server beside an issuer of tokens.
type ciWorld struct {
	*running
	issuer *oidctest.Provider
	clock  *clock
}

const ciAudience = "https://berth.example.com"

func startCI(t *testing.T, change ...func(*server.Options)) *ciWorld {
	t.Helper()
	w := &ciWorld{issuer: oidctest.Start(t), clock: &clock{}}
	w.running = start(t, append([]func(*server.Options){func(o *server.Options) {
		o.PublicURL, o.Now = ciAudience, w.clock.now
	}}, change...)...)
	return w
}

// trust sets a trust rule for the issuer; more are additional JSON fields.
func (w *ciWorld) trust(name, claims, more string) api.TrustRuleChanged {
	w.t.Helper()
	return read[api.TrustRuleChanged](w.call(http.MethodPut, "/api/v1/trust-rules/"+name, fmt.Sprintf(
		`{"issuer":%q,"claims":%s,"bindings":[{"role":"deployer","pool":"local"}]%s}`, w.issuer.URL, claims, more),
	).is(http.StatusOK))
}

func (w *ciWorld) exchange(token string) answer {
	w.t.Helper()
	body, err := json.Marshal(api.TokenExchange{Token: token})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.send(w.request("", http.MethodPost, "/api/v1/token-exchange", string(body)))
}

func (w *ciWorld) as(key, method, path, body string) answer {
	w.t.Helper()
	return w.send(w.request(key, method, path, body))
}

// The claims that the three kinds of issuers put into their tokens.
func githubClaims() map[string]any {
	return map[string]any{
		"aud": ciAudience, "sub": "repo:acme/etl:ref:refs/heads/main", "repository": "acme/etl", "repository_owner": "acme",
		"repository_id": "74", "ref": "refs/heads/main", "event_name": "push", "run_id": "30433642", "environment": "prod",
		"job_workflow_ref": "acme/etl/.github/workflows/deploy.yml@refs/heads/main", "runner_environment": "github-hosted",
	}
}

func gitlabClaims() map[string]any {
	return map[string]any{
		"aud": []string{ciAudience, "vault"}, "sub": "project_path:acme/etl:ref_type:branch:ref:main", "project_id": "22",
		"project_path": "acme/etl", "namespace_path": "acme", "ref": "main", "ref_type": "branch", "ref_protected": "true",
		"user_email": "ada@example.com", "pipeline_source": "push",
	}
}

func kubernetesClaims() map[string]any {
	return map[string]any{
		"aud": []string{ciAudience}, "sub": "system:serviceaccount:jobs:launcher",
		"kubernetes.io": map[string]any{
			"namespace": "jobs", "pod": map[string]any{"name": "launcher-1", "uid": "u1"},
			"serviceaccount": map[string]any{"name": "launcher", "uid": "u2"},
		},
	}
}

func TestTokensOfGitHubGitLabAndKubernetesAreExchangedForKeys(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		claims     map[string]any
		conditions string
		literal    bool // the keys are in the rule
	}{
		"GitHub":     {githubClaims(), `{"sub":["repo:acme/etl:ref:refs/heads/*"],"environment":["prod"]}`, false},
		"GitLab":     {gitlabClaims(), `{"project_path":["acme/etl"],"ref_protected":["true"]}`, false},
		"Kubernetes": {kubernetesClaims(), `{"kubernetes.io/namespace":["jobs"],"sub":["system:serviceaccount:jobs:*"]}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startCI(t)
			more := `,"lifetime_seconds":600`
			if test.literal {
				more += `,"keys":` + string(w.issuer.KeySet(t))
			}
			w.trust("ci", test.conditions, more)
			created := read[api.APIKeyCreated](w.exchange(w.issuer.Sign(t, test.claims)).is(http.StatusCreated))
			subject := test.claims["sub"].(string)
			k := created.APIKey
			if k.Kind != api.KeyCI || k.Token == nil || k.Token.Rule != "ci" || k.Token.Subject != subject ||
				k.ExpiresAt == nil || k.ExpiresAt.Sub(k.CreatedAt) != 10*time.Minute || k.Name != "ci/"+k.ID {
				t.Errorf("the key is %+v", k)
			}
			if asked := w.issuer.Requests("/keys"); (asked == 0) != test.literal {
				t.Errorf("the issuer was asked %d times for its keys", asked)
			}
			w.usesKey(created, subject)
		})
	}
}

// usesKey deploys with a key, and looks at what is left of it.
func (w *ciWorld) usesKey(created api.APIKeyCreated, subject string) {
	t := w.t
	t.Helper()
	who := read[api.WhoAmI](w.as(created.Secret, http.MethodGet, "/api/v1/whoami", "").is(http.StatusOK))
	if who.Name != subject || who.Kind != api.CallerCI || who.Token == nil || who.Token.Issuer != w.issuer.URL {
		t.Errorf("the job is told %+v", who)
	}
	w.as(created.Secret, http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"etl","pool":"local"}]}`).
		is(http.StatusOK)
	w.as(created.Secret, http.MethodPost, "/api/v1/api-keys", `{"name":"x","bindings":[{"role":"viewer","pool":"local"}]}`).
		refused(http.StatusForbidden, "forbidden")
	entries := read[api.AuditList](w.call(http.MethodGet, "/api/v1/audit?actor_kind=ci", "").is(http.StatusOK)).Items
	if len(entries) != 3 { // the refusal, the deployment, the key
		t.Fatalf("the audit has %+v", entries)
	}
	for _, e := range entries {
		if e.Actor != subject || e.KeyID == nil || *e.KeyID != created.APIKey.ID {
			t.Errorf("the audit has %+v", e)
		}
	}
	listed := read[api.APIKeyList](w.call(http.MethodGet, "/api/v1/api-keys?trust_rule=ci", "").is(http.StatusOK)).Items
	if len(listed) != 1 || listed[0].ID != created.APIKey.ID {
		t.Errorf("the list has %+v", listed)
	}
	w.clock.forward(11 * time.Minute)
	w.as(created.Secret, http.MethodGet, "/api/v1/whoami", "").refused(http.StatusUnauthorized, "unauthenticated")
	if left := read[api.APIKeyList](w.call(http.MethodGet, "/api/v1/api-keys?trust_rule=ci", "")).Items; len(left) != 0 {
		t.Errorf("an expired key is listed: %+v", left)
	}
}

func TestAKeyEndsWithItsTrustRule(t *testing.T) {
	t.Parallel()
	w := startCI(t)
	w.trust("ci", `{"sub":["repo:acme/*:ref:refs/heads/main"]}`, "")
	token := w.issuer.Sign(t, githubClaims())
	key := func() string { return read[api.APIKeyCreated](w.exchange(token).is(http.StatusCreated)).Secret }
	whoami := func(key string) answer { return w.as(key, http.MethodGet, "/api/v1/whoami", "") }

	first := key()
	if saved := w.trust("ci", `{"sub":["repo:acme/*:ref:refs/heads/main"]}`, `,"description":"words"`); saved.Revoked != 0 {
		t.Errorf("new words revoke %d keys", saved.Revoked)
	}
	whoami(first).is(http.StatusOK)
	if saved := w.trust("ci", `{"sub":["repo:acme/etl:ref:refs/heads/main"]}`, ""); saved.Revoked != 1 {
		t.Errorf("narrowing the rule revokes %d keys", saved.Revoked)
	}
	whoami(first).refused(http.StatusUnauthorized, "unauthenticated")
	second := key()
	gone := read[api.APIKeysRevoked](w.call(http.MethodDelete, "/api/v1/trust-rules/ci", "").is(http.StatusOK))
	if gone.Revoked != 1 {
		t.Errorf("deleting the rule revokes %d keys", gone.Revoked)
	}
	whoami(second).refused(http.StatusUnauthorized, "unauthenticated")
	w.exchange(token).refused(http.StatusForbidden, "token-refused")
	w.call(http.MethodDelete, "/api/v1/trust-rules/ci", "").refused(http.StatusNotFound, "not-found")
}

func TestAnAdminSeesWhyARuleDoesNotAcceptAToken(t *testing.T) {
	t.Parallel()
	w := startCI(t)
	w.trust("main", `{"sub":["repo:acme/etl:ref:refs/heads/main"]}`, "")
	w.trust("release", `{"sub":["repo:acme/etl:ref:refs/heads/release"],"actor":["ada"]}`, `,"audience":"other"`)
	body := func(token string) string { return `{"token":"` + token + `"}` }
	report := read[api.TokenExchangeReport](w.call(http.MethodPost, "/api/v1/token-exchange/test",
		body(w.issuer.Sign(t, githubClaims()))).is(http.StatusOK))
	if len(report.Verdicts) != 2 || !report.Verdicts[0].Accepted || report.Verdicts[1].Accepted {
		t.Fatalf("the report is %+v", report)
	}
	want := []string{`audience: the token is for "` + ciAudience + `", the rule wants "other"`,
		`claim actor: the token has none, the rule wants "ada"`,
		`claim sub: the token has "repo:acme/etl:ref:refs/heads/main", the rule wants "repo:acme/etl:ref:refs/heads/release"`}
	if got := report.Verdicts[1].Reasons; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the reasons are %q", got)
	}
	w.call(http.MethodPost, "/api/v1/token-exchange/test", body("x.y.z")).refused(http.StatusForbidden, "token-refused")
	if keys := read[api.APIKeyList](w.call(http.MethodGet, "/api/v1/api-keys?trust_rule=main", "")).Items; len(keys) > 0 {
		t.Errorf("the test made keys: %+v", keys)
	}

	// Two rules that accept a token: the job chooses.
	w.trust("also", `{"repository":["acme/etl"]}`, "")
	token := w.issuer.Sign(t, githubClaims())
	if p := w.exchange(token).refused(http.StatusForbidden, "token-refused"); !strings.Contains(*p.Detail, "also, main") {
		t.Errorf("the job is told %q", *p.Detail)
	}
	chosen := w.as("", http.MethodPost, "/api/v1/token-exchange", `{"token":"`+token+`","rule":"also"}`).is(http.StatusCreated)
	if read[api.APIKeyCreated](chosen).APIKey.Token.Rule != "also" {
		t.Errorf("got %s", chosen.body)
	}
	w.as("", http.MethodPost, "/api/v1/token-exchange", `{"token":"`+token+`","rule":"release"}`).
		refused(http.StatusForbidden, "token-refused")
}

func TestATrustRuleIsForAdminsOfAllPools(t *testing.T) {
	t.Parallel()
	w := startCI(t)
	key := w.makeKeyWith("boss", bindings("admin:local")...)
	w.as(key, http.MethodPut, "/api/v1/trust-rules/x", `{"issuer":"https://x.y","claims":{"sub":["a"]},
		"bindings":[{"role":"viewer","pool":"local"}]}`).refused(http.StatusForbidden, "forbidden")
	w.call(http.MethodPut, "/api/v1/trust-rules/x", `{"issuer":"https://x.y","claims":{"sub":["**"]},
		"bindings":[{"role":"admin","pool":"local"}]}`).
		refused(http.StatusUnprocessableEntity, "trust-rule-invalid", "/claims/sub/0", "/bindings/0/role")
}
