package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestAPersonSignsInWithABrowser(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	b := c.browser()
	b.call(http.MethodGet, "/api/v1/info", "").refused(http.StatusUnauthorized, "unauthenticated")
	methods := read[api.SignInMethods](b.call(http.MethodGet, "/api/v1/sign-in", "").is(http.StatusOK))
	if methods.URL == nil || *methods.URL != "/sign-in" || *methods.Provider != c.provider.HostOf() {
		t.Errorf("the page is told %+v", methods)
	}

	if at := b.signIn("u-ada"); at.String() != siteURL+"/" {
		t.Errorf("after the sign-in the browser is at %s", at)
	}
	who := read[api.WhoAmI](b.call(http.MethodGet, "/api/v1/whoami", "").is(http.StatusOK))
	if who.Name != "ada@example.com" || who.Kind != api.CallerUser || len(who.Bindings) != 1 ||
		who.Bindings[0].Role != api.RoleAdmin {
		t.Errorf("the page is told %+v", who)
	}
	b.call(http.MethodPut, "/api/v1/variables/x", `{"value":1}`).is(http.StatusOK)
	audit := read[api.AuditList](b.call(http.MethodGet, "/api/v1/audit?limit=2", "").is(http.StatusOK)).Items
	if audit[0].Actor != "ada@example.com" || audit[1].Kind != api.AuditSession ||
		audit[1].Action != api.AuditCreate || audit[1].Actor != "ada@example.com" ||
		audit[0].KeyID == nil || *audit[0].KeyID != *audit[1].KeyID {
		t.Errorf("the audit has %+v", audit)
	}

	token := b.cookie()
	b.call(http.MethodDelete, "/api/v1/sessions/current", "").is(http.StatusNoContent)
	if b.cookie() != "" {
		t.Error("the browser still has the cookie")
	}
	request := b.request("", http.MethodGet, "/api/v1/info", "")
	request.AddCookie(&http.Cookie{Name: "__Host-berth-session", Value: token})
	c.send(request).refused(http.StatusUnauthorized, "unauthenticated")
}

func TestAPersonSignsInWithTheCommandLine(t *testing.T) {
	t.Parallel()
	c := startCompany(t)
	begun := read[api.DeviceSignIn](c.send(c.request("", http.MethodPost, "/api/v1/sign-in/device", "")).is(http.StatusOK))
	if !strings.HasPrefix(begun.VerificationURL, c.provider.URL) || begun.UserCode == "" || begun.Interval != 1 {
		t.Errorf("the person is told %+v", begun)
	}
	c.poll(begun).is(http.StatusAccepted)
	c.provider.Approve(t, begun.UserCode, "u-bob")
	created := read[api.SessionCreated](c.poll(begun).is(http.StatusCreated))
	if s := created.Session; s.User != "bob@example.com" || s.Kind != api.SessionCLI || s.State != api.SessionActive ||
		s.Client == nil || *s.Client != "berth on laptop" {
		t.Errorf("the session is %+v", s)
	}
	c.poll(begun).refused(http.StatusForbidden, "sign-in-failed") // the code works once

	c.send(c.request(created.Token, http.MethodGet, "/api/v1/work-pools/local", "")).is(http.StatusOK)
	c.send(c.request(created.Token, http.MethodPut, "/api/v1/variables/x", `{"value":1}`)).
		refused(http.StatusForbidden, "forbidden")
	c.send(c.request(created.Token, http.MethodDelete, "/api/v1/sessions/current", "")).is(http.StatusNoContent)
	c.send(c.request(created.Token, http.MethodGet, "/api/v1/info", "")).
		refused(http.StatusUnauthorized, "unauthenticated")
}
