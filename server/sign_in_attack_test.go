package server_test

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// stays is what the page of a failed sign-in must show.
func stays(t *testing.T, a answer, status int, want string) {
	t.Helper()
	if a.is(status); !strings.Contains(string(a.body), want) {
		t.Errorf("%s: the page does not say %q:\n%s", a.what, want, a.body)
	}
	if a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cache-Control") != "no-store" ||
		!strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%s: the page is not protected: %v", a.what, a.header)
	}
}

// begin starts a sign-in and returns the address at the provider, which the browser does not follow.
func (b *visitor) begin(to string) *url.URL {
	b.t.Helper()
	follow := b.client.CheckRedirect
	defer func() { b.client.CheckRedirect = follow }()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a, _ := b.open("/sign-in?to=" + url.QueryEscape(to))
	at, err := url.Parse(a.is(http.StatusSeeOther).header.Get("Location"))
	if err != nil {
		b.t.Fatal(err)
	}
	return at
}

// until follows redirects up to the one to Berth's callback, and returns that.
func (b *visitor) until(at *url.URL) *url.URL {
	b.t.Helper()
	follow := b.client.CheckRedirect
	defer func() { b.client.CheckRedirect = follow }()
	b.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), siteURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	a, _ := b.open(at.String())
	callback, err := url.Parse(a.header.Get("Location"))
	if err != nil || callback.Path != "/sign-in/callback" {
		b.t.Fatalf("the provider sends the browser to %v, %v", callback, err)
	}
	return callback
}

func TestTheSignInAsksForPKCEStateAndNonceAndTheExactRedirect(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	one, two := c.browser().begin("").Query(), c.browser().begin("").Query()
	for name, want := range map[string]string{
		"response_type": "code", "code_challenge_method": "S256", "redirect_uri": siteURL + "/sign-in/callback",
	} {
		if one.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, one.Get(name), want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(one.Get(name)) < 26 || one.Get(name) == two.Get(name) {
			t.Errorf("%s is %q and then %q", name, one.Get(name), two.Get(name))
		}
	}
}

func TestAnAnswerToAnotherBrowserSignsNoneIn(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	c.provider.SignInAs("u-eve")
	attacker, victim := c.browser(), c.browser()
	planted := attacker.until(attacker.begin("")) // a callback with the attacker's code
	a, _ := victim.open(planted.String())         // in a browser that has begun nothing
	stays(t, a, http.StatusForbidden, "not begun in this browser")
	victim.begin("")
	a, _ = victim.open(planted.String()) // in a browser that has begun another sign-in
	stays(t, a, http.StatusForbidden, "not begun in this browser")
	if victim.cookie() != "" {
		t.Error("the victim is signed in")
	}
	for _, query := range []string{"", "?code=x", "?state=&code=x", "?error=access_denied", "?state=x&error=%3Cscript%3E"} {
		a, _ := victim.open("/sign-in/callback" + query)
		stays(t, a, http.StatusForbidden, "Sign-in failed")
		if strings.Contains(string(a.body), "<script>") {
			t.Errorf("the page shows %s", a.body)
		}
	}
}

func TestACodeSignsInOnce(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	c.provider.SignInAs("u-ada")
	b := c.browser()
	callback := b.until(b.begin(""))
	jar, err := url.Parse(siteURL)
	if err != nil {
		t.Fatal(err)
	}
	flow := b.client.Jar.Cookies(jar)
	a, _ := b.open(callback.String())
	a.is(http.StatusOK)
	a, _ = b.open(callback.String())
	stays(t, a, http.StatusForbidden, "not begun in this browser")

	thief := c.browser() // who has the address and the cookie of the sign-in
	thief.client.Jar.SetCookies(jar, flow)
	a, _ = thief.open(callback.String())
	stays(t, a, http.StatusForbidden, "sign-in provider")
	if thief.cookie() != "" {
		t.Error("the code signed the thief in")
	}
}

func TestTheSignInReturnsToThisServerOnly(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	c.provider.SignInAs("u-ada")
	for to, want := range map[string]string{
		"":                             "../",
		"/runs/x?state=FAILED":         "../runs/x?state=FAILED",
		"https://evil.example/":        "../",
		"//evil.example":               "../",
		"/\\evil.example":              "../",
		"/..//evil.example":            "../",
		"/x\r\nSet-Cookie: a=b":        "../",
		"javascript:alert(1)":          "../",
		"@evil.example":                "../",
		"/" + strings.Repeat("x", 600): "../",
	} {
		b := c.browser()
		b.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
			if len(via) > 0 && via[len(via)-1].URL.Path == "/sign-in/callback" {
				return http.ErrUseLastResponse
			}
			return nil
		}
		a, _ := b.open("/sign-in?to=" + url.QueryEscape(to))
		if got := a.is(http.StatusSeeOther).header.Get("Location"); got != want {
			t.Errorf("to %q: sent to %q, want %q", to, got, want)
		}
	}
}

func TestASignInReplacesThePlantedSession(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	attacker, victim := c.browser(), c.browser()
	attacker.signIn("u-bob")
	planted := attacker.cookie()
	site, err := url.Parse(siteURL)
	if err != nil {
		t.Fatal(err)
	}
	plant := func(token string) {
		victim.client.Jar.SetCookies(site, []*http.Cookie{{
			Name: "__Host-berth-session", Value: token, Path: "/", Secure: true,
		}})
	}
	plant(c.device("u-bob").Token) // of the command line
	victim.call(http.MethodGet, "/api/v1/whoami", "").refused(http.StatusUnauthorized, "unauthenticated")
	plant(planted)
	victim.signIn("u-ada")
	if victim.cookie() == planted || victim.cookie() == "" {
		t.Fatal("the sign-in did not change the token")
	}
	who := read[api.WhoAmI](victim.call(http.MethodGet, "/api/v1/whoami", "").is(http.StatusOK))
	if who.Name != "ada@example.com" {
		t.Errorf("the victim is %s", who.Name)
	}
	attacker.call(http.MethodGet, "/api/v1/whoami", "").refused(http.StatusUnauthorized, "unauthenticated")
}

func TestARequestOfAnotherSiteDoesNotUseTheSession(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	b := c.browser()
	b.signIn("u-ada")
	type headers map[string]string
	for name, test := range map[string]struct {
		method  string
		headers headers
		want    int
	}{
		"write from the page":            {"PUT", headers{"Origin": siteURL, "Sec-Fetch-Site": "same-origin"}, 200},
		"write of an old browser":        {"PUT", headers{"Origin": siteURL}, 200},
		"write from another site":        {"PUT", headers{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403},
		"write from a sibling host":      {"PUT", headers{"Origin": "https://blog.example.com", "Sec-Fetch-Site": "same-site"}, 403},
		"write from a sandboxed frame":   {"PUT", headers{"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403},
		"write from the same host, http": {"PUT", headers{"Origin": "http://berth.example.com"}, 403},
		"write without an origin":        {"PUT", headers{}, 403},
		"write from the address bar":     {"PUT", headers{"Sec-Fetch-Site": "none"}, 403},
		"read from another site":         {"GET", headers{"Sec-Fetch-Site": "cross-site"}, 403},
		"read from the page":             {"GET", headers{"Sec-Fetch-Site": "same-origin"}, 200},
	} {
		body := ""
		if test.method == http.MethodPut {
			body = `{"value":1}`
		}
		request, err := http.NewRequestWithContext(t.Context(), test.method, siteURL+"/api/v1/variables/x",
			strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if test.method == http.MethodGet {
			request.URL.Path = "/api/v1/whoami"
		}
		request.Header.Set("Content-Type", "application/json")
		for key, value := range test.headers {
			request.Header.Set(key, value)
		}
		if a, _ := b.do(request); a.status != test.want {
			t.Errorf("%s: status %d, want %d: %s", name, a.status, test.want, a.body)
		}
	}
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	idle, busy := c.device("u-bob").Token, c.device("u-bob").Token
	get := func(token string) answer { return c.send(c.request(token, http.MethodGet, "/api/v1/whoami", "")) }
	for range 3 {
		c.clock.forward(3 * time.Hour)
		get(busy).is(http.StatusOK)
	}
	get(idle).refused(http.StatusUnauthorized, "unauthenticated")
	c.clock.forward(3*time.Hour + time.Minute)
	get(busy).refused(http.StatusUnauthorized, "unauthenticated") // after twelve hours, however busy
}

func TestGroupsAreReadAgain(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	token := c.device("u-ada").Token
	whoami := func() answer { return c.send(c.request(token, http.MethodGet, "/api/v1/whoami", "")) }
	role := func() api.Role { return read[api.WhoAmI](whoami().is(http.StatusOK)).Bindings[0].Role }
	c.provider.ChangeUser("u-ada", func(u *oidctest.User) { u.Groups = []string{"data-eng"} })
	if got := role(); got != api.RoleAdmin {
		t.Errorf("at once the role is %s", got)
	}
	c.provider.RotateKey(t) // the keys are read again too
	c.clock.forward(16 * time.Minute)
	if got := role(); got != api.RoleOperator {
		t.Errorf("after the check the role is %s", got)
	}
	c.provider.SetDown(true)
	c.clock.forward(16 * time.Minute)
	role() // goes on with the old groups
	c.clock.forward(46 * time.Minute)
	whoami().refused(http.StatusServiceUnavailable, "sign-in-provider-unavailable")
	c.call(http.MethodGet, "/api/v1/whoami", "").is(http.StatusOK) // a key
	c.provider.SetDown(false)
	c.clock.forward(2 * time.Minute)
	role()
	c.provider.ChangeUser("u-ada", func(u *oidctest.User) { u.Disabled = true })
	c.clock.forward(16 * time.Minute)
	whoami().refused(http.StatusUnauthorized, "unauthenticated")
	c.provider.ChangeUser("u-ada", func(u *oidctest.User) { u.Disabled = false })
	whoami().refused(http.StatusUnauthorized, "unauthenticated") // for good
}

func TestAnOpenStreamEndsWithItsSession(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	session := c.device("u-bob")
	response, err := c.http.Do(c.request(session.Token, http.MethodGet, "/api/v1/runs/stream", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatal(response.Status)
	}
	c.call(http.MethodDelete, "/api/v1/sessions/"+session.Session.ID, "").is(http.StatusNoContent)
	ended := async(func() error {
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		}
		return nil
	})
	if err := await(t, ended, "ending the stream"); err != nil {
		t.Error(err)
	}
}

func TestPeopleSeeTheirOwnSessionsOnly(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	ada, bob := c.device("u-ada"), c.device("u-bob")
	as := func(token, method, path, body string) answer { return c.send(c.request(token, method, path, body)) }
	own := read[api.SessionList](as(bob.Token, http.MethodGet, "/api/v1/sessions", "").is(http.StatusOK)).Items
	if len(own) != 1 || own[0].ID != bob.Session.ID || !own[0].Current {
		t.Errorf("bob sees %+v", own)
	}
	as(bob.Token, http.MethodGet, "/api/v1/sessions?everyone=true", "").refused(http.StatusForbidden, "forbidden")
	as(bob.Token, http.MethodGet, "/api/v1/sessions?user=ada@example.com", "").refused(http.StatusForbidden, "forbidden")
	as(bob.Token, http.MethodDelete, "/api/v1/sessions/"+ada.Session.ID, "").refused(http.StatusNotFound, "not-found")
	as(bob.Token, http.MethodPost, "/api/v1/sessions/revoke", `{"user":"ada@example.com"}`).
		refused(http.StatusForbidden, "forbidden")
	as(ada.Token, http.MethodPost, "/api/v1/sessions/revoke", `{"user":"bob@example.com"}`).is(http.StatusOK)
	as(bob.Token, http.MethodGet, "/api/v1/whoami", "").refused(http.StatusUnauthorized, "unauthenticated")
	as(ada.Token, http.MethodGet, "/api/v1/whoami", "").is(http.StatusOK)
}

func TestWhoHasNoGrantOrNoVerifiedAddressIsNotLetIn(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	if c.device("u-guest").Session.User != "guest@example.com" {
		t.Error("the guest is not let in")
	}
	for _, subject := range []string{"u-eve", "u-fake"} { // u-fake claims the guest's address, unverified
		c.provider.SignInAs(subject)
		b := c.browser()
		a, _ := b.open("/sign-in")
		stays(t, a, http.StatusForbidden, "no group of this person has a role")
		if b.cookie() != "" {
			t.Errorf("%s has a session", subject)
		}
	}
}

func TestTokensAreStoredAndLoggedNowhere(t *testing.T) {
	t.Parallel()
	var dir string
	var log logged
	c := startCompany(t, func(o *server.Options) {
		dir, o.Logger = o.DataDir, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	b := c.browser()
	b.signIn("u-ada")
	cli := c.device("u-bob").Token
	c.clock.forward(16 * time.Minute)
	c.send(c.request(cli, http.MethodGet, "/api/v1/whoami", "")).is(http.StatusOK)
	secrets := append(c.provider.Secrets(), b.cookie()[len(b.cookie())-43:], cli[len(cli)-43:])
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	for _, name := range []string{"berth.db", "berth.db-wal"} {
		data, err := os.ReadFile(dir + "/" + name)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		text += string(data)
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("a secret of %d characters is stored or logged", len(secret))
		}
	}
	if !strings.Contains(text, "ada@example.com") || len(secrets) < 6 {
		t.Error("this test looks in the wrong places")
	}
}
