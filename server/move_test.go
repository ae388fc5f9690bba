package server_test

import (
	"database/sql"
	"net/http"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/api"
)

// excludeRunsSQL is the lock that precedes a change of a deployment in pool a.
const excludeRunsSQL = `SELECT pg_advisory_xact_lock(x'72756e73'::integer, hashtext('a'))`

const moveDeploymentSQL = `
UPDATE deployments SET pool_id = p.id, queue_id = q.id
FROM pools p JOIN queues q ON q.pool_id = p.id
WHERE p.name = 'b' AND deployments.name = 'moving'`

// TestADeploymentThatMovesAwayDuringARequestIsNotChanged lets a deployment move to another pool after the pools
// of a request are checked and before it is carried out: the request waits for the locks that the move holds.
// SQLite has one writer at a time.
func TestADeploymentThatMovesAwayDuringARequestIsNotChanged(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	r := start(t, on(url))
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, pool := range []string{"a", "b"} {
		r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"`+pool+`","type":"process"}`).is(http.StatusCreated)
	}
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"moving","pool":"a",
		"schedules":[{"name":"yearly","cron":"@yearly"}]}]}`).is(http.StatusOK)
	key := r.makeKeyWith("a deployer of a", bindings("deployer:a")...)
	run := r.startRun("moving", "{}")
	r.call(http.MethodPost, "/api/v1/runs/"+run.ID.String()+"/cancel", "").is(http.StatusOK)

	for _, request := range []struct{ method, path, body string }{
		{http.MethodPatch, "/api/v1/deployments/moving", `{"paused":true}`},
		{http.MethodPatch, "/api/v1/deployments/moving/schedules/yearly", `{"active":false}`},
		{http.MethodPost, "/api/v1/runs/" + run.ID.String() + "/retry", ""},
		{http.MethodDelete, "/api/v1/deployments/moving", ""},
	} {
		move, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{excludeRunsSQL, moveDeploymentSQL} {
			if _, err := move.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		answers := async(func() answer { return r.as(key, request.method, request.path, request.body) })
		if err := pgtest.AwaitLock(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		if err := move.Commit(); err != nil {
			t.Fatal(err)
		}
		a := await(t, answers, "the answer to "+request.method+" "+request.path)
		if a.status != http.StatusNotFound && a.status != http.StatusForbidden && a.status != http.StatusConflict {
			t.Errorf("%s %s answered %d for a deployment that is in another pool: %s", request.method, request.path,
				a.status, a.body)
		}
		if _, err := db.ExecContext(t.Context(), `UPDATE deployments SET pool_id = p.id, queue_id = q.id
			FROM pools p JOIN queues q ON q.pool_id = p.id WHERE p.name = 'a' AND deployments.name = 'moving'`); err != nil {
			t.Fatal(err)
		}
	}
	d := read[api.Deployment](r.call(http.MethodGet, "/api/v1/deployments/moving", "").is(http.StatusOK))
	if d.Paused || !(*d.Schedules)[0].Active {
		t.Errorf("the deployment was changed: %+v", d)
	}
}

// TestARefusalLeavesNoRunBehind: one of many runs was created before by the same idempotency key, in a pool in which
// the caller may not start runs. All are refused, and none was created.
func TestARefusalLeavesNoRunBehind(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, pool := range []string{"a", "b"} {
		r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"`+pool+`","type":"process"}`).is(http.StatusCreated)
	}
	deploy := func(pool string) {
		r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"moving","pool":"`+pool+`"}]}`).is(http.StatusOK)
	}
	deploy("b")
	const many = "/api/v1/deployments/moving/runs/bulk"
	r.call(http.MethodPost, many, `{"runs":[{"idempotency_key":"k"}]}`).is(http.StatusOK)
	r.call(http.MethodPost, "/api/v1/runs/cancel", `{"filter":{"deployment":"moving"}}`).is(http.StatusOK)
	deploy("a")
	key := r.makeKeyWith("an operator of a", bindings("operator:a")...)
	r.as(key, http.MethodPost, many, `{"runs":[{},{"idempotency_key":"k"}]}`).
		refused(http.StatusForbidden, "forbidden")
	if n := len(read[api.RunList](r.call(http.MethodGet, "/api/v1/runs", "").is(http.StatusOK)).Items); n != 1 {
		t.Errorf("there are %d runs, want the one of before", n)
	}
}
