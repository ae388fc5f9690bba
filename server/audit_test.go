package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// audited lists the audit as the key sees it, oldest first: who did what to what.
func (r *running) audited(key, query string) []string {
	r.t.Helper()
	var lines []string
	cursor := ""
	for {
		page := read[api.AuditList](r.send(r.request(key, http.MethodGet,
			"/api/v1/audit?limit=2"+query+cursor, "")).is(http.StatusOK))
		for _, e := range page.Items {
			lines = append([]string{fmt.Sprintf("%s %s %s %s", e.Actor, e.Action, e.Kind, e.Name)}, lines...)
		}
		if page.NextCursor == nil {
			return lines
		}
		cursor = "&cursor=" + *page.NextCursor
	}
}

func TestChangesAndRefusalsAreAudited(t *testing.T) {
	t.Parallel()
	r := start(t)
	editor, viewer := r.makeKey("ed", api.RoleEditor), r.makeKey("vi", api.RoleViewer)
	r.send(r.request(
		editor,
		http.MethodPost,
		"/api/v1/apply",
		`{"pools":[{"name":"other","type":"process"}],"variables":[{"name":"v","value":1}],"deployments":[{"name":"d","pool":"local"}]}`,
	)).is(http.StatusOK)
	r.send(r.request(editor, http.MethodPost, "/api/v1/apply",
		`{"dry_run":true,"variables":[{"name":"v","value":2}]}`)).is(http.StatusOK)
	r.send(r.request(viewer, http.MethodDelete, "/api/v1/variables/v", "")).refused(http.StatusForbidden,
		"forbidden")
	r.send(r.request(viewer, http.MethodGet, "/api/v1/api-keys", "")).refused(http.StatusForbidden,
		"forbidden")
	r.send(r.request(newKey(t), http.MethodDelete, "/api/v1/variables/v",
		"")).refused(http.StatusUnauthorized, "unauthenticated")
	limited := r.makeKey("li", api.RoleAdmin, "other")
	r.send(r.request(limited, http.MethodDelete, "/api/v1/deployments/d", "")).refused(http.StatusNotFound,
		"not-found")

	want := []string{
		"bootstrap create api-key bootstrap-admin", "bootstrap create api-key bootstrap-worker",
		"bootstrap create pool local",
		"bootstrap-admin create api-key ed", "bootstrap-admin create api-key vi",
		"ed create pool other", "ed create variable v", "ed create deployment d",
		"vi refuse operation DELETE /api/v1/variables/v", "bootstrap-admin create api-key li",
		"li refuse operation DELETE /api/v1/deployments/d",
	}
	got := r.audited(r.admin, "")
	if strings.HasSuffix(got[0], "worker") { // the order of the two does not matter
		got[0], got[1] = got[1], got[0]
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := r.audited(r.admin, "&actor=ed&kind=pool"); len(got) != 1 {
		t.Errorf("filtered: %v", got)
	}
	if got := r.audited(limited, ""); strings.Join(got, ",") != "ed create pool other" {
		t.Errorf("a key for one pool sees %v", got)
	}
	entry := read[api.AuditList](r.call(http.MethodGet, "/api/v1/audit?actor=ed&limit=1", "")).Items[0]
	if entry.KeyID == nil || !strings.Contains(editor, "_"+*entry.KeyID+"_") || entry.Address == nil ||
		*entry.Address != "127.0.0.1" {
		t.Errorf("it does not say from where: %+v", entry)
	}
	r.send(r.request(editor, http.MethodGet, "/api/v1/audit", "")).refused(http.StatusForbidden, "forbidden")
	r.call(http.MethodGet, "/api/v1/audit?kind=x", "").refused(http.StatusBadRequest, "invalid-parameter")
	r.call(http.MethodGet, "/api/v1/audit?cursor=x", "").refused(http.StatusBadRequest, "invalid-cursor")
}

func TestKeyAboveItsRateIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.RateLimit = 0.1 })
	viewer := r.makeKey("vi", api.RoleViewer)
	r.send(r.request(viewer, http.MethodGet, "/api/v1/info", "")).is(http.StatusOK)
	refused := r.send(r.request(viewer, http.MethodGet, "/api/v1/info", ""))
	document := refused.refused(http.StatusTooManyRequests, "rate-limited")
	if after := refused.header.Get("Retry-After"); after != "10" ||
		!strings.Contains(*document.Detail, `"vi"`) {
		t.Errorf("Retry-After is %q: %s", after, refused.body)
	}
	for range 2 { // a worker's key may ask more often
		r.send(r.request(r.worker, http.MethodGet, "/api/v1/info", "")).is(http.StatusOK)
	}
	r.send(r.request("", http.MethodGet, "/healthz", "")).is(http.StatusOK)
}

func TestNoRateLimitRefusesNoKey(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*server.Options){func(o *server.Options) { o.RateLimit = -1 },
		func(o *server.Options) { o.RateLimit = 0.1; withoutKeys(o) }} {
		r := start(t, change)
		for range 2 * server.DefaultRateLimit {
			r.call(http.MethodGet, "/api/v1/info", "").is(http.StatusOK)
		}
	}
}
