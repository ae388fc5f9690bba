package server_test

import (
	"net/http"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
)

// TestAServerOnAStandbyIsNotReady: the primary is gone, and what answers in its place takes no writes yet.
func TestAServerOnAStandbyIsNotReady(t *testing.T) {
	t.Parallel()
	primary := pgtest.Start(t)
	primary.CreateDatabase(t, "berth")
	host := pgtest.NewHost(t, primary)
	r := start(t, on(host.URL("berth")+"&target_session_attrs=any"))
	r.deploy("hello", "")
	standby := primary.Standby(t)

	host.Move(t, standby)
	primary.Stop(t)
	const want = "the database takes no writes: it is a standby; it may be failing over, try again\n"
	got := ""
	for range 20 { // the first questions may get connections that broke
		if got = string(r.call(http.MethodGet, "/readyz", "").is(http.StatusServiceUnavailable).body); got == want {
			break
		}
	}
	if got != want {
		t.Errorf("the server says %q", got)
	}
	r.call(http.MethodPost, "/api/v1/deployments/hello/runs", `{}`).
		refused(http.StatusServiceUnavailable, "unavailable")

	standby.Promote(t)
	comesBack(t, r)
	r.startRun("hello", `{}`)
}
