package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

// page asks for a page as a browser does; it follows no redirect.
func (r *running) page(path string, header ...string) answer {
	r.t.Helper()
	request := r.request("", http.MethodGet, path, "")
	request.Header.Set("Accept", "text/html")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return r.sendOnce(request)
}

// sendForm sends a form as a browser does.
func (r *running) sendForm(path string, form url.Values, header ...string) answer {
	r.t.Helper()
	request := r.request("", http.MethodPost, path, form.Encode())
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "text/html")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return r.sendOnce(request)
}

func (r *running) sendOnce(request *http.Request) answer {
	r.t.Helper()
	once := *r.http
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := once.Do(request)
	if err != nil {
		r.t.Fatalf("%s %s: %v", request.Method, request.URL, err)
	}
	return r.readAll(request, response)
}

func (a answer) has(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(string(a.body), text) {
			a.t.Errorf("%s has no %q:\n%s", a.what, text, a.body)
		}
	}
	return a
}

func TestPagesAreHTMLFromTheServer(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	r.startRun("hello", `{"name":"the run"}`)
	r.page("/runs?state=SCHEDULED").is(http.StatusOK).has("<h1>Runs</h1>", "the run", "<title>Runs · Berth</title>",
		`aria-current="page">Runs`)
	r.page("/nothing").is(http.StatusNotFound).has("does not exist", "<nav")
	r.page("/runs?from=yesterday").is(http.StatusBadRequest).has("is no time")
}

func TestABrowserSignsInWithAKey(t *testing.T) {
	r := start(t)
	viewer := r.makeKey("me", api.RoleViewer)
	asked := r.page("/runs?state=FAILED").is(http.StatusSeeOther)
	if to := asked.header.Get("Location"); to != "./session?to=runs%3Fstate%3DFAILED" {
		t.Fatalf("leads to %q", to)
	}
	r.page("/session?to=runs%3Fstate%3DFAILED").is(http.StatusOK).has(`value="runs?state=FAILED"`)
	r.sendForm("/session", url.Values{"key": {"berth_wrong"}}).is(http.StatusUnauthorized).has("no valid API key")
	r.sendForm("/session", url.Values{"key": {viewer}}, "Sec-Fetch-Site", "cross-site").is(http.StatusForbidden)
	in := r.sendForm("/session", url.Values{"key": {viewer}, "to": {"runs?state=FAILED"}}).is(http.StatusSeeOther)
	if to := in.header.Get("Location"); to != "./runs?state=FAILED" {
		t.Errorf("leads to %q", to)
	}
	cookie := in.header.Get("Set-Cookie")
	if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || strings.Contains(cookie, viewer) {
		t.Errorf("cookie %q", cookie)
	}
	value, _, _ := strings.Cut(cookie, ";")
	r.page("/runs", "Cookie", value).is(http.StatusOK).has("<h1>Runs</h1>", "me")
	for _, to := range []string{"//evil.example", "https://evil.example", "..//evil.example", `\\evil.example`, "/session"} {
		if at := r.sendForm("/session", url.Values{"key": {viewer}, "to": {to}}).header.Get("Location"); strings.Contains(at, "evil") && !strings.HasPrefix(at, "./evil") {
			t.Errorf("%q leads to %q", to, at)
		}
	}
	forged := value[:len(value)-4] + "AAAA"
	r.page("/runs", "Cookie", forged).is(http.StatusSeeOther)
	foreign := r.request("", http.MethodPost, "/api/v1/runs/cancel", `{}`)
	foreign.Header.Set("Cookie", value)
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	r.send(foreign).is(http.StatusForbidden)
	_, rest, _ := strings.Cut(viewer, "_")
	id, _, _ := strings.Cut(rest, "_")
	r.call(http.MethodDelete, "/api/v1/api-keys/"+id, "").is(http.StatusNoContent)
	r.page("/runs", "Cookie", value).is(http.StatusSeeOther)
	r.page("/runs", "Sec-Fetch-Site", "cross-site").is(http.StatusOK).has(`http-equiv="refresh"`)
}
