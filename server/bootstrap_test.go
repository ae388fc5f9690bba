package server_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/apikey"
)

// TestARevokedBootstrapKeyStaysRevokedWhenTheServerRestarts: the environment still has it.
func TestARevokedBootstrapKeyStaysRevokedWhenTheServerRestarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log logged
	var first *running
	in := func(o *server.Options) {
		o.DataDir = dir
		if first != nil {
			o.BootstrapAdminKey, o.BootstrapWorkerKey = first.admin, first.worker
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		}
	}
	first = start(t, in)
	other := first.makeKey("other", api.RoleAdmin)
	first.call(http.MethodDelete, "/api/v1/api-keys/bootstrap-admin", "").is(http.StatusNoContent)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}

	again := start(t, in)
	again.send(again.request(first.admin, http.MethodGet, "/api/v1/runs", "")).
		refused(http.StatusUnauthorized, "unauthenticated")
	again.send(again.request(other, http.MethodGet, "/api/v1/runs", "")).is(http.StatusOK)
	if !strings.Contains(log.String(), "was revoked") {
		t.Errorf("the server does not say that its key was revoked: %s", log.String())
	}
}

// TestAReplacedBootstrapKeyStaysValidForATime: pods with the old one are still running.
func TestAReplacedBootstrapKeyStaysValidForATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(o *server.Options) { o.DataDir = dir }
	first := start(t, in)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, in) // with new keys
	for name, key := range map[string]string{"old": first.admin, "new": second.admin} {
		if got := second.send(second.request(key, http.MethodGet, "/api/v1/runs", "")); got.status != http.StatusOK {
			t.Errorf("the %s key: status %d", name, got.status)
		}
	}

	old, err := apikey.Parse(first.admin)
	if err != nil {
		t.Fatal(err)
	}
	second.call(http.MethodDelete, "/api/v1/api-keys/bootstrap-admin-"+old.ID, "").is(http.StatusNoContent)
	second.send(second.request(first.admin, http.MethodGet, "/api/v1/runs", "")).
		refused(http.StatusUnauthorized, "unauthenticated")
	second.call(http.MethodGet, "/api/v1/runs", "").is(http.StatusOK)
}
