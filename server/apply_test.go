package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// onBoth runs a test against a server on SQLite, and against two servers on one PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, servers []*running)) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		one := start(t)
		test(t, []*running{one, one})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		database := pgtest.Database(t)
		one := start(t, on(database))
		two := start(t, on(database),
			func(o *server.Options) { o.BootstrapAdminKey, o.BootstrapWorkerKey = one.admin, one.worker })
		two.admin, two.worker = one.admin, one.worker
		test(t, []*running{one, two})
	})
}

func (r *running) apply(body string) answer {
	r.t.Helper()
	return r.call(http.MethodPost, "/api/v1/apply", body)
}

// told is a change in a line: action, kind, name and fields.
func told(result api.ApplyResult) []string {
	lines := []string{}
	for _, c := range result.Changes {
		line := string(c.Action) + " " + string(c.Kind) + " " + c.Name
		if c.Fields != nil {
			line += " " + strings.Join(*c.Fields, ",")
		}
		lines = append(lines, line)
	}
	return lines
}

func (r *running) applies(body string, want ...string) api.ApplyResult {
	r.t.Helper()
	result := read[api.ApplyResult](r.apply(body).is(http.StatusOK))
	if got := told(result); !slices.Equal(got, want) {
		r.t.Errorf("applying %s\ngot  %q\nwant %q", body, got, want)
	}
	return result
}

func TestPlanListsTheDifferences(t *testing.T) {
	r := start(t)
	r.applies(
		`{"pools":[{"name":"local","queues":[{"name":"fast","priority":2}]}],"variables":[{"name":"v","value":"old"}],
		"deployments":[{"name":"etl","pool":"local","parameters":{"rows":1,"keep":true},"schedules":[{"name":"b","cron":"0 4 * * *"},{"name":"a","cron":"@daily"}]}]}`,
		"unchanged pool local",
		"create queue local/fast",
		"create variable v",
		"create deployment etl",
	)
	result := r.applies(
		`{"dry_run":true,"pools":[{"name":"local","concurrency_limit":3,"queues":[{"name":"fast","concurrency_limit":1}]}],
		"variables":[{"name":"v","value":"hunter2"}],
		"deployments":[{"name":"etl","pool":"local","version":"2","parameters":{"rows":2,"keep":true},
			"schedules":[{"name":"a","cron":"@daily"},{"name":"b","cron":"0 5 * * *","active":false}]}]}`,
		"update pool local concurrency_limit",
		"update queue local/fast concurrency_limit",
		"update variable v value",
		"update deployment etl version,parameters,schedules",
	)
	raw, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "hunter2") {
		t.Errorf("the value of a variable is told: %s", raw)
	}
	deployment := result.Changes[3]
	var pointers []string
	for _, d := range *deployment.Diff {
		pointers = append(pointers, fmt.Sprintf("%s %s %s>%s", d.Kind, d.Pointer, d.Before, d.After))
	}
	if want := []string{"replaced /parameters/rows 1>2", "replaced /schedules/1/active true>false",
		`replaced /schedules/1/cron "0 4 * * *">"0 5 * * *"`, `replaced /version "">"2"`}; !slices.Equal(pointers, want) {
		t.Errorf("got %q, want %q", pointers, want)
	}
	if text := *deployment.Text; !strings.Contains(text, "\n-  rows: 1\n+  rows: 2\n") {
		t.Errorf("the text is\n%s", text)
	}
	// A limit that is null is taken away, one that is not given stays.
	r.applies(
		`{"pools":[{"name":"local","concurrency_limit":3,"queues":[{"name":"fast","concurrency_limit":1}]}]}`,
		"update pool local concurrency_limit", "update queue local/fast concurrency_limit")
	r.applies(`{"pools":[{"name":"local","queues":[{"name":"fast"}]}]}`, "unchanged pool local",
		"unchanged queue local/fast")
	r.applies(
		`{"pools":[{"name":"local","concurrency_limit":null,"queues":[{"name":"fast","concurrency_limit":null}]}]}`,
		"update pool local concurrency_limit", "update queue local/fast concurrency_limit")
}

func TestApplyMatchesItsPlanOrChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, servers []*running) {
		one, two := servers[0], servers[1]
		one.applies(`{"deployments":[{"name":"etl","pool":"local","version":"1"}]}`, "create deployment etl")
		describe := func(version, more string) string {
			return `{"variables":[{"name":"by` + version +
				`","value":1}],"deployments":[{"name":"etl","pool":"local","version":"` + version + `"}]` +
				more + `}`
		}
		plan := func(r *running, version string) string {
			return r.applies(describe(version, `,"dry_run":true`), "create variable by"+version,
				"update deployment etl version").Plan
		}
		a, b := plan(one, "2"), plan(two, "3")
		if again := plan(two, "2"); again != a {
			t.Error("the same plan has two fingerprints")
		}
		if a == b {
			t.Error("two plans have one fingerprint")
		}
		one.apply(describe("2", `,"plan":"`+a+`"`)).is(http.StatusOK)
		two.apply(describe("3", `,"plan":"`+b+`"`)).refused(http.StatusConflict, "plan-changed")
		one.call(http.MethodGet, "/api/v1/variables/by3", "").refused(http.StatusNotFound, "not-found")
		if d := read[api.Deployment](two.call(http.MethodGet, "/api/v1/deployments/etl",
			"")); d.Version != "2" {
			t.Errorf("the version is %s", d.Version)
		}
		// Changes outside the plan do not matter.
		b = two.applies(describe("3", `,"dry_run":true`), "create variable by3",
			"update deployment etl version").Plan
		one.call(http.MethodPatch, "/api/v1/deployments/etl", `{"paused":true}`).is(http.StatusOK)
		two.apply(describe("3", `,"plan":"`+b+`"`)).is(http.StatusOK)
	})
}

// TestConcurrentAppliesDoNotInterleave lets two people deploy the same things in opposite orders, again and
// again. Whoever looks sees all of the one or all of the other.
func TestConcurrentAppliesDoNotInterleave(t *testing.T) {
	const things, rounds = 12, 15
	onBoth(t, func(t *testing.T, servers []*running) {
		describe := func(version string, backwards bool) string {
			var deployments []string
			for i := range things {
				deployments = append(deployments,
					fmt.Sprintf(`{"name":"d%02d","pool":"local","version":"%s"}`, i, version))
			}
			if backwards {
				slices.Reverse(deployments)
			}
			return `{"project":"p","variables":[{"name":"version","value":"` + version +
				`"}],"deployments":[` + strings.Join(deployments, ",") + `]}`
		}
		servers[0].apply(describe("0", false)).is(http.StatusOK)
		var deployers sync.WaitGroup
		for i, r := range servers {
			deployers.Go(func() {
				for round := range rounds {
					if a := r.apply(describe(fmt.Sprintf("%d-%d", i, round),
						i == 1)); a.status != http.StatusOK {
						t.Errorf("round %d: %d %s", round, a.status, a.body)
					}
				}
			})
		}
		finished := async(func() bool { deployers.Wait(); return true })
		looks, seen := 0, map[string]bool{}
		for done := false; !done; looks++ {
			select {
			case done = <-finished:
			default:
			}
			list := read[api.DeploymentList](servers[looks%2].call(http.MethodGet,
				"/api/v1/deployments?limit=100", "").is(http.StatusOK))
			versions := map[string]bool{}
			for _, d := range list.Items {
				versions[d.Version] = true
				seen[d.Version] = true
			}
			if len(list.Items) != things || len(versions) != 1 {
				t.Fatalf("%d deployments with versions %v", len(list.Items), versions)
			}
		}
		if len(seen) < 2 {
			t.Errorf("in %d looks nothing changed", looks)
		}
		last := read[api.Variable](servers[0].call(http.MethodGet, "/api/v1/variables/version", ""))
		if !seen[strings.Trim(string(last.Value), `"`)] {
			t.Errorf("the variable is of %s, the deployments of another", last.Value)
		}
	})
}

func TestPruneDeletesWhatTheProjectNoLongerDeclares(t *testing.T) {
	onBoth(t, func(t *testing.T, servers []*running) {
		r := servers[0]
		r.applies(`{"deployments":[{"name":"unowned","pool":"local"}]}`, "create deployment unowned")
		r.applies(
			`{"project":"theirs","variables":[{"name":"theirs","value":1}],"deployments":[{"name":"theirs","pool":"local"}]}`,
			"create variable theirs", "create deployment theirs")
		r.applies(
			`{"project":"mine","pools":[{"name":"mine","type":"process","queues":[{"name":"a"},{"name":"b"}]},{"name":"second","type":"process"}],
			"variables":[{"name":"x","value":1},{"name":"y","value":2}],
			"deployments":[{"name":"keep","pool":"mine"},{"name":"drop","pool":"local"},{"name":"unowned","pool":"local"}]}`,
			"create pool mine",
			"create queue mine/a",
			"create queue mine/b",
			"create pool second",
			"create variable x",
			"create variable y",
			"create deployment keep",
			"create deployment drop",
			"update deployment unowned project",
		)
		less := `{"project":"mine","prune":true,"pools":[{"name":"mine","queues":[{"name":"a"}]}],"variables":[{"name":"x","value":1}],
			"deployments":[{"name":"keep","pool":"mine"}]`
		want := []string{"unchanged pool mine", "unchanged queue mine/a", "unchanged variable x",
			"unchanged deployment keep",
			"delete deployment drop", "delete deployment unowned", "delete queue mine/b", "delete variable y", "delete pool second"}
		r.applies(less+`,"dry_run":true}`, want...)

		r.startRun("drop", `{}`)
		r.apply(less+`}`).refused(http.StatusUnprocessableEntity, "apply-invalid", "/prune")
		r.call(http.MethodGet, "/api/v1/deployments/drop", "").is(http.StatusOK)
		r.applies(`{"project":"theirs","deployments":[{"name":"theirs","pool":"second"}]}`,
			"update deployment theirs pool")
		forced := less + `,"force":true`
		r.apply(forced+`}`).refused(http.StatusUnprocessableEntity, "apply-invalid",
			"/prune") // it would take their deployment along
		r.applies(`{"project":"theirs","deployments":[{"name":"theirs","pool":"local"}]}`,
			"update deployment theirs pool")
		r.applies(forced+`}`, want...)
		for _, gone := range []string{"deployments/drop", "deployments/unowned", "variables/y",
			"work-pools/second", "work-pools/mine/queues/b"} {
			r.call(http.MethodGet, "/api/v1/"+gone, "").refused(http.StatusNotFound, "not-found")
		}
		if d := read[api.Deployment](r.call(http.MethodGet, "/api/v1/deployments/keep",
			"")); d.Project == nil || *d.Project != "mine" {
			t.Errorf("the project of a deployment is %v", d.Project)
		}
		if p := read[api.WorkPool](r.call(http.MethodGet, "/api/v1/work-pools/mine", "")); p.Project == nil ||
			*p.Project != "mine" {
			t.Errorf("the project of a pool is %v", p.Project)
		}
		if v := read[api.Variable](r.call(http.MethodGet, "/api/v1/variables/theirs",
			"")); v.Project == nil || *v.Project != "theirs" {
			t.Errorf("the project of a variable is %v", v.Project)
		}
		if p := read[api.WorkPool](r.call(http.MethodGet, "/api/v1/work-pools/local", "")); p.Project != nil {
			t.Errorf("project of the pool = %s, want none", *p.Project)
		}
		for _, there := range []string{"deployments/theirs", "deployments/keep", "variables/x",
			"variables/theirs", "work-pools/mine/queues/a", "work-pools/local"} {
			r.call(http.MethodGet, "/api/v1/"+there, "").is(http.StatusOK)
		}
		r.apply(`{"prune":true}`).refused(http.StatusBadRequest, "invalid-body", "/project")
		moved := r.applies(`{"project":"mine","deployments":[{"name":"theirs","pool":"local"}]}`,
			"update deployment theirs project")
		if text := *moved.Changes[0].Text; !strings.Contains(text, "-project: theirs\n+project: mine\n") {
			t.Errorf("the text is\n%s", text)
		}
	})
}

func TestSchedulesStayAsTheyAreWhereTheFileKeepsThem(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.applies(`{"deployments":[{"name":"etl","pool":"local","schedules":[{"cron":"@daily"},{"name":"b","cron":"@hourly","active":false}]}]}`,
		"create deployment etl")
	kept := r.applies(`{"deployments":[{"name":"etl","pool":"local","description":"new","keep_schedules":true}]}`, "update deployment etl description")
	if len(kept.Warnings) > 0 {
		t.Errorf("%q", linesOf(kept.Warnings))
	}
	list := read[api.ScheduleList](r.call(http.MethodGet, "/api/v1/deployments/etl/schedules", "").is(http.StatusOK)).Items
	if len(list) != 2 || list[0].Active || !list[1].Active {
		t.Errorf("got %+v", list)
	}
	r.apply(`{"deployments":[{"name":"etl","pool":"local","keep_schedules":true,"schedules":[]}]}`).
		refused(http.StatusUnprocessableEntity, "apply-invalid", "/deployments/0/keep_schedules")
}

func TestNamesMayHaveCombiningMarks(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, name := range []string{"\u0926\u0948\u0928\u093f\u0915", "caf\u00e9", "日本"} {
		r.deploy(name, "")
		if run := r.startRun(url.PathEscape(name), `{}`); run.Deployment != name {
			t.Errorf("got %q, want %q", run.Deployment, name)
		}
	}
	for _, name := range []string{"\u0301cafe", "cafe\u0301"} { // two forms of one name would be two objects
		r.apply(`{"deployments":[{"name":"`+name+`","pool":"local"}]}`).
			refused(http.StatusBadRequest, "invalid-body", "/deployments/0/name")
	}
	r.call(http.MethodGet, "/api/v1/deployments/cafe%CC%81", "").is(http.StatusOK)
}
