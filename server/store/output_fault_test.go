package store_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/internal/s3test"
	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/archive"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// on is a fault of the requests with a method.
func on(method string, fault s3test.Fault) func(*http.Request) s3test.Fault {
	return func(r *http.Request) s3test.Fault {
		if r.Method == method {
			return fault
		}
		return nil
	}
}

// afterwards does something once, after the storage has handled a request.
func afterwards(do func()) s3test.Fault {
	return func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		forward.ServeHTTP(w, r)
		do()
	}
}

// large is output whose object is sent in parts: noise hardly compresses.
func large() string {
	var text strings.Builder
	for i := range uint32(800_000) {
		h := (i*2654435761 ^ i<<7) * 40503
		for range 4 {
			h ^= h<<13 ^ h>>17 ^ h<<5
			text.WriteString("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"[h%64 : h%64+1])
			h = h*1664525 + 1013904223
		}
		text.WriteByte('A' + byte(h%57))
	}
	return text.String()
}

func TestOutputStaysInTheDatabaseWhileTheArchiveFails(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	t.Parallel()
	for name, fault := range map[string]func(*http.Request) s3test.Fault{
		"requests are lost":    on(http.MethodPut, s3test.LoseRequest),
		"answers are lost":     on(http.MethodPut, s3test.LoseAnswer),
		"uploads are cut off":  on(http.MethodPut, s3test.CutRequest(10)),
		"parts are cut off":    on(http.MethodPut, s3test.CutRequest(1<<20)),
		"access is denied":     on(http.MethodPut, s3test.Refuse(http.StatusForbidden, "AccessDenied")),
		"the bucket is full":   on(http.MethodPut, s3test.Refuse(http.StatusInsufficientStorage, "XMinioStorageFull")),
		"the bucket is gone":   on(http.MethodPut, s3test.Refuse(http.StatusNotFound, "NoSuchBucket")),
		"it cannot be read":    on(http.MethodGet, s3test.LoseRequest),
		"the parts do not end": on(http.MethodPost, s3test.LoseRequest),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := inBucket(t, false)
			w.one()
			text := "one\n"
			if strings.Contains(name, "parts") {
				text = large()
			}
			c := w.wrote(text)
			w.Advance(settled)
			w.gateway.SetFault(fault)
			for failures := range int32(3) {
				err := w.Work(t.Context())
				if err == nil {
					t.Fatal("it works")
				}
				o := w.outputOf(c)
				if o.Failures != failures+1 || o.LastError == "" || !strings.Contains(err.Error(), o.LastError[:20]) || !o.Pending() {
					t.Errorf("%v; the output is %+v", err, o)
				}
				w.reads(c, text)
				w.Advance(time.Hour)
			}
			w.gateway.SetFault(nil)
			w.works(time.Hour)
			if o := w.outputOf(c); o.Pending() || o.Failures != 0 || o.LastError != "" {
				t.Errorf("the output is %+v", o)
			}
			w.reads(c, text)
			w.leavesRows("log_chunks", 0)
			w.works(unusedEnded)
			w.leavesRows("output_deletions", 0)
			w.has(1)
		})
	}
}

func TestAStorageThatIsKilledDuringAnUploadLosesNothing(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	t.Parallel()
	w := inBucket(t, true)
	w.one()
	text := large()
	c := w.wrote(text)
	w.Advance(settled)
	w.gateway.SetFault(on(http.MethodPut, func(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
		w.gateway.Kill(t)
		panic(http.ErrAbortHandler)
	}))
	if err := w.Work(t.Context()); err == nil {
		t.Error("it works")
	}
	w.reads(c, text)
	w.gateway.SetFault(nil)
	w.gateway.Restart(t)
	w.works(time.Hour)
	w.works(unusedEnded)
	w.leavesRows("log_chunks", 0)
	w.reads(c, text)
	w.has(1)
}

func TestAnArchiveThatFailsIsAskedLessOften(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	t.Parallel()
	w := inBucket(t, false)
	w.pool("p")
	w.deployment("d", "p")
	const many = 100
	w.runs("d", many)
	for _, c := range w.claim(request("p", "w", many)) {
		w.writes(c, 0, "x")
		w.accepts(running(c), succeeded(c))
	}
	w.Advance(settled)
	w.gateway.SetFault(on(http.MethodPut, s3test.Refuse(http.StatusForbidden, "AccessDenied")))
	requests := func(looks int, every time.Duration) int {
		w.gateway.Requests()
		for range looks {
			if w.Work(t.Context()) == nil {
				t.Error("it works")
			}
			w.Advance(every)
		}
		return len(w.gateway.Requests())
	}
	if n := requests(1, time.Second); n > 32 {
		t.Errorf("the first look sent %d requests", n)
	}
	if n := requests(100, 6*time.Second); n > 12 { // with pauses that double
		t.Errorf("in ten minutes it was asked %d times", n)
	}
	w.gateway.SetFault(nil)
	w.works(time.Hour)
	w.leavesRows("log_chunks", 0)
	w.works(unusedEnded)
	w.has(many)
}

func TestArchivedOutputThatCannotBeReadSaysWhy(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	for name, test := range map[string]struct {
		fault func(w *archived, c store.Claim)
		want  string
	}{
		"the storage is down": {func(w *archived, _ store.Claim) { w.gateway.Kill(w.t) }, "cannot be read"},
		"the object is cut off": {func(w *archived, c store.Claim) {
			w.gateway.Damage(w.t, "berth/"+w.outputOf(c).Object, func(b []byte) []byte { return b[:len(b)/2] })
		}, "cannot be read"},
		"the object is gone": {func(w *archived, c store.Claim) {
			w.check(w.archive.Delete(w.t.Context(), w.outputOf(c).Object))
		}, "has lost it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := inBucket(t, true)
			w.one()
			c := w.wrote("one\n")
			w.works(settled)
			test.fault(w, c)
			w.writes(c, 4, "late\n")
			_, err := w.ListLogChunks(t.Context(), c.RunID, 1, 0, 0)
			w.refuses(err, store.ArchiveUnavailable)
			var refusal *store.Error
			if !errors.As(err, &refusal) || !strings.Contains(refusal.Message, test.want) ||
				!strings.Contains(refusal.Message, "only the bytes from 4 on are in the database") {
				t.Errorf("the message is %q", refusal.Message)
			}
			if chunks := w.listLogChunks(c.RunID, 1, 4, 0); len(chunks) != 1 || chunks[0].Text != "late\n" {
				t.Errorf("after it: %+v", chunks)
			}
		})
	}
}

func TestAServerWithoutAnArchiveSaysWhereTheOutputIs(t *testing.T) {
	t.Parallel()
	w := inDirectory(t, true)
	w.one()
	c := w.wrote("one\n")
	w.works(settled)
	without, err := store.Open(t.Context(), store.Options{URL: w.URL})
	w.check(err)
	defer without.Close()
	_, err = without.ListLogChunks(t.Context(), c.RunID, 1, 0, 0)
	w.refuses(err, store.ArchiveUnavailable)
	if !strings.Contains(err.Error(), "--output-archive") {
		t.Errorf("the error is %v", err)
	}
}

func TestADatabaseThatIsGoneAfterTheUploadLosesNothing(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	t.Parallel()
	server := pgtest.Start(t)
	g := s3test.Start(t)
	w := &archived{gateway: g}
	w.archive = must[*archive.Archive](t)(archive.Open(archive.Config{
		URL: "s3://" + s3test.Bucket + "/berth", Endpoint: g.URL, PathStyle: true,
	}))
	t.Cleanup(func() { w.check(w.archive.Close()) })
	s := storetest.OnServer(t, server, func(o *storetest.Options) { o.Archive = w.archive })
	w.world = &world{s, t}
	w.Archiver = w.newArchiver(s)

	w.one()
	c := w.wrote("one\n")
	w.Advance(settled)
	stopped := false
	g.SetFault(on(http.MethodGet, afterwards(func() {
		if !stopped {
			stopped = true
			server.Stop(t)
		}
	})))
	if err := w.Work(t.Context()); err == nil || !stopped {
		t.Errorf("it works: %v", err)
	}
	server.Resume(t)
	g.SetFault(nil)
	w.reads(c, "one\n")
	w.works(leaseEnded)
	w.leavesRows("log_chunks", 0)
	w.works(unusedEnded)
	w.has(1)
	w.reads(c, "one\n")
}

func TestWhatAnInterruptedUploadLeftIsRemoved(t *testing.T) {
	testenv.Slow(t, "it starts storages and databases")
	onEachArchive(t, func(w *archived) {
		w.one()
		c := w.wrote("one\n")
		w.Advance(settled)
		u := w.acquire("first.zst")[0] // of a server that is killed in the middle of the upload
		if w.gateway == nil {
			w.check(os.WriteFile(filepath.Join(w.dir, u.Upload+".part"), []byte("some"), 0o600))
		} else {
			parts := minio.Core{Client: w.gateway.Client(w.t)}
			key, part := "berth/"+u.Upload, strings.Repeat("x", 5<<20)
			id := must[string](w.t)(parts.NewMultipartUpload(w.t.Context(), s3test.Bucket, key, minio.PutObjectOptions{}))
			must[minio.ObjectPart](w.t)(parts.PutObjectPart(w.t.Context(), s3test.Bucket, key, id, 1, strings.NewReader(part),
				int64(len(part)), minio.PutObjectPartOptions{}))
		}
		if len(w.files()) == 0 {
			w.t.Fatal("the upload has left nothing")
		}
		w.works(leaseEnded)
		w.works(unusedEnded)
		w.has(1)
		w.leavesRows("output_deletions", 0)
		w.reads(c, "one\n")
	})
}
