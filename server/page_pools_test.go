package server_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server/api"
)

// hiddenField is the value of a hidden field of a form.
func (a answer) hiddenField(name string) string {
	a.t.Helper()
	found := regexp.MustCompile(`type="hidden" name="` + name + `" value="([^"]*)"`).FindSubmatch(a.body)
	if found == nil {
		a.t.Fatalf("%s has no hidden field %q:\n%s", a.what, name, a.body)
	}
	return strings.NewReplacer("&#34;", `"`, "&#43;", "+").Replace(string(found[1]))
}

func (a answer) hasNot(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(string(a.body), text) {
			a.t.Errorf("%s has %q:\n%s", a.what, text, a.body)
		}
	}
	return a
}

func TestP1AndP2APoolShowsItsSlotsQueuesAndHolders(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", "")
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"concurrency_limit":2}`).is(http.StatusOK)
	r.page("/pools/local").is(http.StatusOK).has("<h1>local</h1>", "0 of 2", "No worker of this pool is alive", "None yet")
	held := r.startRun("etl", `{"name":"the holder"}`)
	w := r.newWorker("w1")
	w.begin(w.claimOne())
	r.startRun("etl", `{"name":"the waiter"}`)
	r.page("/pools").is(http.StatusOK).has(`href="./pools/local"`, "1 of 2", "1 alive",
		`<a href="./runs?state=SCHEDULED&amp;pool=local">1</a>`, `href="./pools/local/template"`)
	r.page("/pools/local").is(http.StatusOK).has(
		"1 of 2", "Longest runs", `href="../runs/`+held.ID.String()+`"`, "the holder", "Slots by deployment",
		`<th scope="row">w1</th>`, "1 attempt<", "the waiter", "version 1", "need no approval").
		hasNot("No worker of this pool")
	r.page("/pools/none").is(http.StatusNotFound).has("<nav", `href="../pools"`)
}

// TestP1SlotsAndQueuesAreThoseOfExplainAndOfTheMetrics: a holder, and two runs that wait for its slot.
func TestP1SlotsAndQueuesAreThoseOfExplainAndOfTheMetrics(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", "")
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"concurrency_limit":1}`).is(http.StatusOK)
	holder := r.startRun("etl", `{"name":"the holder"}`)
	w := r.newWorker("w1")
	w.begin(w.claimOne())
	first, second := r.startRun("etl", "{}"), r.startRun("etl", "{}")

	shown := r.page("/pools/local").is(http.StatusOK).has("1 of 1", `queue=default">2</a>`)
	oldest := regexp.MustCompile(`data-label="Oldest"><time[^>]* datetime="([^"]+)"`).FindSubmatch(shown.body)
	if oldest == nil {
		t.Fatalf("no oldest run:\n%s", shown.body)
	}
	since, err := time.Parse(time.RFC3339, string(oldest[1]))
	if err != nil || since.Sub(first.ScheduledTime).Abs() > time.Second {
		t.Errorf("the oldest waits since %s, it was due at %s (%v)", since, first.ScheduledTime, err)
	}

	e := r.why(second.ID)
	if e.HoldersTotal != 1 || len(e.Holders) != 1 || e.Holders[0].Run != holder.ID {
		t.Errorf("explain names the holders %+v", e.Holders)
	}
	if e.Ahead == nil || *e.Ahead != 1 || len(e.Reasons) == 0 || !strings.Contains(e.Reasons[0].Message, "concurrency limit of 1") {
		t.Errorf("explain says %+v", e)
	}

	metrics := string(r.call(http.MethodGet, "/metrics", "").is(http.StatusOK).body)
	for _, want := range []string{
		`berth_slots{kind="used",pool="local",queue=""} 1`, `berth_slots{kind="limit",pool="local",queue=""} 1`,
		`berth_slots{kind="used",pool="local",queue="default"} 1`, `berth_runs{pool="local",queue="default",state="SCHEDULED"} 2`,
		fmt.Sprintf(`berth_runs_waiting{pool="local",queue="default",reason="%s"} 2`, e.Reasons[0].Code),
		`berth_deployment_runs{deployment="etl",pool="local",state="SCHEDULED"} 2`,
	} {
		if !strings.Contains(metrics, "\n"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if !strings.Contains(metrics, "\nberth_statistics_age_seconds ") {
		t.Error("the metrics lack the age of the statistics")
	}
	age := regexp.MustCompile(`berth_run_queue_age_seconds{pool="local",queue="default"} (\S+)`).FindStringSubmatch(metrics)
	if age == nil {
		t.Fatalf("no age of the queue in\n%s", metrics)
	}
	seconds, err := strconv.ParseFloat(age[1], 64)
	const reading = 10 // seconds between the page and the metrics, on a machine that does much else
	if apart := time.Since(since).Seconds() - seconds; err != nil || apart < -1 || apart > reading {
		t.Errorf("the oldest waits for %s s in the metrics, since %s on the page (%v)", age[1], since, err)
	}
}

// TestP5ADeadWorkerSaysWhatItHeldAndWhatBecomesOfIt: alone, and beside another of its cluster.
func TestP5ADeadWorkerSaysWhatItHeldAndWhatBecomesOfIt(t *testing.T) {
	address := pgtest.Database(t)
	r := start(t, withoutKeys, on(address))
	r.deploy("etl", "")
	held := r.startRun("etl", `{"name":"the held"}`)
	w := r.newWorker("w1")
	w.begin(w.claimOne())
	db, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	r.page("/pools/local").is(http.StatusOK).has("Alive").hasNot("Gone", "what it held")
	if _, err := db.ExecContext(t.Context(), "UPDATE worker_sessions SET seen_at = 'epoch'"); err != nil {
		t.Fatal(err)
	}
	link := `<a href="../runs/` + held.ID.String() + `">the held</a>`
	r.page("/pools/local").is(http.StatusOK).has("Gone", `data-label="Holds">1 attempt: `+link,
		"No other worker of its cluster is alive: what it held goes on there and waits for one. If the cluster is gone too, abandon the runs.")
	r.newWorker("w2")
	r.page("/pools/local").is(http.StatusOK).has("Gone", "Alive", link, "Another worker of its cluster takes over what it held when the leases have run out.")
}

func TestP3APauseHasAReasonAndShowsWho(t *testing.T) {
	r := start(t, withoutKeys)
	r.page("/pools/local/pause").is(http.StatusOK).has(`class="narrow question"`, `name="reason"`, `class="back" href="../../pools/local"`)
	if to := r.sendForm("/pools/local/pause", url.Values{"reason": {"the store moves"}}).is(http.StatusSeeOther).header.Get("Location"); to != "../../pools/local" {
		t.Errorf("leads to %q", to)
	}
	r.page("/pools/local").is(http.StatusOK).has("No new run starts here", "by anonymous: the store moves", "pools/local/resume")
	r.page("/pools").is(http.StatusOK).has("by anonymous: the store moves")
	r.sendForm("/pools/local/resume", nil).is(http.StatusSeeOther)
	r.page("/pools/local").is(http.StatusOK).hasNot("the store moves")

	r.sendForm("/pools/local/queues/default/pause", url.Values{"reason": {"too loud"}}).is(http.StatusSeeOther)
	r.page("/pools/local").is(http.StatusOK).has("by anonymous: too loud", "queues/default/resume")
	r.sendForm("/pools/local/queues/default/resume", nil).is(http.StatusSeeOther)
	r.page("/pools/local").is(http.StatusOK).hasNot("too loud")
	r.sendForm("/pools/local/queues/default/pause", url.Values{"reason": {strings.Repeat("x", 1001)}}).
		is(http.StatusBadRequest).has(`role="alert"`, "xxxx")

	r.newWorker("w1")
	r.sendForm("/pools/local/workers/w1/pause", url.Values{"reason": {"its node is drained"}}).is(http.StatusSeeOther)
	r.page("/pools/local").is(http.StatusOK).has("workers/w1/resume", "by anonymous: its node is drained")
	r.sendForm("/pools/local/workers/w1/resume", nil).is(http.StatusSeeOther)
	r.page("/pools/local").is(http.StatusOK).has("workers/w1/pause")
}

func TestP4ALimitThatSomebodyElseHasChangedIsNotOverwritten(t *testing.T) {
	r := start(t, withoutKeys)
	etag := r.page("/pools/local/limit").is(http.StatusOK).has("Slots used: 0, no limit").hiddenField("etag")
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"concurrency_limit":9}`).is(http.StatusOK)
	refused := r.sendForm("/pools/local/limit", url.Values{"limit": {"3"}, "etag": {etag}}).is(http.StatusPreconditionFailed).
		has("Its limit is now 9", `value="3"`)
	r.sendForm("/pools/local/limit", url.Values{"limit": {"3"}, "etag": {refused.hiddenField("etag")}}).is(http.StatusSeeOther)
	pool := read[api.WorkPool](r.call(http.MethodGet, "/api/v1/work-pools/local", "").is(http.StatusOK))
	if pool.ConcurrencyLimit == nil || *pool.ConcurrencyLimit != 3 {
		t.Errorf("limit = %v", pool.ConcurrencyLimit)
	}
	etag = r.page("/pools/local/limit").hiddenField("etag")
	r.sendForm("/pools/local/limit", url.Values{"limit": {"many"}, "etag": {etag}}).is(http.StatusBadRequest).has("no whole number")
	r.sendForm("/pools/local/limit", url.Values{"limit": {""}, "etag": {etag}}).is(http.StatusSeeOther)
	r.page("/pools/local").has("no limit")
	r.sendForm("/pools/local/queues/default/edit", url.Values{"priority": {"7"}, "limit": {"4"}}).is(http.StatusSeeOther)
	r.page("/pools/local").has(`class="number">7<`, "0 of 4")
}

func TestP4AttemptsAboveALowerLimitAreCounted(t *testing.T) {
	r := start(t, withoutKeys)
	r.deploy("etl", "")
	w := r.newWorker("w1")
	for range 2 {
		r.startRun("etl", "{}")
		w.begin(w.claimOne())
	}
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"concurrency_limit":1}`).is(http.StatusOK)
	r.page("/pools/local").has("1 more attempt holds a slot than the limit allows")
}

func TestP6APoolWithoutWorkersSaysHowToStartOne(t *testing.T) {
	r := start(t, withoutKeys)
	r.page("/pools/local").has("berth worker start --pool local --api-url " + r.url)
}

func TestG10AViewerSeesNoActionOfAPool(t *testing.T) {
	r := start(t)
	viewer := r.makeKey("me", api.RoleViewer)
	in := r.sendForm("/session", url.Values{"key": {viewer}}).is(http.StatusSeeOther)
	cookie, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
	r.page("/pools/local", "Cookie", cookie).is(http.StatusOK).hasNot("Pause…", "Limit…", "Edit…")
	r.sendForm("/pools/local/pause", url.Values{"reason": {"no"}}, "Cookie", cookie).is(http.StatusForbidden).has("Ask an administrator")
}
