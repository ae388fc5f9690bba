package output

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/worker/job"
)

// newTestBuffer is a buffer with one open stream. The attempt and its run have the same ID.
func newTestBuffer(limit int64) (*Buffer, uuid.UUID) {
	b, id := New(limit, func(uuid.UUID) {}), uuid.New()
	b.Open(id, refOf(id), 1, 0)
	return b, id
}

func refOf(id uuid.UUID) job.Ref { return job.Ref{RunID: id, Attempt: 1} }

// sendAll takes everything as a server would, and fails where offsets do not fit together.
func sendAll(t *testing.T, b *Buffer) string {
	t.Helper()
	var got strings.Builder
	for {
		taken := b.Collect(MaxBatchBytes)
		if len(taken.Chunks) == 0 {
			return got.String()
		}
		for _, c := range taken.Chunks {
			if c.Offset != int64(got.Len()) {
				t.Fatalf("chunk at %d after %d bytes", c.Offset, got.Len())
			}
			if !utf8.ValidString(c.Text) || len(c.Text) > maxChunkBytes {
				t.Fatalf("chunk of %d bytes is too long or no text", len(c.Text))
			}
			got.WriteString(c.Text)
		}
		b.Sent(taken)
	}
}

func TestOutputKeepsItsOffsets(t *testing.T) {
	long := strings.Repeat("0123456789abcdé", 10000)
	tests := map[string]struct {
		writes []string
		want   string
	}{
		"as it was written":                        {[]string{"one\n", "two\n"}, "one\ntwo\n"},
		"a character in two parts":                 {[]string{"caf\xc3", "\xa9\n"}, "café\n"},
		"four bytes one by one":                    {[]string{"\xf0", "\x9f", "\x98", "\x80"}, "😀"},
		"a byte that is no text":                   {[]string{"a\xffb"}, "a?b"},
		"a NUL, which databases refuse":            {[]string{"a\x00b"}, "a?b"},
		"a character that never becomes whole":     {[]string{"a\xe2\x82"}, "a??"},
		"more than one chunk, cut between letters": {[]string{long}, long},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, id := newTestBuffer(1 << 30)
			var offset int64
			for _, text := range test.writes {
				if err := b.Write(t.Context(), refOf(id), job.Output{Offset: offset, Text: []byte(text)}); err != nil {
					t.Fatal(err)
				}
				offset += int64(len(text))
			}
			b.Finish(id, 1)
			if got := sendAll(t, b); got != test.want {
				t.Errorf("sent %.80q, want %.80q", got, test.want)
			}
			if !b.Empty() || len(b.streams) != 0 {
				t.Error("something is left behind")
			}
		})
	}
}

func TestOutputThatComesTwiceIsTakenOnce(t *testing.T) {
	b, id := newTestBuffer(1 << 30)
	for offset, text := range map[int64]string{0: "abc"} {
		if err := b.Write(t.Context(), refOf(id), job.Output{Offset: offset, Text: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, again := range []struct {
		offset int64
		text   string
	}{{0, "abc"}, {1, "bcd"}, {0, "abcde"}} {
		if err := b.Write(t.Context(), refOf(id), job.Output{Offset: again.offset, Text: []byte(again.text)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := sendAll(t, b); got != "abcde" {
		t.Errorf("sent %q, want abcde", got)
	}
}

func TestWhatIsWrittenWhileAChunkIsOnItsWayIsSentAfterIt(t *testing.T) {
	b, id := newTestBuffer(1 << 30)
	write := func(offset int64, text string) {
		if err := b.Write(t.Context(), refOf(id), job.Output{Offset: offset, Text: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	write(0, "a")
	flying := b.Collect(MaxBatchBytes)
	write(1, "b")
	b.Sent(flying)
	rest := b.Collect(MaxBatchBytes)
	if len(rest.Chunks) != 1 || rest.Chunks[0].Text != "b" || rest.Chunks[0].Offset != 1 {
		t.Errorf("then sent %+v, want b at 1", rest.Chunks)
	}
}

func TestOutputBeyondTheLimitIsCutAndSaysSo(t *testing.T) {
	b, id := newTestBuffer(10)
	err := b.Write(t.Context(), refOf(id), job.Output{Offset: 0, Text: []byte("0123456789 and more")})
	if !errors.Is(err, ErrNotWanted) {
		t.Errorf("the write returned %v, want %v", err, ErrNotWanted)
	}
	if got := sendAll(t, b); !strings.HasPrefix(got, "0123456789\n[berth] output truncated") {
		t.Errorf("sent %q, want the first ten bytes and a note that it was truncated", got)
	}
	if n := b.Truncated(); n != 1 {
		t.Errorf("%d outputs are truncated, want 1", n)
	}
	if err := b.Write(t.Context(), refOf(id), job.Output{Offset: 10, Text: []byte("x")}); !errors.Is(err, ErrNotWanted) {
		t.Errorf("a write after the cut returned %v, want %v", err, ErrNotWanted)
	}
}

func TestWhoWritesFasterThanTheServerTakesWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, id := newTestBuffer(1 << 30)
		full := make([]byte, maxStreamBytes)
		if err := b.Write(t.Context(), refOf(id), job.Output{Offset: 0, Text: full}); err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		go func() {
			written <- b.Write(t.Context(), refOf(id), job.Output{Offset: maxStreamBytes, Text: []byte("more")})
		}()
		synctest.Wait()
		select {
		case err := <-written:
			t.Fatalf("the write did not wait: %v", err)
		default:
		}
		sendAll(t, b)
		if err := <-written; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := b.Write(ctx, refOf(id), job.Output{Offset: maxStreamBytes + 4, Text: full}); err != nil {
			t.Fatal(err)
		}
		go func() { written <- b.Write(ctx, refOf(id), job.Output{Offset: 2*maxStreamBytes + 4, Text: full}) }()
		synctest.Wait()
		cancel()
		if err := <-written; !errors.Is(err, context.Canceled) {
			t.Errorf("a write whose context ended returned %v", err)
		}
	})
}

func TestAStreamOfAnOlderEpochCanNotEndTheNewerOne(t *testing.T) {
	b, id := newTestBuffer(1 << 30)
	b.Open(id, refOf(id), 2, 0)
	b.Finish(id, 1)
	b.Drop(id, 1)
	if err := b.Write(t.Context(), refOf(id), job.Output{Offset: 0, Text: []byte("x")}); err != nil {
		t.Errorf("the newer stream is gone: %v", err)
	}
}

func TestOutputOfAnEarlierLeaseLeavesNoHoleInTheNewerOnes(t *testing.T) {
	b, id := newTestBuffer(1 << 30)
	write := func(offset int64, text string) error {
		return b.Write(t.Context(), refOf(id), job.Output{Offset: offset, Text: []byte(text)})
	}
	if err := write(0, "one"); err != nil {
		t.Fatal(err)
	}
	b.Open(id, refOf(id), 2, 0)
	if err := write(3, "two"); err == nil {
		t.Error("output was taken from the middle")
	}
	if err := write(0, "onetwo"); err != nil {
		t.Errorf("output from the beginning is not taken: %v", err)
	}
	if got := sendAll(t, b); got != "onetwo" {
		t.Errorf("sent %q", got)
	}
}

func TestABusyStreamDoesNotHoldUpAnother(t *testing.T) {
	b, busy := newTestBuffer(1 << 30)
	quiet := uuid.New()
	b.Open(quiet, refOf(quiet), 1, 0)
	if err := b.Write(t.Context(), refOf(busy), job.Output{Offset: 0, Text: make([]byte, maxStreamBytes)}); err != nil {
		t.Fatal(err)
	}
	if err := b.Write(t.Context(), refOf(quiet), job.Output{Offset: 0, Text: []byte("me too")}); err != nil {
		t.Fatal(err)
	}
	b.Sent(b.Collect(maxChunkBytes))
	if next := b.Collect(maxChunkBytes); next.Chunks[0].AttemptID != quiet {
		t.Error("the busy stream was served twice in a row")
	}
}

func FuzzCleanedTextIsTextOfTheSameLength(f *testing.F) {
	for _, seed := range []string{"", "a\xff", "\xe2\x82", "\x00", "😀"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		text := toText(raw)
		if len(text) != len(raw) || !utf8.Valid(text) || strings.ContainsRune(string(text), 0) {
			t.Errorf("%q became %q", raw, text)
		}
		if n := wholeCharacters(raw); n > len(raw) || len(raw)-n >= utf8.UTFMax {
			t.Errorf("%q is complete up to %d", raw, n)
		}
	})
}
