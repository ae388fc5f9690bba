package server_test

import (
	"database/sql"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// TestPeopleStarveNoWorker: one key has fifty streams open and sends fifty requests that the database does not
// answer. A worker claims, renews and reports all the same, because people have separate connections.
func TestPeopleStarveNoWorker(t *testing.T) {
	t.Parallel()
	const people, many = 2, 50
	database := pgtest.Database(t)
	r := start(t, on(database), func(o *server.Options) {
		o.Connections, o.PeopleConnections, o.PeopleTimeout = 3, people, time.Minute
	})
	r.deploy("hello", "")
	run := r.startRun("hello", `{}`)
	for range many {
		r.openStream(r.admin, "/api/v1/runs/stream", http.StatusOK)
	}

	direct := openSQL(t, database)
	lock, err := direct.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.ExecContext(t.Context(), "LOCK TABLE audit IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	answers := make(chan int, many)
	for range many {
		go func() { answers <- r.call(http.MethodGet, "/api/v1/audit", "").status }()
	}
	await(t, async(func() error { return pgtest.AwaitLock(t.Context(), direct) }), "requests of people that wait")

	w := r.newWorker("w1")
	claim := w.claimOne()
	if claim.RunID != run.ID {
		t.Fatalf("claimed run %s", claim.RunID)
	}
	w.begin(claim)
	renewed := tell[api.RenewResponse](r, "leases", api.RenewRequest{
		Pool: w.pool, Worker: w.name, SessionID: w.session(),
		Leases: []api.AttemptLease{{AttemptID: claim.AttemptID, Epoch: claim.Epoch}},
	})
	if len(renewed.Lost) != 0 {
		t.Errorf("the renewal lost %v", renewed.Lost)
	}
	w.finish(claim, 0, "")
	var n int
	err = direct.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'berth people'`).Scan(&n)
	if err != nil || n > people {
		t.Errorf("people have %d connections (%v), want at most %d", n, err, people)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	for range many {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("a request of people got %d", status)
		}
	}
}

func openSQL(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// openStream opens a stream, which ends with the test, and returns the answer if it is another one than wanted.
func (r *running) openStream(key, path string, want int) answer {
	r.t.Helper()
	response, err := r.http.Do(r.request(key, http.MethodGet, path, ""))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != want {
		r.t.Fatalf("the stream began with %s, want %d", response.Status, want)
	}
	if want == http.StatusOK {
		return answer{}
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{t: r.t, status: response.StatusCode, header: response.Header, body: body}
}

func TestStreamsAreBoundedPerKeyAndInAll(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.StreamsPerKey, o.Streams = 2, 3 })
	one, other := r.makeKey("one", api.RoleViewer), r.makeKey("other", api.RoleViewer)
	const path = "/api/v1/runs/stream"
	r.openStream(one, path, http.StatusOK)
	r.openStream(one, path, http.StatusOK)
	r.openStream(one, path, http.StatusTooManyRequests).refused(http.StatusTooManyRequests, "rate-limited")
	r.openStream(other, path, http.StatusOK)
	r.openStream(other, path, http.StatusServiceUnavailable).refused(http.StatusServiceUnavailable, "unavailable")
}

// TestAQueryOfPeopleThatTakesTooLongIsRefusedWithTheReason: the table is locked for longer than people wait.
func TestAQueryOfPeopleThatTakesTooLongIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	r := start(t, on(database), func(o *server.Options) { o.PeopleTimeout = time.Second })
	lock, err := openSQL(t, database).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.ExecContext(t.Context(), "LOCK TABLE audit IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	r.call(http.MethodGet, "/api/v1/audit", "").refused(http.StatusServiceUnavailable, "query-timeout")
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
}
