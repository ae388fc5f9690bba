package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
)

// compared asks what differs between a run and an earlier one; empty is the last that completed.
func (r *running) compared(run uuid.UUID, query string) api.RunComparison {
	r.t.Helper()
	return read[api.RunComparison](r.call(http.MethodGet, "/api/v1/runs/"+run.String()+"/diff"+query, "").is(http.StatusOK))
}

func subjectsOf(c api.RunComparison) (subjects []string) {
	for _, d := range c.Differences {
		subjects = append(subjects, string(d.Subject))
	}
	return subjects
}

func TestARunIsComparedWithTheLastOneThatCompleted(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.deploy("etl", `,"parameters":{"date":"2026-01-01","full":true}`)
	r.deploy("other", "")
	w, v := r.newWorker("w1"), r.newWorker("w2")
	run := func(w aWorker, deployment, body, image string, code int32) api.Run {
		made := r.startRun(deployment, body)
		claim := w.claimOne()
		w.begin(claim)
		w.see(claim, api.ReportKindEnded, func(report *api.Report) {
			succeeded, category := code == 0, api.CategoryApp
			report.Succeeded, report.ExitCode, report.Image = &succeeded, &code, &image
			if !succeeded {
				report.Category = &category
			}
		})
		return made
	}
	first := run(w, "etl", `{}`, "etl@sha256:aa", 3)
	r.call(http.MethodGet, "/api/v1/runs/"+first.ID.String()+"/diff", "").refused(http.StatusConflict, "no-completed-run")
	good := run(w, "etl", `{}`, "etl@sha256:aa", 0)
	run(w, "other", `{}`, "other@sha256:cc", 0) // of another deployment
	bad := run(v, "etl", `{"parameters":{"date":"2026-01-02"}}`, "etl@sha256:bb", 3)

	c := r.compared(bad.ID, "")
	if c.Before.ID != good.ID || c.After.ID != bad.ID {
		t.Errorf("compared %s with %s", c.After.Name, c.Before.Name)
	}
	if got := subjectsOf(c); !slices.Equal(got, []string{"image", "parameters", "worker"}) {
		t.Errorf("what differs is %v", got)
	}
	if got := c.Differences[0]; got.Text != "image etl@sha256:aa is now etl@sha256:bb" || len(got.Changes) != 1 ||
		string(got.Changes[0].Before) != `"etl@sha256:aa"` || got.Changes[0].Pointer != "" {
		t.Errorf("the image: %+v", got)
	}
	if got := c.Differences[1].Changes; len(got) != 1 || got[0].Pointer != "/date" || string(got[0].After) != `"2026-01-02"` {
		t.Errorf("the parameters: %+v", got)
	}
	if !slices.Contains(c.Same, "template") || !slices.Contains(c.Same, "revision") || !slices.Contains(c.Same, "job_variables") {
		t.Errorf("the same are %v", c.Same)
	}
	if got := subjectsOf(r.compared(bad.ID, "?with="+first.ID.String())); !slices.Equal(got, []string{"image", "parameters", "worker"}) {
		t.Errorf("beside the first one differ %v", got)
	}
	if got := subjectsOf(r.compared(bad.ID, "?with="+bad.ID.String())); len(got) != 0 {
		t.Errorf("a run differs from itself in %v", got)
	}
	if details := strings.Join(r.why(bad.ID).Details, "\n"); !strings.Contains(details,
		"since "+good.Name+" completed") || !strings.Contains(details, "image etl@sha256:aa is now etl@sha256:bb; parameter date") {
		t.Errorf("explained as %s", details)
	}

	// A change of the deployment shows as its revision, and as what it changes.
	r.deploy("etl", `,"parameters":{"date":"2026-01-01","full":false}`)
	last := run(w, "etl", `{}`, "etl@sha256:aa", 3)
	if got := subjectsOf(r.compared(last.ID, "")); !slices.Equal(got, []string{"revision", "parameters"}) {
		t.Errorf("after a deploy differ %v", got)
	}
	r.call(http.MethodGet, "/api/v1/runs/"+uuid.NewString()+"/diff", "").refused(http.StatusNotFound, "not-found")
	r.call(http.MethodGet, "/api/v1/runs/"+last.ID.String()+"/diff?with="+uuid.NewString(), "").refused(http.StatusNotFound, "not-found")
	r.call(http.MethodGet, "/api/v1/runs/"+last.ID.String()+"/diff?with=x", "").is(http.StatusBadRequest)
}
