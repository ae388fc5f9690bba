package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
)

// factory is a server whose deployments come from CI jobs, and the issuer of their tokens.
type factory struct {
	admin  user
	url    string
	issuer *oidctest.Provider
}

func startFactory(t *testing.T) factory {
	t.Helper()
	key, err := apikey.New()
	if err != nil {
		t.Fatal(err)
	}
	f := factory{issuer: oidctest.Start(t)}
	server := start(t, user{home: t.TempDir()}.environ("BERTH_BOOTSTRAP_ADMIN_KEY="+key.Text), "server",
		"--listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--ensure-pool", "local=process")
	f.url = server.ready(t)
	f.admin = user{url: f.url, home: t.TempDir()}
	keyFile := write(t, t.TempDir(), "admin.key", key.Text)
	write(t, f.admin.home, "config.yaml", "api_key: "+key.Text+"\n")
	f.admin.ok(t, "trust", "set", "etl", "--api-key-file", keyFile, "--issuer", f.issuer.URL, "--audience", f.url,
		"--claim", "sub=repo:acme/etl:ref:refs/heads/*", "--claim", "environment=prod", "--role", "deployer:local",
		"--lifetime", "5m")
	return f
}

// asAdmin runs a command with the admin's key.
func (f factory) asAdmin(t *testing.T, args ...string) result {
	t.Helper()
	return f.admin.run(t, append(args, "--config", f.admin.home+"/config.yaml")...)
}

func (f factory) token(t *testing.T, change map[string]any) string {
	t.Helper()
	claims := map[string]any{"sub": "repo:acme/etl:ref:refs/heads/main", "environment": "prod", "aud": f.url}
	for name, value := range change {
		claims[name] = value
	}
	return f.issuer.Sign(t, claims)
}

// actions is the endpoint of GitHub Actions where a job asks for tokens.
func (f factory) actions(t *testing.T) (environ []string) {
	t.Helper()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer job-secret" || r.URL.Query().Get("api-version") != "2.0" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		token := f.token(t, map[string]any{"aud": r.URL.Query().Get("audience")})
		_ = json.NewEncoder(w).Encode(map[string]string{"value": token})
	}))
	t.Cleanup(endpoint.Close)
	return []string{
		"ACTIONS_ID_TOKEN_REQUEST_URL=" + endpoint.URL + "/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=job-secret",
	}
}

const ciDeployment = "project: etl\ndeployments: [{name: etl, pool: local}]\n"

func TestACIJobDeploysWithoutAStoredKey(t *testing.T) {
	t.Parallel()
	f := startFactory(t)
	dir := t.TempDir()
	file := write(t, dir, "berth.yaml", ciDeployment)
	tokenFile := write(t, dir, "token.jwt", f.token(t, nil)+"\n")
	job := user{url: f.url, home: t.TempDir()}
	for name, environ := range map[string][]string{
		"GitHub Actions":      f.actions(t),
		"a variable":          {"BERTH_ID_TOKEN=" + f.token(t, nil)},
		"a file":              {"BERTH_ID_TOKEN_FILE=" + tokenFile},
		"a file and the rule": {"BERTH_ID_TOKEN_FILE=" + tokenFile, "BERTH_ID_TOKEN_RULE=etl"},
	} {
		if r := job.runEnv(t, "", environ, "deploy", "-f", file, "--yes"); r.code != 0 {
			t.Errorf("%s: exit code %d\n%s%s", name, r.code, r.stdout, r.stderr)
		}
	}
	who := job.runEnv(t, "", f.actions(t), "whoami")
	demand(t, "whoami", who.stdout, "repo:acme/etl:ref:refs/heads/main (ci ", "by trust rule etl", "deployer")
	demand(t, "the keys", f.asAdmin(t, "api-key", "ls").stdout, "trust rule etl: repo:acme/etl:ref:refs/heads/main")
	demand(t, "the audit", f.asAdmin(t, "audit", "ls", "--actor-kind", "ci", "--kind", "deployment").stdout,
		"repo:acme/etl:ref:refs/heads/main", "ci", "etl")

	// The keys end with their rule.
	r := f.asAdmin(t, "trust", "delete", "etl")
	if r.code != 2 {
		t.Errorf("deleted unasked: %+v", r)
	}
	demand(t, "what goes", r.stderr, `delete trust rule "etl" and revoke its 5 valid keys`, "--yes")
	demand(t, "what is gone", f.asAdmin(t, "trust", "delete", "etl", "--yes").stdout, "5 keys revoked")
	r = job.runEnv(t, "", f.actions(t), "deploy", "-f", file, "--yes")
	if r.code != 1 {
		t.Errorf("the job still deploys: %+v", r)
	}
	demand(t, "why", r.stderr, "sign in with the ID token of GitHub Actions", "no trust rule is for the issuer")
}

// TestTheRulesOfThePageCanBeSet runs every `berth trust set` of the documentation.
func TestTheRulesOfThePageCanBeSet(t *testing.T) {
	t.Parallel()
	f := startFactory(t)
	page, err := os.ReadFile("../../docs/workload-identity.md")
	if err != nil {
		t.Fatal(err)
	}
	keys := write(t, t.TempDir(), "jwks.json", string(f.issuer.KeySet(t)))
	text := strings.ReplaceAll(strings.ReplaceAll(string(page), "\\\n", " "), "jwks.json", keys)
	found := 0
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 4 && strings.HasPrefix(strings.TrimSpace(line), "berth trust set") {
			found++
			if r := f.asAdmin(t, words[1:]...); r.code != 0 {
				t.Errorf("%s: %+v", line, r)
			}
		}
	}
	if found != 3 {
		t.Errorf("the page has %d rules", found)
	}
}

func TestACIJobIsToldWhyItsTokenIsRefused(t *testing.T) {
	t.Parallel()
	f := startFactory(t)
	job := user{url: f.url, home: t.TempDir()}
	pull := f.token(t, map[string]any{"sub": "repo:acme/etl:pull_request"})
	for name, test := range map[string]struct {
		environ []string
		code    int
		says    string
	}{
		"another subject": {[]string{"BERTH_ID_TOKEN=" + pull}, 1, "no trust rule accepts this token"},
		"no token":        {[]string{"BERTH_ID_TOKEN=hello"}, 2, "BERTH_ID_TOKEN: it is not a JSON Web Token"},
		"a missing file":  {[]string{"BERTH_ID_TOKEN_FILE=/does/not/exist"}, 2, "--id-token-file /does/not/exist: read ID token"},
		"an endpoint that refuses": {
			[]string{f.actions(t)[0], "ACTIONS_ID_TOKEN_REQUEST_TOKEN=wrong"}, 1, "ask GitHub Actions for an ID token: it answered with status 401",
		},
		"an endpoint without TLS": {
			[]string{"ACTIONS_ID_TOKEN_REQUEST_URL=http://actions.example.com/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=x"}, 2, "want https",
		},
		"a key as well": {[]string{"BERTH_ID_TOKEN_FILE=x", "BERTH_API_KEY_FILE=y"}, 2, "exclude each other"},
	} {
		r := job.runEnv(t, "", test.environ, "pool", "ls")
		if r.code != test.code || !strings.Contains(r.stderr, test.says) {
			t.Errorf("%s: got %+v, want %q", name, r, test.says)
		}
		if strings.Contains(r.stdout+r.stderr, pull[len(pull)-40:]) || strings.Contains(r.stderr, "job-secret") {
			t.Errorf("%s: a secret is shown: %+v", name, r)
		}
	}

	file := write(t, t.TempDir(), "token.jwt", pull)
	r := f.asAdmin(t, "trust", "test", file)
	if r.code != 1 {
		t.Errorf("trust test: %+v", r)
	}
	demand(t, "why", r.stdout, "subject repo:acme/etl:pull_request",
		`claim sub: the token has "repo:acme/etl:pull_request", the rule wants "repo:acme/etl:ref:refs/heads/*"`)
	if r := f.asAdmin(t, "trust", "test", write(t, t.TempDir(), "t", f.token(t, nil))); r.code != 0 {
		t.Errorf("trust test: %+v", r)
	}
}

func TestAServerWithoutKeysIsNotSentAToken(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	asked := false
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer endpoint.Close()
	r := u.runEnv(t, "", []string{"ACTIONS_ID_TOKEN_REQUEST_URL=" + endpoint.URL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN=x"},
		"pool", "ls")
	if r.code != 0 || asked {
		t.Errorf("got %+v, asked: %v", r, asked)
	}
}

func TestTrustRulesAreSetFromFlagsAndFiles(t *testing.T) {
	t.Parallel()
	f := startFactory(t)
	dir := t.TempDir()
	keys := write(t, dir, "jwks.json", string(f.issuer.KeySet(t)))
	f.asAdmin(t, "trust", "set", "cluster", "--issuer", "https://kubernetes.default.svc", "--audience", "berth",
		"--keys-file", keys, "--claim", "sub=system:serviceaccount:jobs:a", "--claim", "sub=system:serviceaccount:jobs:b",
		"--role", "operator", "--pool", "local", "--single-use")
	rule := decode[api.TrustRule](t, user{url: f.url, home: f.admin.home}, "trust", "get", "cluster", "--config",
		f.admin.home+"/config.yaml")
	if len(rule.Claims["sub"]) != 2 || !rule.SingleUse || len(rule.Keys) == 0 || rule.LifetimeSeconds != 900 ||
		len(rule.Bindings) != 1 || rule.Bindings[0].Pool != "local" {
		t.Errorf("set as %+v", rule)
	}
	file := write(t, dir, "rule.yaml", "issuer: github\naudience: berth\nclaims: {sub: ['repo:acme/etl:*']}\n"+
		"bindings: [{role: viewer, pool: local}]\n")
	if r := f.asAdmin(t, "trust", "set", "file", "-f", file); r.code != 0 {
		t.Errorf("from a file: %+v", r)
	}
	demand(t, "the list", f.asAdmin(t, "trust", "ls").stdout, "https://token.actions.githubusercontent.com",
		"sub=repo:acme/etl:*", "viewer:local", "cluster")
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"--issuer", "github", "--claim", "sub=repo:**", "--role", "viewer", "--audience", "b"}, "/claims/sub/0"},
		{[]string{"--issuer", "github", "--claim", "sub", "--role", "viewer"}, "want CLAIM=PATTERN"},
		{[]string{"--issuer", "github", "--role", "viewer"}, "with --claim"},
		{[]string{"--issuer", "github", "--claim", "sub=a"}, "with --role"},
		{[]string{"--issuer", "github", "--claim", "sub=a", "--role", "viewer", "--lifetime", "2h"}, "from 1m to 1h"},
		{[]string{"--issuer", "github", "--claim", "sub=a", "--role", "viewer"}, "/audience"},
		{[]string{"-f", write(t, dir, "bad.yaml", "issuer: x\nsubject: y\n")}, `unknown field "subject"`},
	} {
		r := f.asAdmin(t, append([]string{"trust", "set", "x"}, test.args...)...)
		if r.code != 2 || !strings.Contains(r.stderr, test.says) {
			t.Errorf("%v: got %+v, want %q", test.args, r, test.says)
		}
	}
}
