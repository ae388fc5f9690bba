package server_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestO7AnEmptyInstallationShowsTheFirstSteps(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.page("/").is(http.StatusOK).has("Three steps to the first run", "BERTH_API_URL="+r.url, "<h1>Overview</h1>", "Nothing needs you")
}

func TestO1O2NumbersOfTheOverviewAreThoseOfTheirLists(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	w := r.newWorker("w1")
	for i := range 7 {
		r.startRun("hello", `{}`)
		claim := w.claimOne()
		w.begin(claim)
		code := int32(0)
		if i%3 == 0 {
			code = 1
		}
		w.finish(claim, code, "relation \"orders\" does not exist")
	}
	shown := r.page("/").is(http.StatusOK)
	links := regexp.MustCompile(`<a href="\./(runs\?ended_from=[^"]+)"><span aria-hidden="true">.</span> (\d+) (\w+)</a>`).FindAllStringSubmatch(string(shown.body), -1)
	if len(links) != 2 {
		t.Fatalf("%d totals:\n%s", len(links), shown.body)
	}
	for _, link := range links {
		address := strings.ReplaceAll(link[1], "&amp;", "&")
		r.page("/" + address).is(http.StatusOK).has(link[2] + " found")
		query, err := url.ParseQuery(strings.TrimPrefix(address, "runs?"))
		if err != nil {
			t.Fatal(err)
		}
		counts := read[api.RunCounts](r.call(http.MethodGet, "/api/v1/runs/count?"+url.Values{
			"state": query["state"], "ended_after": query["ended_from"], "ended_before": query["ended_to"],
		}.Encode(), "").is(http.StatusOK))
		if strconv.FormatInt(counts.Total, 10) != link[2] {
			t.Errorf("%s says %s, the count %d", link[3], link[2], counts.Total)
		}
	}
}

func TestO3O4AttentionNamesWhatItIsAboutAndGroupsEqualFailures(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	r.deploy("hello", "")
	w := r.newWorker("w1")
	for i := range 3 {
		r.startRun("hello", `{}`)
		claim := w.claimOne()
		w.begin(claim)
		w.finish(claim, 1, fmt.Sprintf("2026-11-30 08:00:%02d,000 ERROR no such table\n2026-11-30 08:01:00,000 bye\n", i))
	}
	r.startRun("hello", `{}`)
	claim := w.claimOne()
	w.begin(claim)
	w.finish(claim, 1, "another error\n")
	shown := r.page("/").is(http.StatusOK).has("3 failed in hello", "app, exit code 1: ERROR no such table", "1 failed in hello")
	_, rest, _ := strings.Cut(string(shown.body), `3 failed in hello`)
	_, rest, _ = strings.Cut(rest, `href="`)
	address, _, _ := strings.Cut(rest, `"`)
	r.page(html.UnescapeString(strings.TrimPrefix(address, "."))).is(http.StatusOK).has("3 found")
	if n := strings.Count(string(shown.body), `<li class="failed">`); n != 2 {
		t.Errorf("%d lines for equal failures", n)
	}
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"paused":true,"pause_reason":"the cluster moves"}`).is(http.StatusOK)
	r.page("/").is(http.StatusOK).has("local is paused", "the cluster moves")
	r.call(http.MethodPatch, "/api/v1/work-pools/local", `{"paused":false}`).is(http.StatusOK)
	if page := r.page("/"); strings.Contains(string(page.body), "is paused") {
		t.Error("it still says that the pool is paused")
	}
	r.call(http.MethodPost, "/api/v1/work-pools", `{"name":"lonely","type":"process"}`).is(http.StatusCreated)
	r.call(http.MethodPost, "/api/v1/apply", `{"deployments":[{"name":"waits","pool":"lonely"}]}`).is(http.StatusOK)
	r.startRun("waits", `{}`)
	r.page("/").is(http.StatusOK).has("lonely: no worker is alive, 1 run waits")
}
