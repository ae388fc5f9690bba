package store_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/berth-dev/berth/internal/s3test"
	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/archiver"
	"github.com/berth-dev/berth/server/metric"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

func TestMain(m *testing.M) {
	if err := s3test.SetCredentials(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Longer than output waits after its end, than a lease of an upload, and than unused objects are kept.
const (
	settled     = 2 * time.Minute
	leaseEnded  = 6 * time.Minute
	unusedEnded = 15 * time.Minute
)

// archived is a world whose output is archived.
type archived struct {
	*world
	archive *archive.Archive
	gateway *s3test.Gateway // nil: a directory
	dir     string
	*archiver.Archiver
}

// onEachArchive runs a test on every database and in every kind of archive.
func onEachArchive(t *testing.T, test func(w *archived)) {
	t.Helper()
	t.Parallel()
	t.Run("SQLite, directory", func(t *testing.T) {
		t.Parallel()
		test(inDirectory(t, false))
	})
	t.Run("PostgreSQL, S3", func(t *testing.T) {
		t.Parallel()
		test(inBucket(t, true))
	})
}

func inDirectory(t *testing.T, postgres bool) *archived {
	t.Helper()
	dir := t.TempDir()
	return newArchived(t, postgres, &archived{dir: dir}, archive.Config{URL: "file://" + dir})
}

func inBucket(t *testing.T, postgres bool) *archived {
	t.Helper()
	g := s3test.Start(t)
	return newArchived(t, postgres, &archived{gateway: g}, archive.Config{
		URL: "s3://" + s3test.Bucket + "/berth", Endpoint: g.URL, PathStyle: true,
	})
}

func newArchived(t *testing.T, postgres bool, w *archived, c archive.Config) *archived {
	t.Helper()
	w.archive = must[*archive.Archive](t)(archive.Open(c))
	t.Cleanup(func() {
		if err := w.archive.Close(); err != nil {
			t.Error(err)
		}
	})
	with := func(o *storetest.Options) { o.Archive = w.archive }
	w.world = &world{t: t}
	open := storetest.SQLite
	if postgres {
		open = storetest.PostgreSQL
	}
	w.Store = open(t, with)
	w.Archiver = w.newArchiver(w.Store)
	return w
}

// newArchiver is the archiver of a server.
func (w *archived) newArchiver(s *storetest.Store) *archiver.Archiver {
	return archiver.New(archiver.Options{
		Store: s.Store, Archive: w.archive, Installation: uuid.Nil, Logger: slog.New(slog.DiscardHandler),
		Metrics: metric.NewOutputArchive(prometheus.NewRegistry()), Now: w.Store.Now,
	})
}

// works lets time pass and the archiver work.
func (w *archived) works(after time.Duration) {
	w.t.Helper()
	w.Advance(after)
	w.check(w.Work(w.t.Context()))
}

// files lists what is in the archive, with what is there only in part.
func (w *archived) files() (files []string) {
	w.t.Helper()
	if w.gateway != nil {
		return w.gateway.Files(w.t)
	}
	w.check(filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

func (w *archived) has(files int) {
	w.t.Helper()
	if got := w.files(); len(got) != files {
		w.t.Errorf("the archive has %d files, want %d: %v", len(got), files, got)
	}
}

// wrote is an attempt that has ended and written a text.
func (w *archived) wrote(text string) store.Claim {
	w.t.Helper()
	c := w.claimOne("w")
	w.writes(c, 0, text)
	w.accepts(running(c), succeeded(c))
	return c
}

func (w *archived) outputOf(c store.Claim) store.Output {
	w.t.Helper()
	outputs := must[[]store.Output](w.t)(w.ListOutputs(w.t.Context(), c.RunID))
	if len(outputs) != 1 {
		w.t.Fatalf("the run has %d outputs", len(outputs))
	}
	return outputs[0]
}

// reads checks what is read of a run's output, in steps of several sizes.
func (w *archived) reads(c store.Claim, want string) {
	w.t.Helper()
	for _, limit := range []int{0, max(7, len(want)/50)} {
		if got := w.output(c.RunID, limit); got != want {
			w.t.Errorf("in steps of %d bytes: %.100q, want %.100q", limit, got, want)
		}
	}
	if size := must[int64](w.t)(w.GetLogSize(w.t.Context(), c.RunID, 1)); size != int64(len(want)) {
		w.t.Errorf("the size is %d, want %d", size, len(want))
	}
}

func (w *archived) leavesRows(table string, want int) {
	w.t.Helper()
	if got := w.rows(table); got != want {
		w.t.Errorf("%s has %d rows, want %d", table, got, want)
	}
}

// acquire takes output, as a server does that then ends.
func (w *archived) acquire(key string) []store.OutputUpload {
	w.t.Helper()
	uploads, _, err := w.AcquireOutputs(w.t.Context(), 10, time.Minute, func(store.Output, time.Time) string { return key })
	w.check(err)
	return uploads
}

// upload stores the rows of an upload, without a record of it.
func (w *archived) upload(u store.OutputUpload) int64 {
	w.t.Helper()
	return must[int64](w.t)(w.archive.Create(w.t.Context(), u.Upload, func(ctx context.Context, out *archive.Writer) error {
		rows, err := w.ListRowsOfOutput(ctx, u, 0)
		for _, r := range rows {
			if _, err := out.Write([]byte(r.Text)); err != nil {
				return err
			}
		}
		return err
	}))
}
