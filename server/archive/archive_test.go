package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-dev/berth/internal/s3test"
)

// onEach runs a test with an archive in a directory and in a bucket. damage changes a stored object.
func onEach(t *testing.T, test func(t *testing.T, a *Archive, damage func(key string, change func([]byte) []byte))) {
	t.Helper()
	t.Parallel()
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		test(t, open(t, Config{URL: "file://" + dir}), func(key string, change func([]byte) []byte) {
			path := filepath.Join(dir, key)
			content, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, change(content), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("S3", func(t *testing.T) {
		t.Parallel()
		g := s3test.Start(t)
		test(t, open(t, onGateway(g)), func(key string, change func([]byte) []byte) { g.Damage(t, "p/"+key, change) })
	})
}

func onGateway(g *s3test.Gateway) Config {
	return Config{URL: "s3://" + s3test.Bucket + "/p", Endpoint: g.URL, PathStyle: true}
}

func open(t testing.TB, c Config) *Archive {
	t.Helper()
	a, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// again is an archive that has cached nothing.
func again(a *Archive, bucket Bucket) *Archive {
	return &Archive{
		bucket: bucket, encoder: a.encoder, decoder: a.decoder,
		tables: newCache[*table](cachedInTables), frames: newCache[[]byte](cachedFrames),
	}
}

// create stores rows of output; a row that is a number of bytes is a hole.
func create(t testing.TB, a *Archive, key string, rows ...any) int64 {
	t.Helper()
	size, err := a.Create(t.Context(), key, func(_ context.Context, w *Writer) error { return writeRows(w, rows) })
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func writeRows(w *Writer, rows []any) error {
	for _, row := range rows {
		switch row := row.(type) {
		case int:
			if err := w.Skip(int64(row)); err != nil {
				return err
			}
		case string:
			if _, err := w.Write([]byte(row)); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads all output from an offset on; a hole is shown as its size in brackets.
func read(t testing.TB, a *Archive, key string, size, offset int64) string {
	t.Helper()
	var all strings.Builder
	for {
		text, at, err := a.ReadOutput(t.Context(), key, size, offset)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) == 0 {
			return all.String()
		}
		if at > offset {
			fmt.Fprintf(&all, "[%d]", at-offset)
		}
		all.Write(text)
		offset = at + int64(len(text))
	}
}

// noise is output that hardly compresses.
func noise(seed uint64, size int) string {
	b := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = random.Read(b) // it never fails
	return string(b)
}

func TestOutputIsReadFromAnyOffset(t *testing.T) {
	onEach(t, func(t *testing.T, a *Archive, _ func(string, func([]byte) []byte)) {
		rows := []any{}
		var want strings.Builder
		for i := range 100 {
			row := noise(uint64(i), 64<<10) // 6.4 MB: several frames, and more than goes into one request
			rows = append(rows, row)
			want.WriteString(row)
		}
		size := create(t, a, "k/large", rows...)
		for _, offset := range []int{0, 1, frameSize - 1, frameSize, 5<<20 + 17, want.Len() - 1, want.Len(), want.Len() + 1} {
			expected := want.String()[min(offset, want.Len()):]
			if got := read(t, a, "k/large", size, int64(offset)); got != expected {
				t.Errorf("from byte %d on, %d bytes were read; want %d", offset, len(got), len(expected))
			}
		}
	})
}

func TestAnObjectIsExtendedByCopyingItsFrames(t *testing.T) {
	onEach(t, func(t *testing.T, a *Archive, _ func(string, func([]byte) []byte)) {
		size := create(t, a, "first", 5, "one\n", "two\n", 3)
		longer, err := a.Create(t.Context(), "second", func(ctx context.Context, w *Writer) error {
			if err := w.CopyObject(ctx, "first", size); err != nil {
				return err
			}
			return writeRows(w, []any{"three\n"})
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, a, "second", longer, 0); got != "[5]one\ntwo\n[3]three\n" {
			t.Errorf("read %q", got)
		}
		if got := read(t, a, "second", longer, 7); got != "e\ntwo\n[3]three\n" {
			t.Errorf("read %q", got)
		}
	})
}

func TestAnObjectCanBeReadWithTheToolsOfZstandard(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	create(t, open(t, Config{URL: "file://" + dir}), "k", "one\n", 7, "two\n")
	content, err := os.ReadFile(filepath.Join(dir, "k"))
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := zstd.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	var text strings.Builder
	if _, err := decoder.WriteTo(&text); err != nil || text.String() != "one\ntwo\n" {
		t.Errorf("read %q, %v", text.String(), err)
	}
}

func TestADamagedObjectIsAnErrorThatSaysWhatIsWrong(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"cut off":             func(b []byte) []byte { return b[:len(b)-5] },
		"empty":               func([]byte) []byte { return nil },
		"its first half lost": func(b []byte) []byte { return b[len(b)/2:] },
		"a byte of a frame":   func(b []byte) []byte { b[10] ^= 1; return b },
		"a byte of the table": func(b []byte) []byte { b[len(b)-12] ^= 1; return b },
		"overwritten":         func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) },
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, a *Archive, damage func(string, func([]byte) []byte)) {
				size := create(t, a, "k", noise(1, 1000))
				damage("k", change)
				_, _, err := again(a, a.bucket).ReadOutput(t.Context(), "k", size, 0)
				var damaged *DamagedError
				if !errors.As(err, &damaged) {
					t.Errorf("the error is %v", err)
				}
			})
		})
	}
}

func TestAnObjectThatDoesNotExistIsFoundOut(t *testing.T) {
	onEach(t, func(t *testing.T, a *Archive, _ func(string, func([]byte) []byte)) {
		if _, _, err := a.ReadOutput(t.Context(), "k/none", 100, 0); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the error is %v", err)
		}
		size := create(t, a, "k/some", "x")
		for range 2 { // deleting it again does no harm
			if err := errors.Join(a.Delete(t.Context(), "k/some"), a.Discard(t.Context(), "k/some")); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := again(a, a.bucket).ReadOutput(t.Context(), "k/some", size, 0); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestNothingIsStoredOfOutputThatCannotBeRead(t *testing.T) {
	onEach(t, func(t *testing.T, a *Archive, _ func(string, func([]byte) []byte)) {
		gone := errors.New("the database is gone")
		_, err := a.Create(t.Context(), "k", func(_ context.Context, w *Writer) error {
			return errors.Join(writeRows(w, []any{noise(1, 400<<10), noise(2, 400<<10)}), gone)
		})
		if !errors.Is(err, gone) {
			t.Errorf("the error is %v", err)
		}
		if _, err := a.bucket.Open(t.Context(), "k", 0, 1); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it exists: %v", err)
		}
	})
}

func TestTheCheckLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := open(t, Config{URL: "file://" + dir}).Check(t.Context(), "installation"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	g := s3test.Start(t)
	if err := open(t, onGateway(g)).Check(t.Context(), "installation"); err != nil {
		t.Fatal(err)
	}
	if left := g.Files(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestAReaderOfALargeOutputSendsFewRequests(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t)
	a := open(t, onGateway(g))
	rows := []any{}
	for i := range 160 {
		rows = append(rows, noise(uint64(i), 64<<10)) // 20 frames
	}
	size := create(t, a, "k", rows...)
	reader := again(a, a.bucket)
	g.Requests()
	if got := len(read(t, reader, "k", size, 0)); got != 160*64<<10 {
		t.Errorf("%d bytes were read", got)
	}
	if n := len(g.Requests()); n > 7 { // for the table, the first frame, and four frames each
		t.Errorf("%d requests were sent", n)
	}
}

func TestTheCheckSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t)
	denied := s3test.Start(t)
	denied.SetFault(func(r *http.Request) s3test.Fault {
		if r.Method == http.MethodPut {
			return s3test.Refuse(http.StatusForbidden, "AccessDenied")
		}
		return nil
	})
	refused := s3test.Start(t)
	refused.SetFault(func(*http.Request) s3test.Fault { return s3test.Refuse(http.StatusForbidden, "InvalidAccessKeyId") })
	down := s3test.Start(t)
	down.Kill(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config Config
		want   string
	}{
		"no such bucket": {
			Config{URL: "s3://missing/p", Endpoint: g.URL, PathStyle: true},
			`the bucket "missing" does not exist at ` + g.URL + ": create it, or correct --output-archive",
		},
		"denied":            {onGateway(denied), `denies access to the bucket "outputs": the server needs s3:PutObject`},
		"wrong credentials": {onGateway(refused), "refuses the credentials of the server: check AWS_ACCESS_KEY_ID"},
		"down":              {onGateway(down), "output archive s3://outputs/p/ at " + down.URL},
		"no directory":      {Config{URL: "file://" + file + "-missing"}, "does not exist: create it or mount the volume"},
		"not a directory":   {Config{URL: "file://" + file}, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			err := open(t, test.config).Check(t.Context(), "installation")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
}
