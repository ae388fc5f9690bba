package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/api"
)

func TestASearchForFewRunsSaysHowFarItHasCome(t *testing.T) {
	t.Parallel()
	pages := 0
	u := hostileServer(t, func(w http.ResponseWriter, _ *http.Request) {
		pages++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"items":[],"next_cursor":"%d","searched_to":"2026-01-02T03:04:05Z"}`, pages)
	})
	r := u.run(t, "run", "ls", "--text", "nowhere")
	if r.code != 0 || pages != 500 {
		t.Errorf("exit code %d after %d pages", r.code, pages)
	}
	demand(t, "standard error", r.stderr, "searched to 2026-01-02T03:04:05Z …",
		"there may be more: search on with --until 2026-01-02T03:04:05Z")
	r = u.run(t, "run", "ls", "--text", "nowhere", "--sort", "created")
	demand(t, "standard error, oldest first", r.stderr, "search on with --since 2026-01-02T03:04:05Z")
}

func TestRunsThatWereNotAllCountedAreNotCancelledUnasked(t *testing.T) {
	t.Parallel()
	u := hostileServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method != http.MethodGet {
			t.Errorf("asked to %s %s", r.Method, r.URL)
		}
		_, _ = fmt.Fprint(w, `{"total":0,"at_least":true,"by_state":{}}`)
	})
	r := u.run(t, "run", "cancel", "--text", "nowhere")
	if r.code != 2 {
		t.Errorf("exit code %d", r.code)
	}
	demand(t, "standard error", r.stderr, "cancel at least 0 runs", "--yes")
}

func TestManyRunsAreListedCancelledAndTriedAgainByAFilter(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "pool", "pause", "local") // what is tried again stays where it is
	later := func(more ...string) api.Run {
		t.Helper()
		return decode[api.Run](t, u,
			append([]string{"deployment", "run", "hello", "--at", "2099-01-01T00:00:00Z"}, more...)...)
	}
	first, second, third := later("--name", "alpha", "--tag", "x"), later("--name", "beta", "--tag", "x",
		"--tag", "y"), later("--name", "gamma")
	listed := func(want string, args ...string) {
		t.Helper()
		var names []string
		for _, r := range decode[api.RunList](t, u, append([]string{"run", "ls"}, args...)...).Items {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("run ls %s: %q, want %q", strings.Join(args, " "), got, want)
		}
	}
	listed("gamma beta alpha")
	listed("alpha beta gamma", "--sort", "created")
	listed("beta alpha", "--tag", "x")
	listed("beta", "--tag", "x", "--tag", "y")
	listed("gamma", "--text", "AMM")
	listed("gamma beta alpha", "--since", "1h", "--queue", "default", "--pool", "local", "--deployment",
		"hello")
	listed("", "--until", "1h")
	listed("", "--state", "running")

	asked := newTerminal(t, 120)
	wait := u.in(asked, t.Context(), "run", "cancel", "--tag", "x")
	asked.answer("cancel 2 runs? [y/N] ", "\n")
	if code := wait(); code != 1 {
		t.Errorf("a no: exit code %d", code)
	}
	listed("gamma beta alpha", "--state", "scheduled")
	agreed := newTerminal(t, 120)
	wait = u.in(agreed, t.Context(), "run", "cancel", "--tag", "x")
	agreed.answer("cancel 2 runs? [y/N] ", "y\n")
	if code := wait(); code != 0 {
		t.Errorf("a yes: exit code %d\n%s", code, agreed.text())
	}
	agreed.await("2 runs: cancel requested")
	listed("beta alpha", "--state", "cancelled")

	left := u.run(t, "run", "retry", "--deployment", "hello")
	if left.code != 0 {
		t.Errorf("retry of nothing: exit code %d", left.code)
	}
	demand(t, "what was cancelled is left out", left.stderr, "2 runs left out", "alpha", "beta",
		"--include-cancelled", "no runs to retry")
	unanswered := u.run(t, "run", "retry", "--deployment", "hello", "--include-cancelled")
	if unanswered.code != 2 {
		t.Errorf("without a terminal and --yes: exit code %d", unanswered.code)
	}
	demand(t, "without a terminal", unanswered.stderr,
		"retry 2 runs", "berth run retry --deployment=hello --include-cancelled --yes")
	demand(t, "retry by a filter",
		u.ok(t, "run", "retry", "--deployment", "hello", "--include-cancelled", "--yes"), first.ID.String(),
		second.ID.String(), "SCHEDULED")
	result := decode[api.RunBulkResult](t, u, "run", "cancel", "alpha", third.ID.String())
	if len(result.Done) != 2 {
		t.Errorf("by name and id: %+v", result)
	}
	r := u.run(t, "run", "retry", "alpha", "beta")
	if r.code != 1 {
		t.Errorf("one that has not ended: exit code %d", r.code)
	}
	demand(t, "standard output", r.stdout, first.ID.String(), "SCHEDULED")
	demand(t, "standard error", r.stderr, "error: ", second.ID.String(), "1 run: retried")
	if r := u.run(t, "run", "cancel", "alpha", "nobody"); r.code != 2 {
		t.Errorf("one that is not there: exit code %d", r.code)
	}
	u.ok(t, "run", "cancel", "--pool", "local", "--yes")
	demand(t, "nothing to cancel", u.run(t, "run", "cancel", "--pool", "local").stderr, "no runs to cancel")
}
