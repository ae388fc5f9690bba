package server_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/server"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/archiver"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/store"
)

// archiveAll archives the output in a data directory, whose server has stopped, as an hour later.
func archiveAll(t *testing.T, dataDir, archiveDir string) {
	t.Helper()
	objects, err := archive.Open(archive.Config{URL: "file://" + archiveDir})
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	later := func() time.Duration { return time.Hour }
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite://" + dataDir + "/berth.db", ClockOffset: later})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := archiver.New(archiver.Options{
		Store: s, Archive: objects, Installation: uuid.New(), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Metrics: metric.NewOutputArchive(prometheus.NewRegistry()),
	}).Work(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// awaitLog waits until the server has logged a text.
func awaitLog(t *testing.T, log *logged, text string) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !strings.Contains(log.String(), text) {
		select {
		case <-deadline:
			t.Fatalf("not logged: %s\n%s", text, log.String())
		case <-again.C:
		}
	}
}

func TestArchivedOutputIsReadAsBefore(t *testing.T) {
	t.Parallel()
	dataDir, archiveDir := t.TempDir(), t.TempDir()
	var admin, worker string
	begin := func(log *logged) *running {
		return start(t, func(o *server.Options) {
			o.DataDir, o.OutputArchive.URL = dataDir, "file://"+archiveDir
			o.Logger = slog.New(slog.NewTextHandler(log, nil))
			if admin == "" {
				admin, worker = o.BootstrapAdminKey, o.BootstrapWorkerKey
			}
			o.BootstrapAdminKey, o.BootstrapWorkerKey = admin, worker
		})
	}
	r := begin(new(logged))
	r.deploy("etl", "")
	w := r.newWorker("w")
	run := r.startRun("etl", `{}`)
	claim := w.claimOne()
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, "line %d of the output, with ß\n", i)
		if i%1000 == 0 {
			w.write(claim, 0, text.String())
		}
	}
	w.write(claim, 0, text.String())
	w.finish(claim, 0, "")
	before := r.allLines(run.ID)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	archiveAll(t, dataDir, archiveDir)

	var log logged
	r = begin(&log)
	r.admin, r.worker = admin, worker
	awaitLog(t, &log, `msg="archiving output"`)
	awaitLog(t, &log, ` archive=file://`+archiveDir)
	path := "/api/v1/runs/" + run.ID.String()
	if got := string(r.call(http.MethodGet, path+"/logs", "").is(http.StatusOK).body); got != text.String() {
		t.Errorf("read %d bytes, want %d", len(got), text.Len())
	}
	if got := output(r.stream(run, "", "").until(isEnd)); got != text.String() {
		t.Errorf("streamed %d bytes, want %d", len(got), text.Len())
	}
	if got := r.allLines(run.ID); len(got.Lines) != 20_000 || !reflect.DeepEqual(got, before) {
		t.Errorf("%d lines are not those from before it was archived: %+v", len(got.Lines), got.Lines[:1])
	}
	found := read[api.LogMatches](r.call(http.MethodGet, path+"/logs/search?text=LINE+17123+", ""))
	if len(found.Lines) != 1 || !reflect.DeepEqual(found.Lines[0], before.Lines[17_123]) {
		t.Errorf("found %+v", found)
	}
	o := read[api.RunDetail](r.call(http.MethodGet, path, "")).Attempts[0].Output
	if o == nil || o.Size != int64(text.Len()) || o.ArchivedSize != o.Size || *o.StoredSize > o.Size/4 || o.ArchivedAt == nil {
		t.Errorf("the attempt's output is %+v", o)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	// The server starts and serves without its archive, and says what is wrong.
	if err := os.Rename(archiveDir, archiveDir+"-unmounted"); err != nil {
		t.Fatal(err)
	}
	var without logged
	r = begin(&without)
	r.admin, r.worker = admin, worker
	awaitLog(t, &without, "create it or mount the volume")
	if !strings.Contains(without.String(), "output stays in the database until it does") {
		t.Errorf("logged %s", without.String())
	}
	for _, rest := range []string{"", "/lines", "/search?text=line"} {
		r.call(http.MethodGet, path+"/logs"+rest, "").refused(http.StatusServiceUnavailable, "output-archive-unavailable")
	}
	want := fmt.Sprintf("[%d bytes of output cannot be read now: the output archive is not available]\n", text.Len())
	if got := output(r.stream(run, "", "").until(isEnd)); got != want {
		t.Errorf("streamed %.200q, want %q", got, want)
	}
	metrics := string(r.call(http.MethodGet, "/metrics", "").is(http.StatusOK).body)
	if !strings.Contains(metrics, "berth_output_archive_up 0\n") {
		t.Error("the metrics do not say that the archive is down")
	}
}

func TestAServerDoesNotStartWithAnInvalidArchive(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"outputs":                 "want s3://BUCKET[/PREFIX] or file:///DIRECTORY",
		"file://relative/path":    "want s3://",
		"s3://":                   "want s3://",
		"s3://key:secret@outputs": "want s3://",
		"https://outputs":         "want s3://",
	} {
		err := server.Run(t.Context(), server.Options{
			Listen: "127.0.0.1:0", DataDir: t.TempDir(), OutputArchive: archive.Config{URL: url},
		})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
