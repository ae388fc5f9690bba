package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

const (
	leaseTime = 30 * time.Second
	actor     = "ada"
)

// world is a store and short words for what tests do with it.
type world struct {
	*storetest.Store
	t *testing.T
}

// onEach runs a test on every database.
func onEach(t *testing.T, test func(w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *storetest.Store) { test(&world{s, t}) })
}

// onEachLayout is onEach, and once more on a PostgreSQL whose tables of runs are partitioned.
func onEachLayout(t *testing.T, test func(w *world)) {
	t.Helper()
	storetest.EachLayout(t, func(t *testing.T, s *storetest.Store) { test(&world{s, t}) })
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) refuses(err error, code store.Code) {
	w.t.Helper()
	var e *store.Error
	if !errors.As(err, &e) || e.Code != code {
		w.t.Fatalf("got %v, want an error with code %s", err, code)
	}
}

func ptr[T any](v T) *T { return &v }

func (w *world) pool(name string, change ...func(*store.NewPool)) *store.Pool {
	w.t.Helper()
	p := store.NewPool{
		Name: name, Type: "kubernetes",
		Template: store.TemplateDocument{Document: json.RawMessage(`{"version": 1}`)},
	}
	for _, c := range change {
		c(&p)
	}
	return w.createPool(p, actor)
}

func (w *world) deployment(name, pool string, change ...func(*store.Deployment)) *store.Deployment {
	w.t.Helper()
	d := store.Deployment{Name: name, Pool: pool}
	for _, c := range change {
		c(&d)
	}
	put, _, err := w.UpsertDeployment(w.t.Context(), d, actor)
	w.check(err)
	return put
}

func (w *world) run(deployment string, change ...func(*store.NewRun)) *store.Run {
	w.t.Helper()
	n := store.NewRun{Deployment: deployment}
	for _, c := range change {
		c(&n)
	}
	run, existed, err := w.CreateRun(w.t.Context(), n, actor)
	w.check(err)
	if existed {
		w.t.Fatal("the run existed already")
	}
	return run
}

// runs creates many runs.
func (w *world) runs(deployment string, n int) {
	w.t.Helper()
	for ; n > 0; n -= 1000 {
		_, err := w.CreateRuns(w.t.Context(), deployment, make([]store.NewRun, min(n, 1000)), actor)
		w.check(err)
	}
}

// one is a pool with a deployment and a run of it, all with the defaults.
func (w *world) one(change ...func(*store.Deployment)) *store.Run {
	w.t.Helper()
	w.pool("p")
	w.deployment("d", "p", change...)
	return w.run("d")
}

func request(pool, worker string, max int) store.ClaimRequest {
	return store.ClaimRequest{
		RequestID: uuid.New(), Pool: pool, Worker: worker, ClusterID: "c", Max: max,
		Lease: leaseTime, Session: storetest.SessionOf(pool, worker).ID,
	}
}

func (w *world) claim(r store.ClaimRequest) []store.Claim {
	w.t.Helper()
	return must[[]store.Claim](w.t)(w.Claim(w.t.Context(), r))
}

func (w *world) claimOne(worker string) store.Claim {
	w.t.Helper()
	claims := w.claim(request("p", worker, 10))
	if len(claims) != 1 {
		w.t.Fatalf("claimed %d attempts, want 1", len(claims))
	}
	return claims[0]
}

// restarted is a request of a worker's next process, which knows of nothing.
func restarted(r store.ClaimRequest) store.ClaimRequest {
	r.Session = uuid.New()
	return r
}

// renew renews the leases that a worker of pool p holds.
func (w *world) renew(worker string, leases ...store.Lease) (lost, cancels []uuid.UUID, err error) {
	w.t.Helper()
	return w.RenewLeases(w.t.Context(), store.Renewal{
		Session: storetest.SessionOf("p", worker), Leases: leases, Lease: leaseTime,
	})
}

func leaseOf(c store.Claim) store.Lease { return store.Lease{AttemptID: c.AttemptID, Epoch: c.Epoch} }

// says reports in one call and returns the statuses.
func (w *world) says(reports ...store.Report) []store.ReportStatus {
	w.t.Helper()
	results := w.reportAll("w", reports)
	statuses := make([]store.ReportStatus, len(results))
	for i, r := range results {
		statuses[i] = r.Status
	}
	return statuses
}

func (w *world) accepts(reports ...store.Report) {
	w.t.Helper()
	for i, status := range w.says(reports...) {
		if status != store.ReportAccepted {
			w.t.Fatalf("report %d (%s) was answered %s", i, reports[i].Kind, status)
		}
	}
}

func manifest(c store.Claim) store.Report {
	return store.Report{
		Lease: leaseOf(c), Kind: store.ReportManifest, Manifest: json.RawMessage(`{"kind": "Job"}`),
	}
}

func submitted(c store.Claim) store.Report {
	return store.Report{
		Lease: leaseOf(c), Kind: store.ReportSubmitted, JobNamespace: "jobs",
		JobName: "job", JobUID: "uid-" + c.AttemptID.String(),
	}
}

func running(c store.Claim) store.Report {
	return store.Report{Lease: leaseOf(c), Kind: store.ReportRunning, Node: "node-1"}
}

func ended(c store.Claim, o lifecycle.Outcome) store.Report {
	return store.Report{Lease: leaseOf(c), Kind: store.ReportEnded, Outcome: o}
}

func succeeded(c store.Claim) store.Report { return ended(c, lifecycle.Outcome{Succeeded: true}) }

func failed(c store.Claim, category lifecycle.Category) store.Report {
	return ended(c, lifecycle.Outcome{Category: category})
}

// isIn checks the state of a run, as "TYPE Name".
func (w *world) isIn(id uuid.UUID, want string) *store.Run {
	w.t.Helper()
	run := w.getRun(id)
	if got := string(run.State.Type) + " " + run.State.Name; got != want {
		w.t.Fatalf("the run is %s (%s), want %s", got, run.State.Message, want)
	}
	if run.State.Type.Terminal() != (run.EndedAt != nil) {
		w.t.Fatalf("the run is %s and ended at %v", run.State.Type, run.EndedAt)
	}
	return run
}

// history is the run's states in order, as "TYPE Name".
func (w *world) history(id uuid.UUID) []string {
	w.t.Helper()
	events := w.listEvents(id, 0)
	var states []string
	for i, e := range events {
		if e.Seq != int64(i+1) {
			w.t.Fatalf("event %d has number %d", i, e.Seq)
		}
		if e.Actor == "" || e.At.IsZero() {
			w.t.Fatalf("event %d does not say who or when: %+v", i, e)
		}
		states = append(states, string(e.State.Type)+" "+e.State.Name)
	}
	return states
}

func (w *world) used(pool string) int32 {
	w.t.Helper()
	return w.getPool(pool).SlotsUsed
}

func same[T any](t *testing.T, what string, got, want []T) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v\nwant %v", what, got, want)
	}
}
