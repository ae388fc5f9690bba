package worker

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

// newTestOutput is an output with one open stream and nobody who is told. The attempt and its run have the
// same id.
func newTestOutput(limit int64) (*output, uuid.UUID) {
	o, id := newOutput(limit, func(uuid.UUID) {}), uuid.New()
	o.open(id, refOf(id), 1)
	return o, id
}

func refOf(id uuid.UUID) job.Ref { return job.Ref{RunID: id, Attempt: 1} }

// sendAll takes everything as a server would, and fails where offsets do not fit together.
func sendAll(t *testing.T, o *output) string {
	t.Helper()
	var got strings.Builder
	for {
		taken := o.collect(maxAppend)
		if len(taken.chunks) == 0 {
			return got.String()
		}
		for _, c := range taken.chunks {
			if c.Offset != int64(got.Len()) {
				t.Fatalf("chunk at %d after %d bytes", c.Offset, got.Len())
			}
			if !utf8.ValidString(c.Text) || len(c.Text) > maxChunk {
				t.Fatalf("chunk of %d bytes is too long or no text", len(c.Text))
			}
			got.WriteString(c.Text)
		}
		o.sent(taken)
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
			o, id := newTestOutput(1 << 30)
			var offset int64
			for _, text := range test.writes {
				if err := o.write(t.Context(), refOf(id), offset, []byte(text)); err != nil {
					t.Fatal(err)
				}
				offset += int64(len(text))
			}
			o.finish(id, 1)
			if got := sendAll(t, o); got != test.want {
				t.Errorf("sent %.80q, want %.80q", got, test.want)
			}
			if !o.empty() || len(o.streams) != 0 {
				t.Error("something is left behind")
			}
		})
	}
}

func TestOutputThatComesTwiceIsTakenOnce(t *testing.T) {
	o, id := newTestOutput(1 << 30)
	for offset, text := range map[int64]string{0: "abc"} {
		if err := o.write(t.Context(), refOf(id), offset, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, again := range []struct {
		offset int64
		text   string
	}{{0, "abc"}, {1, "bcd"}, {0, "abcde"}} {
		if err := o.write(t.Context(), refOf(id), again.offset, []byte(again.text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := sendAll(t, o); got != "abcde" {
		t.Errorf("sent %q, want abcde", got)
	}
}

func TestWhatIsWrittenWhileAChunkIsOnItsWayIsSentAfterIt(t *testing.T) {
	o, id := newTestOutput(1 << 30)
	write := func(offset int64, text string) {
		if err := o.write(t.Context(), refOf(id), offset, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write(0, "a")
	flying := o.collect(maxAppend)
	write(1, "b")
	o.sent(flying)
	rest := o.collect(maxAppend)
	if len(rest.chunks) != 1 || rest.chunks[0].Text != "b" || rest.chunks[0].Offset != 1 {
		t.Errorf("then sent %+v, want b at 1", rest.chunks)
	}
}

func TestOutputBeyondTheLimitIsCutAndSaysSo(t *testing.T) {
	o, id := newTestOutput(10)
	err := o.write(t.Context(), refOf(id), 0, []byte("0123456789 and more"))
	if !errors.Is(err, errNotWanted) {
		t.Errorf("the write returned %v, want %v", err, errNotWanted)
	}
	if got := sendAll(t, o); !strings.HasPrefix(got, "0123456789\n[berth] output cut here") {
		t.Errorf("sent %q, want the first ten bytes and a word on the cut", got)
	}
	if err := o.write(t.Context(), refOf(id), 10, []byte("x")); !errors.Is(err, errNotWanted) {
		t.Errorf("a write after the cut returned %v, want %v", err, errNotWanted)
	}
}

func TestWhoWritesFasterThanTheServerTakesWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, id := newTestOutput(1 << 30)
		full := make([]byte, streamBuffer)
		if err := o.write(t.Context(), refOf(id), 0, full); err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		go func() { written <- o.write(t.Context(), refOf(id), streamBuffer, []byte("more")) }()
		synctest.Wait()
		select {
		case err := <-written:
			t.Fatalf("the write did not wait: %v", err)
		default:
		}
		sendAll(t, o)
		if err := <-written; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := o.write(ctx, refOf(id), streamBuffer+4, full); err != nil {
			t.Fatal(err)
		}
		go func() { written <- o.write(ctx, refOf(id), 2*streamBuffer+4, full) }()
		synctest.Wait()
		cancel()
		if err := <-written; !errors.Is(err, context.Canceled) {
			t.Errorf("a write whose context ended returned %v", err)
		}
	})
}

func TestAStreamOfAnOlderEpochCanNotEndTheNewerOne(t *testing.T) {
	o, id := newTestOutput(1 << 30)
	o.open(id, refOf(id), 2)
	o.finish(id, 1)
	o.drop(id, 1)
	if err := o.write(t.Context(), refOf(id), 0, []byte("x")); err != nil {
		t.Errorf("the newer stream is gone: %v", err)
	}
}

func TestOutputOfAnEarlierLeaseLeavesNoHoleInTheNewerOnes(t *testing.T) {
	o, id := newTestOutput(1 << 30)
	write := func(offset int64, text string) error {
		return o.write(t.Context(), refOf(id), offset, []byte(text))
	}
	if err := write(0, "one"); err != nil {
		t.Fatal(err)
	}
	o.open(id, refOf(id), 2)
	if err := write(3, "two"); err == nil {
		t.Error("output was taken from the middle")
	}
	if err := write(0, "onetwo"); err != nil {
		t.Errorf("output from the beginning is not taken: %v", err)
	}
	if got := sendAll(t, o); got != "onetwo" {
		t.Errorf("sent %q", got)
	}
}

func TestABusyStreamDoesNotHoldUpAnother(t *testing.T) {
	o, busy := newTestOutput(1 << 30)
	quiet := uuid.New()
	o.open(quiet, refOf(quiet), 1)
	if err := o.write(t.Context(), refOf(busy), 0, make([]byte, streamBuffer)); err != nil {
		t.Fatal(err)
	}
	if err := o.write(t.Context(), refOf(quiet), 0, []byte("me too")); err != nil {
		t.Fatal(err)
	}
	o.sent(o.collect(maxChunk))
	if next := o.collect(maxChunk); next.chunks[0].AttemptID != quiet {
		t.Error("the busy stream was served twice in a row")
	}
}

func FuzzCleanedTextIsTextOfTheSameLength(f *testing.F) {
	for _, seed := range []string{"", "a\xff", "\xe2\x82", "\x00", "😀"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		text := clean(raw)
		if len(text) != len(raw) || !utf8.Valid(text) || strings.ContainsRune(string(text), 0) {
			t.Errorf("%q became %q", raw, text)
		}
		if n := complete(raw); n > len(raw) || len(raw)-n >= utf8.UTFMax {
			t.Errorf("%q is complete up to %d", raw, n)
		}
	})
}
