package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/certificate/certtest"
	"github.com/berth-dev/berth/server/identity"
)

// siteURL is where people reach a server of these tests. It has TLS, as __Host- cookies need it.
const siteURL = "https://berth.example.com"

const testAccess = `grants:
- group: platform
  role: admin
- group: data-eng
  role: operator
  pools: [local]
- group: data-eng
  role: viewer
- user: guest@example.com
  role: viewer
`

// company is a server with the provider where its people sign in.
type company struct {
	*running
	provider *oidctest.Provider
	access   string // path of the access file
	roots    *x509.CertPool
	clock    *clock
}

// clock is the time of a server, which a test can move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

func people() []oidctest.User {
	return []oidctest.User{
		{Subject: "u-ada", Email: "Ada@example.com", EmailVerified: true, Name: "Ada Lovelace",
			Groups: []string{"platform", "staff"}},
		{Subject: "u-bob", Email: "bob@example.com", EmailVerified: true, Name: "Bob", Groups: []string{"data-eng"}},
		{Subject: "u-eve", Email: "eve@example.com", EmailVerified: true, Groups: []string{"sales"}},
		{Subject: "u-guest", Email: "guest@example.com", EmailVerified: true},
		{Subject: "u-fake", Email: "guest@example.com", EmailVerified: false},
	}
}

// signInTo is the configuration for a provider.
func signInTo(provider *oidctest.Provider, public string) identity.Config {
	provider.Register(public + "/sign-in/callback")
	return identity.Config{
		Issuer: provider.URL, PublicURL: public,
		Client: identity.Client{ID: oidctest.ClientID, Secret: oidctest.ClientSecret},
	}
}

func accessFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func startCompany(t *testing.T, change ...func(*server.Options)) *company {
	t.Helper()
	c := &company{provider: oidctest.Start(t, people()...), access: accessFile(t, testAccess), clock: &clock{}}
	dir, pair := t.TempDir(), certtest.New(t, 1)
	put(t, dir, pair)
	c.roots = x509.NewCertPool()
	c.roots.AppendCertsFromPEM(pair.Cert)
	c.running = start(t, append([]func(*server.Options){func(o *server.Options) {
		o.SignIn, o.AccessFile = signInTo(c.provider, siteURL), c.access
		o.TLSCertFile, o.TLSKeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		o.Now = c.clock.now
	}}, change...)...)
	c.http = c.client(nil)
	return c
}

// client returns an HTTP client that finds the server under its public name.
func (c *company) client(jar http.CookieJar) *http.Client {
	c.t.Helper()
	real := strings.TrimPrefix(strings.TrimPrefix(c.running.url, "https://"), "http://")
	dialer := &net.Dialer{}
	transport := &http.Transport{
		// The certificate is for localhost.
		TLSClientConfig: &tls.Config{RootCAs: c.roots, ServerName: "localhost", MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "berth.example.com:") {
				address = real
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Jar: jar}
}

// visitor is a person's browser: it keeps cookies and follows redirects.
type visitor struct {
	*company
	client *http.Client
}

func (c *company) browser() *visitor {
	c.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return &visitor{c, c.client(jar)}
}

// open follows a link and returns the last answer and its address.
func (b *visitor) open(address string) (answer, *url.URL) {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = siteURL + address
	}
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("User-Agent", "Mozilla/5.0 (test)")
	return b.do(request)
}

func (b *visitor) do(request *http.Request) (answer, *url.URL) {
	b.t.Helper()
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatalf("%s %s: %v", request.Method, request.URL, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{t: b.t, what: request.Method + " " + request.URL.Path, status: response.StatusCode,
		header: response.Header, body: body}, response.Request.URL
}

// signIn signs a person in and returns where the browser is then.
func (b *visitor) signIn(subject string) *url.URL {
	b.t.Helper()
	b.provider.SignInAs(subject)
	a, at := b.open("/sign-in")
	a.is(http.StatusOK)
	return at
}

// call calls the API as the page does.
func (b *visitor) call(method, path, body string) answer {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, siteURL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Origin", siteURL)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	a, _ := b.do(request)
	return a
}

// cookie returns the value of the session cookie.
func (b *visitor) cookie() string {
	b.t.Helper()
	at, err := url.Parse(siteURL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, cookie := range b.client.Jar.Cookies(at) {
		if cookie.Name == "__Host-berth-session" {
			return cookie.Value
		}
	}
	return ""
}

// device signs a person in with the device flow and returns the token of the session.
func (c *company) device(subject string) api.SessionCreated {
	c.t.Helper()
	begun := read[api.DeviceSignIn](c.send(c.request("", http.MethodPost, "/api/v1/sign-in/device", "")).is(http.StatusOK))
	c.provider.Approve(c.t, begun.UserCode, subject)
	return read[api.SessionCreated](c.poll(begun).is(http.StatusCreated))
}

func (c *company) poll(begun api.DeviceSignIn) answer {
	c.t.Helper()
	return c.send(c.request("", http.MethodPost, "/api/v1/sign-in/device/token",
		`{"device_code":"`+begun.DeviceCode+`","client":"berth on laptop"}`))
}
