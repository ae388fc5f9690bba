package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/oidctest"
)

// office is a server whose people sign in at a provider.
type office struct {
	user
	provider *oidctest.Provider
	server   *service
}

func startOffice(t *testing.T) office {
	t.Helper()
	provider := oidctest.Start(t,
		oidctest.User{Subject: "u-ada", Email: "ada@example.com", EmailVerified: true, Groups: []string{"platform"}},
		oidctest.User{Subject: "u-bob", Email: "bob@example.com", EmailVerified: true, Groups: []string{"data"}},
		oidctest.User{Subject: "u-eve", Email: "eve@example.com", EmailVerified: true},
	)
	access := write(t, t.TempDir(), "access.yaml", "grants:\n- {group: platform, role: admin}\n"+
		"- {group: data, role: viewer, pools: [default]}\n")
	o := office{user: user{home: t.TempDir()}, provider: provider}
	o.server = start(t, o.environ("BERTH_OIDC_CLIENT_SECRET="+oidctest.ClientSecret), "server",
		"--listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--ensure-pool", "default=process",
		"--public-url", "http://localhost:4200", "--oidc-issuer", provider.URL, "--oidc-client-id", oidctest.ClientID,
		"--access-file", access)
	o.url = o.server.ready(t)
	return o
}

// login runs `berth login` while a person enters the code that it shows.
func (o office) login(t *testing.T, u user, decide func(code string), args ...string) result {
	t.Helper()
	ended := make(chan result, 1)
	before := len(o.provider.UserCodes())
	go func() { ended <- u.run(t, append([]string{"login"}, args...)...) }()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		select {
		case r := <-ended:
			return r
		case <-tick.C:
			if codes := o.provider.UserCodes(); len(codes) > before {
				tick.Stop()
				decide(codes[len(codes)-1])
				return <-ended
			}
		}
	}
}

func TestAPersonLogsInAndOutOnTheCommandLine(t *testing.T) {
	t.Parallel()
	o := startOffice(t)
	bob := user{home: t.TempDir(), url: o.url}
	if r := bob.run(t, "logout"); r.code != 2 || !strings.Contains(r.stderr, "not signed in") {
		t.Errorf("logout without login: %+v", r)
	}
	r := o.login(t, bob, func(code string) { o.provider.Approve(t, code, "u-bob") })
	if r.code != 0 || !strings.Contains(r.stdout, "as bob@example.com") ||
		!strings.Contains(r.stderr, o.provider.URL+"/device") {
		t.Fatalf("login: %+v", r)
	}
	file := filepath.Join(bob.home, ".config", "berth", "sessions.yaml")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the session is stored as %v, %v", info, err)
	}
	token := tokenIn(t, file)
	if strings.Contains(r.stdout+r.stderr, token) {
		t.Error("login shows the token")
	}

	demand(t, "pool ls", bob.ok(t, "pool", "ls"), "default")
	if r := bob.run(t, "pool", "create", "mine", "--type", "process"); r.code != 1 ||
		!strings.Contains(r.stderr, `user "bob@example.com"`) {
		t.Errorf("a viewer creates a pool: %+v", r)
	}
	// Without a URL the server of the last login is meant; the token goes to no other.
	if r := (user{home: bob.home}).run(t, "pool", "ls"); r.code != 0 {
		t.Errorf("without --api-url: %+v", r)
	}
	other := user{home: bob.home, url: strings.Replace(o.url, "127.0.0.1", "localhost", 1)}
	if r := other.run(t, "pool", "ls"); r.code != 1 || !strings.Contains(r.stderr, "berth login") {
		t.Errorf("at another address: %+v", r)
	}
	demand(t, "session ls", bob.ok(t, "session", "ls"), "bob@example.com", "active, this one", "berth on ")

	demand(t, "logout", bob.ok(t, "logout"), "signed out")
	if stored, err := os.ReadFile(file); err != nil || strings.Contains(string(stored), token) {
		t.Errorf("after logout the file has %s, %v", stored, err)
	}
	if r := bob.runEnv(t, "", []string{"BERTH_API_KEY=" + token}, "pool", "ls"); r.code != 1 ||
		!strings.Contains(r.stderr, "revoked") {
		t.Errorf("after logout the token does: %+v", r)
	}
	if code := o.server.stop(t); code != 0 {
		t.Errorf("the server ended with %d", code)
	}
	for _, secret := range append(o.provider.Secrets(), token) {
		if strings.Contains(o.server.stderr.String(), secret) {
			t.Error("the server logged a secret")
		}
	}
}

func tokenIn(t *testing.T, file string) string {
	t.Helper()
	stored, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stored), "token: ")
	token, _, _ := strings.Cut(rest, "\n")
	if !strings.HasPrefix(token, "berth_") {
		t.Fatalf("no token in %s", stored)
	}
	return token
}

func TestALoginThatTheProviderOrBerthRefusesSaysWhy(t *testing.T) {
	t.Parallel()
	o := startOffice(t)
	for name, test := range map[string]struct {
		decide func(code string)
		want   string
	}{
		"denied":  {func(code string) { o.provider.Deny(t, code) }, "denied"},
		"expired": {func(code string) { o.provider.ExpireDevice(t, code) }, "expired"},
		"no role": {func(code string) { o.provider.Approve(t, code, "u-eve") }, "no group of this person has a role"},
	} {
		u := user{home: t.TempDir(), url: o.url}
		if r := o.login(t, u, test.decide); r.code != 1 || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%s: %+v", name, r)
		}
		if _, err := os.Stat(filepath.Join(u.home, ".config", "berth", "sessions.yaml")); !os.IsNotExist(err) {
			t.Errorf("%s: a session was stored", name)
		}
	}
	o.provider.SetDown(true)
	if r := o.run(t, "login"); r.code != 1 {
		t.Errorf("while the provider is down: %+v", r)
	}
}

func TestAnAdminRevokesTheSessionsOfAPerson(t *testing.T) {
	t.Parallel()
	o := startOffice(t)
	ada, bob := user{home: t.TempDir(), url: o.url}, user{home: t.TempDir(), url: o.url}
	o.login(t, ada, func(code string) { o.provider.Approve(t, code, "u-ada") })
	o.login(t, bob, func(code string) { o.provider.Approve(t, code, "u-bob") })
	if r := bob.run(t, "session", "ls", "--all"); r.code != 1 {
		t.Errorf("a viewer lists all sessions: %+v", r)
	}
	demand(t, "session ls --all", ada.ok(t, "session", "ls", "--all"), "ada@example.com", "bob@example.com")
	demand(t, "session revoke", ada.ok(t, "session", "revoke", "--user", "bob@example.com", "--yes"), "1 sessions of bob")
	if r := bob.run(t, "pool", "ls"); r.code != 1 || !strings.Contains(r.stderr, "revoked") {
		t.Errorf("after the revocation: %+v", r)
	}
	ada.ok(t, "api-key", "create", "laptop", "--role", "viewer")
	ada.ok(t, "api-key", "create", "bot", "--role", "viewer", "--service-account")
	if r := ada.run(t, "api-key", "revoke", "--owner", "ada@example.com"); r.code != 2 {
		t.Errorf("revoked unasked: %+v", r)
	} else {
		demand(t, "what goes", r.stderr, "revoke 1 API key of ada@example.com for good (laptop)", "--owner=ada@example.com --yes")
	}
	demand(t, "keys left behind", ada.run(t, "session", "revoke", "--user", "ada@example.com", "--yes").stderr,
		"ada@example.com still owns 1 valid API key")
	o.login(t, ada, func(code string) { o.provider.Approve(t, code, "u-ada") })
	demand(t, "api-key revoke --owner", ada.ok(t, "api-key", "revoke", "--owner", "ada@example.com", "--yes"), "1 API key of ada")
	demand(t, "api-key ls", ada.ok(t, "api-key", "ls"), "service account", "ada@example.com", "revoked")
	demand(t, "logout everywhere", ada.ok(t, "logout", "--everywhere"), "signed out")
	if r := ada.run(t, "session", "revoke"); r.code != 2 {
		t.Errorf("revoke without a session: %+v", r)
	}
}
