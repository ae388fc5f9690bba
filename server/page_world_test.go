package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/lifecycle"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
	"github.com/berth-dev/berth/templating/yamldoc"
)

// world is a server with the installation of a data team, as a reader meets it on a working day: five pools, a day of runs that
// ended in many ways, runs that are running and waiting, a pool that is paused, and one without a worker.
type world struct {
	*running
	failed, live, waiting api.Run
}

// theWorld fills a server. Pools, deployments and templates are made through the API; the day before now is written by the
// store, with a clock that is moved.
func theWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	storetest.SQLiteFile(t, dir)
	there := func(o *server.Options) { o.DataDir = dir }
	w := &world{running: start(t, withoutKeys, there)}
	declared, err := yamldoc.ToJSON([]byte(worldFile(t, "apply.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	w.call(http.MethodPost, "/api/v1/apply", string(declared)).is(http.StatusOK)
	w.saveVersions()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}

	d := newDay(t, filepath.Join(dir, "berth.db"))
	d.ran()
	d.isOn()
	d.passes()
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}

	w.running = start(t, withoutKeys, there)
	w.comesAlive()
	byName := func(name string) api.Run {
		return read[api.RunList](w.call(http.MethodGet, "/api/v1/runs?text="+name, "").is(http.StatusOK)).Items[0]
	}
	w.failed, w.live, w.waiting = byName(failedRun), byName(liveRun), byName(waitingRun)
	return w
}

func worldFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "world", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// saveVersions gives the template of the analytics pool a history.
func (w *world) saveVersions() {
	w.t.Helper()
	text := worldFile(w.t, "template.yaml")
	for _, version := range []struct{ old, with, comment string }{
		{"default: 1Gi", "default: 512Mi", "the first of our own"},
		{"default: 1Gi", "default: 768Mi", "customer-360 was killed at 512Mi"},
		{"", "", "a gibibyte, as most deployments ask for it"},
	} {
		w.call(http.MethodPut, "/api/v1/work-pools/analytics/template", encode(w.t, api.TemplateSave{
			Source: strings.Replace(text, version.old, version.with, 1), Comment: version.comment,
		})).is(http.StatusOK)
	}
}

// comesAlive has workers say hello, and pauses what people have paused.
func (w *world) comesAlive() {
	w.t.Helper()
	w.greet()
	w.call(http.MethodPatch, "/api/v1/work-pools/reports", `{"paused":true,"pause_reason":"closed until the books open"}`).is(http.StatusOK)
	w.call(http.MethodPatch, "/api/v1/deployments/web-logs", `{"paused":true,"pause_reason":"the partner moves its bucket"}`).is(http.StatusOK)
}

// greet has the workers of the world say that they live.
func (w *world) greet() {
	for _, pool := range []string{"analytics", "ml-gpu", "ingest"} {
		w.newWorkerOf(pool, api.Kubernetes, workerOf(pool))
	}
}

func workerOf(pool string) string { return pool + "-worker-7d9f" }

// Names of the runs that have a story.
const (
	failedRun  = "plain-gull-3t8k"
	liveRun    = "steady-gull-rf33"
	waitingRun = "wise-deck-st58"
)

// day writes what has happened, in the order of time.
type day struct {
	t      *testing.T
	store  *store.Store
	end    time.Time
	offset time.Duration
	random *rand.Rand
	events []happening
	works  map[uuid.UUID]work // by their runs
}

// happening is what a worker or a person does at a time.
type happening struct {
	at time.Time
	do func()
}

func newDay(t *testing.T, file string) *day {
	t.Helper()
	d := &day{t: t, end: time.Now(), random: rand.New(rand.NewPCG(7, 7)), works: map[uuid.UUID]work{}}
	var err error
	d.store, err = store.Open(t.Context(), store.Options{
		URL: "sqlite://" + file, ClockOffset: func() time.Duration { return d.offset },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, pool := range []string{"analytics", "ml-gpu", "ingest"} {
		hello := store.Worker{Name: workerOf(pool), Pool: pool, Type: "kubernetes", ClusterID: "here", Version: "1.0.0"}
		d.check(d.store.UpsertWorker(t.Context(), hello, storetest.SessionOf(pool, hello.Name).ID))
	}
	return d
}

func (d *day) check(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// happens notes what will be done so long before now.
func (d *day) happens(before time.Duration, do func()) {
	d.events = append(d.events, happening{d.end.Add(-before), do})
}

// passes does all that happens, at its time. What is done may add what happens later.
func (d *day) passes() {
	for len(d.events) > 0 {
		slices.SortStableFunc(d.events, func(a, b happening) int { return a.at.Compare(b.at) })
		next := d.events[0]
		d.events = d.events[1:]
		d.offset = time.Until(next.at)
		next.do()
	}
}

// work is a run and how it goes. Without an end it runs until now.
type work struct {
	deployment, pool, name, by string
	parameters                 string
	took                       time.Duration
	ends                       []lifecycle.Outcome // of its attempts
	says                       string
	lastLines                  string
}

func failure(category lifecycle.Category, code int32, message string) lifecycle.Outcome {
	return lifecycle.Outcome{Category: category, ExitCode: &code, Message: message}
}

var succeeded = lifecycle.Outcome{Succeeded: true, ExitCode: new(int32)}

// ran are the runs that have ended: small ones all day, large ones at night.
func (d *day) ran() {
	hourly := func(deployment, pool string, every, took time.Duration) {
		for before := 24*time.Hour - every/2; before > took*3; before -= every {
			w := work{deployment: deployment, pool: pool, by: "schedule:default", ends: []lifecycle.Outcome{succeeded}}
			w.took = time.Duration(float64(took) * (0.6 + d.random.Float64()))
			switch d.random.IntN(28) {
			case 0:
				w.ends = []lifecycle.Outcome{failure(api.CategoryApp, 2, "")}
				w.lastLines = "no file matches s3://landing/" + deployment + "/*.parquet"
			case 1:
				w.ends = []lifecycle.Outcome{failure(api.CategoryImagePull, 0, "the registry does not answer")}
			}
			d.goes(before, w)
		}
	}
	hourly("partner-a-sftp", "ingest", 24*time.Minute, 40*time.Second)
	hourly("web-logs", "ingest", 48*time.Minute, 3*time.Minute)
	hourly("fx-rates", "ingest", time.Hour, 12*time.Second)
	hourly("quality-checks", "analytics", 2*time.Hour, 6*time.Minute)
	hourly("churn-score", "ml-gpu", 8*time.Hour, 25*time.Minute)
	hourly("sales-daily-load", "analytics", 12*time.Hour, 31*time.Minute)
	hourly("customer-360", "analytics", 12*time.Hour, 48*time.Minute)
	app := failure(api.CategoryApp, 1, "")
	for hour := 23; hour > 0; hour-- {
		w := work{deployment: "orders-cdc-merge", pool: "analytics", by: "schedule:hourly", took: 52 * time.Second, ends: []lifecycle.Outcome{succeeded}}
		if hour < 4 { // since the table is gone
			w.ends, w.took = []lifecycle.Outcome{app, app}, 4*time.Second
			w.says, w.lastLines = worldFile(d.t, "failed.log"), `psycopg.errors.UndefinedTable: relation "staging.orders_2026_11" does not exist`
		}
		if hour == 1 {
			w.name = failedRun
		}
		d.goes(time.Duration(hour)*time.Hour-7*time.Minute, w)
	}
	oom := failure(api.CategoryOOM, 137, "the container used more than its limit of 24Gi")
	d.goes(9*time.Hour, work{deployment: "churn-train", pool: "ml-gpu", by: "ada", took: 71 * time.Minute, ends: []lifecycle.Outcome{oom, succeeded}})
}

// isOn are the runs that are running or waiting.
func (d *day) isOn() {
	d.goes(11*time.Minute, work{
		deployment: "sales-daily-load", pool: "analytics", name: liveRun, by: "ada",
		parameters: `{"date":"2026-11-27","region":"eu-central-1","rows":50000,"shops":["berlin","köln"]}`, says: salesLog(),
	})
	d.goes(2*time.Hour, work{deployment: "churn-train", pool: "ml-gpu", by: "grace"})
	d.goes(3*time.Minute, work{deployment: "quality-checks", pool: "analytics", by: "schedule:default"})
	for i := range 4 {
		d.goes(150*time.Minute-time.Duration(i)*10*time.Minute, work{deployment: "experiments-rollup", pool: "analytics", by: "grace"})
	}
	for i := range 6 {
		d.happens(100*time.Minute-time.Duration(i)*time.Minute, func() {
			name := ""
			if i == 0 {
				name = waitingRun
			}
			d.make("experiments-rollup", store.NewRun{Name: name}, "grace")
		})
	}
	d.happens(25*time.Minute, func() { d.make("gdpr-export", store.NewRun{}, "ada") }) // in a pool without a worker
}

func salesLog() string {
	var b strings.Builder
	b.WriteString("\x1b[34mINFO\x1b[0m  loader 1.0, 2 shops, 50,000 rows a batch\n")
	for i := range 140 {
		fmt.Fprintf(&b, "\x1b[34mINFO\x1b[0m  batch %3d of 412  \x1b[32m50,000 rows\x1b[0m  %d ms\n", i+1, 4100+i*37%900)
		if i%45 == 30 {
			b.WriteString("\x1b[33mWARN\x1b[0m  köln: 3 receipts have no till, counted as online\n")
		}
	}
	return b.String()
}

func (d *day) make(deployment string, run store.NewRun, by string) uuid.UUID {
	d.t.Helper()
	if run.Parameters == nil {
		run.Parameters = json.RawMessage(`{}`)
	}
	made, err := d.store.CreateRuns(d.t.Context(), deployment, []store.NewRun{run}, by)
	d.check(err)
	return made[0].ID
}

// goes has a run go as it does: from its creation so long before now, through its attempts.
func (d *day) goes(before time.Duration, w work) {
	d.happens(before, func() {
		run := store.NewRun{Name: w.name, Parameters: json.RawMessage(cmp.Or(w.parameters, `{}`))}
		d.works[d.make(w.deployment, run, w.by)] = w
		d.happens(before-2*time.Second, func() { d.attempt(before-2*time.Second, w.pool) })
	})
}

// attempt has the worker of a pool claim a run, whichever is first, and take an attempt to its end.
func (d *day) attempt(before time.Duration, pool string) {
	d.t.Helper()
	const lease = 30 * time.Hour // what still runs is held when the server starts
	worker := workerOf(pool)
	claims, err := d.store.Claim(d.t.Context(), store.ClaimRequest{
		RequestID: uuid.New(), Pool: pool, Worker: worker, ClusterID: "here", Max: 1, Lease: lease,
		Session: storetest.SessionOf(pool, worker).ID,
	})
	d.check(err)
	if len(claims) != 1 {
		d.t.Fatalf("%d runs to claim of %s, %s before now", len(claims), pool, before)
	}
	run := claims[0].RunID
	w := d.works[run]
	held := store.Lease{AttemptID: claims[0].AttemptID, Epoch: claims[0].Epoch}
	job := w.deployment + "-" + held.AttemptID.String()[:8]
	d.report(worker, store.Report{
		Lease: held, Kind: store.ReportSubmitted, JobNamespace: "jobs", JobName: job, JobUID: "uid-" + held.AttemptID.String(),
		Manifest: json.RawMessage(`{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"` + job + `","namespace":"jobs"}}`),
	})
	d.happens(before-4*time.Second, func() {
		d.report(worker, store.Report{Lease: held, Kind: store.ReportRunning, Node: "node-" + job[len(job)-1:]})
		if w.says != "" {
			d.check(d.store.AppendLogs(d.t.Context(), []store.LogChunk{{Lease: held, Text: w.says}}))
		}
	})
	if len(w.ends) == 0 {
		return
	}
	end := before - 4*time.Second - w.took
	outcome := w.ends[0]
	d.happens(end, func() {
		d.report(worker, store.Report{Lease: held, Kind: store.ReportEnded, Outcome: outcome, LastLines: w.lastLines})
	})
	if w.ends = w.ends[1:]; len(w.ends) > 0 {
		d.works[run] = w
		d.happens(end-3*time.Second, func() { d.attempt(end-3*time.Second, pool) })
	}
}

func (d *day) report(worker string, report store.Report) {
	d.t.Helper()
	results, err := d.store.Report(d.t.Context(), worker, []store.Report{report})
	d.check(err)
	if results[0].Status != store.ReportAccepted {
		d.t.Fatalf("report %s: %+v", report.Kind, results[0])
	}
}
