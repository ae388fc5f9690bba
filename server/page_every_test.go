package server_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/ui"
)

// hostileName looks like markup, is written from right to left in part, and has a ship.
const hostileName = "<script>alert(1)</script> 🚢 שלום "

// someWorld fills a server with a little of everything, with hostile names (G5), and returns an address for each page of the
// site. TestG1EveryPageIsWholeInTheFirstAnswer says which is missing.
func someWorld(r *running) (paths []string) {
	r.t.Helper()
	r.saveText(aText, "the first of our own").is(http.StatusOK)
	r.saveText(replaced("64Mi", "128Mi"), "<b>more</b> memory").is(http.StatusOK)
	r.deploy("hello", `,"description":"<script>alert(1)</script> שלום 🚢","tags":["<b>bold</b>"],"schedules":[{"name":"nightly","cron":"30 2 * * *","timezone":"Europe/Berlin"}],`+
		`"parameter_schema":{"type":"object","properties":{"day":{"type":"string"},"rows":{"type":"integer","default":5}}}`)
	r.deploy(strings.Repeat("long-name-", 9), "")
	w := r.newWorker("w1")
	run := r.startRun("hello", string(encode(r.t, map[string]string{"name": hostileName + strings.Repeat("x", 100)})))
	claim := w.claimOne()
	w.see(claim, api.ReportKindManifest, func(report *api.Report) {
		report.Manifest = []byte(`{"apiVersion":"batch/v1","kind":"Job","spec":{"text":"<b>` + strings.Repeat("x", 300) + `"}}`)
	})
	w.see(claim, api.ReportKindRunning, nil)
	w.write(claim, 0, "\x1b[31mred\x1b[0m\nERROR <img src=x onerror=alert(1)>\n")
	w.finish(claim, 1, "ERROR <img src=x>")
	narrow := strings.Repeat("narrow-", 12) + "x"
	r.deploy(narrow, `,"concurrency_limit":1`)
	r.startRun(narrow, `{"name":"<i>`+strings.Repeat("x", 100)+`"}`)
	w.begin(w.claimOne())
	waiting := r.startRun(narrow, `{}`)
	r.startRun("hello", `{}`)
	r.call(http.MethodPut, "/api/v1/variables/day", `{"value":"monday"}`).is(http.StatusOK)
	r.call(http.MethodPut, "/api/v1/rules/named", `{"expression":"true","message":"no"}`).is(http.StatusOK)
	r.call(http.MethodPost, "/api/v1/work-pools/local/queues", `{"name":"urgent"}`).is(http.StatusCreated)
	approval := r.askForApproval("monday")
	_, rest, _ := strings.Cut(r.makeKey("a key of ours", api.RoleViewer), "_")
	key, _, _ := strings.Cut(rest, "_")
	id := run.ID.String()
	return []string{
		"/", "/runs", "/runs?state=FAILED", "/runs?text=nothing", "/runs/bulk?do=cancel&all=true&state=SCHEDULED", "/runs/" + id, "/runs/" + id + "/events",
		"/runs/" + id + "/attempts/1/manifest", "/runs/" + id + "/attempts/1/manifest?now=true", "/runs/" + id + "/retry", "/runs/" + id + "/cancel", "/runs/" + id + "/abandon", "/runs/" + waiting.ID.String(),
		"/deployments", "/deployments/hello", "/deployments/hello/run", "/deployments/hello/run?from=" + id,
		"/deployments/hello/run?when=slots&first=2024-03-25T00:00&last=2024-04-05T12:00",
		"/deployments/hello/pause", "/deployments/hello/resume", "/deployments/hello/delete", "/deployments/hello/schedules/nightly/pause",
		"/schedules", "/schedules?view=week", "/schedules?view=month",
		"/pools", "/pools/local", "/pools/local/pause", "/pools/local/resume", "/pools/local/limit", "/pools/local/queues/urgent/pause",
		"/pools/local/queues/urgent/resume", "/pools/local/queues/urgent/edit", "/pools/local/workers/w1/pause", "/pools/local/workers/w1/resume",
		"/pools/local/template", "/pools/local/template/versions", "/pools/local/template/versions/2", "/pools/local/template/diff?from=2&to=3",
		"/pools/local/template/rollback/2",
		"/variables", "/variables/set", "/variables/set?name=day", "/variables/delete?name=day", "/keys", "/keys/new", "/keys/revoke?key=" + key,
		"/audit", "/approvals", "/approvals/" + approval, "/rules", "/rules/edit?rule=named", "/rules/delete?rule=named", "/webhooks",
		"/search?q=hello", "/about", "/session",
	}
}

// emptyPaths are the pages that say what to do where there is nothing yet.
var emptyPaths = []string{
	"/", "/runs", "/deployments", "/schedules", "/schedules?view=week", "/schedules?view=month", "/pools", "/pools/local", "/variables",
	"/keys", "/audit", "/approvals", "/rules", "/webhooks", "/search?q=nothing",
}

// isQuestion reports whether an address asks before something is done.
func isQuestion(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	return slices.ContainsFunc([]string{"pause", "resume", "retry", "cancel", "abandon", "delete", "limit", "edit", "set", "revoke"},
		func(act string) bool { return strings.HasSuffix(path, "/"+act) && path != "/rules/edit" }) || strings.Contains(path, "/rollback/")
}

// segments is the number of parts of a route that are not variables: of two routes that match, that with more counts.
func segments(route string) int { return strings.Count(route, "/") - strings.Count(route, "{") }

// routeOf is the route of the site that answers an address.
func routeOf(routes []ui.Route, method, path string) (best string) {
	path, _, _ = strings.Cut(path, "?")
	for _, route := range routes {
		pattern := "^" + regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(route.Path, "[^/]+") + "$"
		if route.Method == method && regexp.MustCompile(pattern).MatchString(path) && (best == "" || segments(route.Path) > segments(best)) {
			best = route.Path
		}
	}
	return best
}

// TestG1EveryPageIsWholeInTheFirstAnswer asks as a browser without scripts: each page has its heading, its title, its place in
// the navigation and its content, and no page of the site is forgotten here.
func TestG1EveryPageIsWholeInTheFirstAnswer(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	routes := ui.New(ui.Options{}).Routes()
	missing := map[string]bool{}
	for _, route := range routes {
		if route.Method == http.MethodGet && !strings.HasPrefix(route.Path, "/assets/") {
			missing[route.Path] = true
		}
	}
	for _, path := range someWorld(r) {
		delete(missing, routeOf(routes, http.MethodGet, path))
		shown := r.page(path).is(http.StatusOK)
		text := string(shown.body)
		headings := regexp.MustCompile(`(?s)<h1[^>]*>(.*?)</h1>`).FindAllStringSubmatch(text, -1)
		if len(headings) != 1 || strings.TrimSpace(headings[0][1]) == "" {
			t.Errorf("%s has the headings %q", path, headings)
			continue
		}
		title := html.UnescapeString(regexp.MustCompile(`(?s)<title>(.*?)</title>`).FindStringSubmatch(text)[1])
		if thing, found := strings.CutSuffix(title, " · Berth"); !found || strings.TrimSpace(thing) == "" {
			t.Errorf("%s is called %q", path, title)
		}
		here := strings.Count(text, `aria-current="page"`)
		if nowhere := strings.HasPrefix(path, "/search") || path == "/session"; here != 1 && !nowhere {
			t.Errorf("%s is at %d places of the navigation", path, here)
		}
		_, main, _ := strings.Cut(text, "<main")
		if content := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(main, ""); len(strings.Fields(content)) < 6 {
			t.Errorf("%s has no content: %q", path, content)
		}
	}
	for path := range missing {
		t.Errorf("someWorld has no address of %s", path)
	}
}

// addressOf is the address of someWorld that a route answers.
func addressOf(routes []ui.Route, paths []string, route ui.Route) string {
	for _, path := range paths {
		if routeOf(routes, http.MethodGet, path) == route.Path {
			return path
		}
	}
	return strings.NewReplacer("{name}", "hello", "{schedule}", "nightly").Replace(route.Path) // it has no page
}

// TestG10AViewerCanChangeNothing asks each page as a viewer: none has what changes something, and no form is taken.
func TestG10AViewerCanChangeNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	routes := ui.New(ui.Options{}).Routes()
	paths := someWorld(r)
	viewer := r.signedIn(r.makeKey("v", api.RoleViewer))
	changing := regexp.MustCompile(`data-dialog|/(cancel|retry|abandon|pause|resume|limit|delete|revoke|rollback/\d+|keys/new|rules/edit|variables/set)["?]`)
	for _, path := range paths {
		shown := r.page(path, "Cookie", viewer)
		if shown.status == http.StatusForbidden {
			shown.has(`<nav aria-label="Main">`, "You are v (viewer)")
			continue
		}
		shown.is(http.StatusOK)
		_, main, _ := strings.Cut(string(shown.body), "<main")
		if found := changing.FindString(main); found != "" {
			t.Errorf("%s leads to what changes something: %s", path, found)
		}
		if isQuestion(path) {
			t.Errorf("%s asks a viewer", path)
		}
		shows := regexp.MustCompile(`^/session|^/deployments/[a-z]+/run`) // the Job that a run would make
		if strings.Contains(main, `method="post"`) && !shows.MatchString(path) || regexp.MustCompile(`<button[^>]*value="run"`).MatchString(main) {
			t.Errorf("%s has a form:\n%s", path, main)
		}
	}
	for _, route := range routes {
		if route.Method != http.MethodPost || strings.HasPrefix(route.Path, "/session") {
			continue
		}
		path := addressOf(routes, paths, route)
		r.sendForm(path, url.Values{"do": {"run"}, "decision": {"approve"}, "fingerprint": {"0"}, "reason": {"because"}, "name": {"day"}, "value": {"1"},
			"rule": {"named"}, "expression": {"true"}, "source": {aText}, "limit": {"1"}, "priority": {"1"}, "role": {"viewer"}, "version": {"3"}},
			"Cookie", viewer).is(http.StatusForbidden)
	}
}

// TestG2WhatDoesNotExistLeadsOn asks each page of a thing for a thing that does not exist.
func TestG2WhatDoesNotExistLeadsOn(t *testing.T) {
	t.Parallel()
	r := start(t, withoutKeys)
	someWorld(r)
	asked := []string{"/nothing", "/runs/nothing/nothing"}
	unknown := strings.NewReplacer("{run}", "0197a1de-7f10-7a02-8b1e-91c4a7d3e001", "{approval}", "0197a1de-7f10-7a02-8b1e-91c4a7d3e001",
		"{attempt}", "9", "{version}", "99")
	for _, route := range ui.New(ui.Options{}).Routes() {
		if route.Method == http.MethodGet && strings.Contains(route.Path, "{") && !strings.HasPrefix(route.Path, "/assets/") {
			path := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(unknown.Replace(route.Path), "nothing")
			if strings.HasSuffix(path, "/diff") {
				path += "?from=1&to=2"
			}
			asked = append(asked, path)
		}
	}
	lists := regexp.MustCompile(`<a class="button" href="(?:\./|(?:\.\./)+)(runs|deployments|schedules|pools|approvals|)">`)
	for _, path := range asked {
		problem := r.call(http.MethodGet, path, "").is(http.StatusNotFound)
		if kind := problem.header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("%s answers with %s to a program", path, kind)
		}
		shown := r.page(path).is(http.StatusNotFound).has("<h1>", `<nav aria-label="Main">`, `role="alert"`)
		to := lists.FindStringSubmatch(string(shown.body))
		first, _, _ := strings.Cut(path[1:], "/")
		if to == nil || first != "nothing" && to[1] != first {
			t.Errorf("%s leads to %q:\n%s", path, to, shown.body)
		}
	}
}
