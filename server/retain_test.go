package server_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
)

// removedOf waits until the server says that it has removed something of this kind, and returns its log.
func removedOf(t *testing.T, r *running, kind string) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		metrics := string(r.call(http.MethodGet, "/metrics", "").is(http.StatusOK).body)
		if line := `berth_retention_removed_total{kind="` + kind + `"} `; strings.Contains(metrics, line) &&
			!strings.Contains(metrics, line+"0\n") {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("no %s were removed", kind)
		case <-again.C:
		}
	}
}

func TestFinishedRunsExpire(t *testing.T) {
	t.Parallel()
	var log logged
	r := start(t, func(o *server.Options) {
		o.KeepRuns, o.KeepLogs, o.RetainEvery = time.Millisecond, server.KeepForever, 10*time.Millisecond
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	r.deploy("etl", "")
	w := r.newWorker("w")
	ended := r.startRun("etl", `{}`)
	claim := w.claimOne()
	live := r.startRun("etl", `{}`)
	w.finish(claim, 0, "")
	removedOf(t, r, "runs")
	r.call(http.MethodGet, "/api/v1/runs/"+ended.ID.String(), "").refused(http.StatusNotFound, "not-found")
	if got := read[api.RunDetail](r.call(http.MethodGet, "/api/v1/runs/"+live.ID.String(),
		"")); got.Run.State.Type != api.SCHEDULED {
		t.Errorf("the live one is %s", got.Run.State.Type)
	}
	if text := log.String(); !strings.Contains(text, `msg="removed expired objects"`) || !strings.Contains(text, " runs=1") {
		t.Error("the removal is not logged")
	}
}

func TestExpiredOutputIsReported(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) {
		o.KeepLogs, o.RetainEvery = time.Millisecond,
			10*time.Millisecond
	})
	r.deploy("etl", "")
	w := r.newWorker("w")
	run := r.startRun("etl", `{}`)
	claim := w.claimOne()
	w.write(claim, 0, "twelve bytes")
	w.finish(claim, 0, "")
	removedOf(t, r, "log_chunks")
	got := string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/logs", "").is(http.StatusOK).body)
	if got != "[12 bytes of output are no longer kept]\n" {
		t.Errorf("got %q", got)
	}
	if got := r.call(http.MethodGet, logPath(run.ID, "?from_byte=2&bytes=4"), "").is(http.StatusOK); string(got.body) !=
		"[4 bytes of output are no longer kept]\n" {
		t.Errorf("four bytes are %q", got.body)
	}
	page := read[api.LogLines](r.call(http.MethodGet, logPath(run.ID, "/lines"), ""))
	if len(page.Lines) != 1 || page.Lines[0].Gap == nil || page.Lines[0].Size != 12 || *page.TotalLines != 1 {
		t.Errorf("the lines are %+v", page)
	}
	if got := output(r.stream(run, "", "").until(isEnd)); got != "[12 bytes of output are no longer kept]\n" {
		t.Errorf("streamed %q", got)
	}
	w.write(claim, 12, "late\n")
	got = string(r.call(http.MethodGet, "/api/v1/runs/"+run.ID.String()+"/logs", "").is(http.StatusOK).body)
	if !strings.HasPrefix(got, "[12 bytes") && !strings.HasPrefix(got, "[17 bytes") {
		t.Errorf("got %q", got)
	}
}
