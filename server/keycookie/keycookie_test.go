package keycookie_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/keycookie"
	"github.com/berth-dev/berth/server/seal"
)

func newCookies(t *testing.T, now func() time.Time) *keycookie.Cookies {
	t.Helper()
	text, err := seal.NewText()
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return keycookie.New(key, now)
}

// signedIn is a request of a browser that has signed in at an address.
func signedIn(t *testing.T, c *keycookie.Cookies, method, address string, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, address, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer := httptest.NewRecorder()
	if err := c.Set(answer, r, "3a8a971f"); err != nil {
		t.Fatal(err)
	}
	for _, cookie := range answer.Result().Cookies() {
		r.AddCookie(cookie)
	}
	return r
}

func TestABrowserIsSignedInUntilTheCookieIsOld(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	c := newCookies(t, func() time.Time { return at })
	r := signedIn(t, c, http.MethodGet, "http://127.0.0.1:4200/runs")
	if id, found, err := c.KeyID(r); id != "3a8a971f" || !found || err != nil {
		t.Errorf("%q %v %v", id, found, err)
	}
	for _, later := range []time.Duration{7 * 24 * time.Hour, -2 * time.Minute} {
		begin := at
		at = at.Add(later)
		if _, found, err := c.KeyID(r); found || err != nil {
			t.Errorf("after %s: %v %v", later, found, err)
		}
		at = begin
	}
}

func TestACookieOfAnotherInstallationIsNone(t *testing.T) {
	c, other := newCookies(t, time.Now), newCookies(t, time.Now)
	r := signedIn(t, other, http.MethodGet, "http://127.0.0.1:4200/runs")
	if _, found, err := c.KeyID(r); found || err != nil {
		t.Errorf("%v %v", found, err)
	}
	twice := signedIn(t, c, http.MethodGet, "http://127.0.0.1:4200/runs")
	twice.AddCookie(twice.Cookies()[0]) // as only another host of the domain can cause
	if _, found, err := c.KeyID(twice); found || err != nil {
		t.Errorf("two cookies: %v %v", found, err)
	}
}

func TestAWriteOfAnotherSiteIsRefused(t *testing.T) {
	c := newCookies(t, time.Now)
	for _, from := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		r := signedIn(t, c, http.MethodPost, "https://berth.example.com/api/v1/runs/cancel", from[0], from[1])
		if _, _, err := c.KeyID(r); err == nil {
			t.Errorf("%v is let in", from)
		}
	}
	own := signedIn(t, c, http.MethodPost, "https://berth.example.com/api/v1/runs/cancel", "Origin", "https://berth.example.com")
	if _, found, err := c.KeyID(own); !found || err != nil {
		t.Errorf("%v %v", found, err)
	}
}

func TestTheCookieIsForTheBrowserAlone(t *testing.T) {
	c := newCookies(t, time.Now)
	for address, name := range map[string]string{
		"https://berth.example.com/": "__Host-berth-key", "http://127.0.0.1:4200/": "berth-key-4200", "http://berth/": "berth-key",
	} {
		answer := httptest.NewRecorder()
		if err := c.Set(answer, httptest.NewRequest(http.MethodPost, address, nil), "3a8a971f"); err != nil {
			t.Fatal(err)
		}
		cookie := answer.Result().Cookies()[0]
		if cookie.Name != name || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" ||
			cookie.Secure != strings.HasPrefix(address, "https:") || strings.Contains(cookie.Value, "3a8a971f") {
			t.Errorf("%s: %v", address, cookie)
		}
	}
	behind := httptest.NewRequest(http.MethodPost, "http://berth/", nil)
	behind.Header.Set("X-Forwarded-Proto", "https")
	answer := httptest.NewRecorder()
	c.Clear(answer, behind)
	if cookie := answer.Result().Cookies()[0]; !cookie.Secure || cookie.MaxAge != -1 || cookie.Name != "__Host-berth-key" {
		t.Errorf("%v", cookie)
	}
}
