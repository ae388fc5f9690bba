package server_test

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// on puts a server on a PostgreSQL database.
func on(url string) func(*server.Options) {
	return func(o *server.Options) { o.DatabaseURL, o.DataDir, o.Migrate = url, "", server.MigrateAuto }
}

func TestTwoServersShareOnePostgreSQL(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	one := start(t, on(database))
	two := start(t, on(database),
		func(o *server.Options) { o.BootstrapAdminKey, o.BootstrapWorkerKey = one.admin, one.worker })
	two.admin, two.worker = one.admin, one.worker
	about := func(r *running) api.Info {
		return read[api.Info](r.call(http.MethodGet, "/api/v1/info", "").is(http.StatusOK))
	}
	if about(one).InstallationID != about(two).InstallationID {
		t.Error("they are two installations")
	}
	one.deploy("hello", "")

	w := two.newWorker("w1")
	claims := async(func() []api.Claim { return w.claim(1, 30) })
	run := one.startRun("hello", `{"parameters":{"name":"world"}}`)
	claimed := await(t, claims, "the claim on the other server")
	if len(claimed) != 1 || claimed[0].RunID != run.ID {
		t.Fatalf("claimed %+v", claimed)
	}
	s := one.stream(run, "", "")
	w.begin(claimed[0])
	w.write(claimed[0], 0, "hello world\n")
	began := time.Now()
	w.finish(claimed[0], 0, "hello world\n")
	if got := output(s.until(isEnd)); got != "hello world\n" {
		t.Errorf("the output is %q", got)
	}
	if waited := time.Since(began); waited > 10*time.Second {
		t.Errorf("the end was seen on the other server after %s", waited)
	}
	if got := read[api.RunDetail](one.call(http.MethodGet, "/api/v1/runs/"+run.ID.String(),
		"")); got.Run.State.Type != api.COMPLETED {
		t.Errorf("the run is %s", got.Run.State.Type)
	}
	one.call(http.MethodPost, "/api/v1/apply",
		`{"deployments":[{"name":"good","pool":"local"},{"name":"bad","pool":"nowhere"}]}`).
		refused(http.StatusUnprocessableEntity, "apply-invalid", "/deployments/1/pool")
	one.call(http.MethodGet, "/api/v1/deployments/good", "").refused(http.StatusNotFound, "not-found")
}

func TestOlderSchemaIsRefusedWithTheRemedy(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := server.Run(ctx, server.Options{
		Listen: "127.0.0.1:0", DatabaseURL: pgtest.Database(t),
		Ready: func(server.Address) { t.Error("it serves"); cancel() },
	})
	if err == nil || !strings.Contains(err.Error(), "berth migrate up") {
		t.Errorf("got %v", err)
	}
}

// TestServerRecoversFromALostDatabase stops PostgreSQL under a server.
func TestServerRecoversFromALostDatabase(t *testing.T) {
	t.Parallel()
	postgres := pgtest.Start(t)
	database := postgres.CreateDatabase(t, "berth")
	keepWhatIsCommitted(t, database)
	r := start(t, on(database))
	r.deploy("hello", "")
	postgres.Stop(t)
	r.call(http.MethodGet, "/healthz", "").is(http.StatusOK)
	r.call(http.MethodGet, "/readyz", "").is(http.StatusServiceUnavailable)
	r.call(http.MethodGet, "/api/v1/runs", "").refused(http.StatusServiceUnavailable, "unavailable")
	r.send(r.request(newKey(t), http.MethodGet, "/api/v1/runs", "")).refused(http.StatusServiceUnavailable,
		"unavailable")
	postgres.Resume(t)
	comesBack(t, r)
	r.startRun("hello", `{}`)
}

// keepWhatIsCommitted makes the database as durable as one in production; the tests' own is fast instead.
func keepWhatIsCommitted(t *testing.T, database string) {
	t.Helper()
	db, err := sql.Open("postgres", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "ALTER DATABASE berth SET synchronous_commit = on"); err != nil {
		t.Fatal(err)
	}
}

func comesBack(t *testing.T, r *running) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if r.call(http.MethodGet, "/readyz", "").status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server does not come back")
		}
	}
}
