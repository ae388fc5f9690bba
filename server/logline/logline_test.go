package logline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

var (
	stored = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	whole  = Window{FromLine: 1, Lines: 1 << 20, Bytes: 1 << 30, LineSize: 1 << 20}
)

// output is what a store keeps of an output: its parts, and what has expired between them. It counts what is read.
type output struct {
	chunks []store.LogChunk
	size   int64
	read   int
	calls  int
}

// add adds a chunk that was stored so many seconds later than the first; text "" is a part that has expired.
func (o *output) add(seconds int, text string, expired int64) {
	if text != "" {
		at := stored.Add(time.Duration(seconds) * time.Second)
		o.chunks = append(o.chunks, store.LogChunk{
			Offset: o.size, Text: text, Times: []store.ChunkTime{{Offset: o.size, At: at}},
		})
	}
	o.size += int64(len(text)) + expired
}

func (o *output) GetLogSize(context.Context, uuid.UUID, int32) (int64, error) { return o.size, nil }

func (o *output) ListLogChunks(
	_ context.Context, _ uuid.UUID, _ int32, offset int64, limit int,
) ([]store.LogChunk, error) {
	o.calls++
	if limit == 0 {
		limit = 1 << 20
	}
	i, _ := slices.BinarySearchFunc(o.chunks, offset, func(c store.LogChunk, offset int64) int {
		if c.Offset+int64(len(c.Text)) > offset {
			return 1
		}
		return -1
	})
	var chunks []store.LogChunk
	for ; i < len(o.chunks) && limit > 0; i++ {
		c := o.chunks[i]
		skip := max(0, offset-c.Offset)
		c.Offset, c.Text = c.Offset+skip, c.Text[skip:]
		c.Text = c.Text[:min(limit, len(c.Text))]
		limit -= len(c.Text)
		o.read += len(c.Text)
		chunks = append(chunks, c)
	}
	return chunks, nil
}

func reader(o *output) *Reader { return New(o, time.Now) }

func lines(page Page) string {
	var b strings.Builder
	for _, l := range page.Lines {
		text := fmt.Sprintf("%q", l.Text)
		if l.Gap {
			text = fmt.Sprintf("gap of %d", l.Size)
		}
		if l.Cut {
			text += "…"
		}
		fmt.Fprintf(&b, "%d@%d %s\n", l.Number, l.Offset, text)
	}
	return b.String()
}

func read(t *testing.T, r *Reader, want Window) Page {
	t.Helper()
	page, err := r.Read(t.Context(), Attempt{}, want)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestLinesAreCountedWhereverChunksEnd(t *testing.T) {
	for _, tc := range []struct {
		name  string
		parts []any // a number: so many bytes have expired
		want  string
	}{
		{"nothing", nil, ""},
		{"one line", []any{"a\n"}, "1@0 \"a\"\n"},
		{"no line feed at the end", []any{"a\nb"}, "1@0 \"a\"\n2@2 \"b\"\n"},
		{"a line in three chunks", []any{"a\nb", "c", "d\ne\n"}, "1@0 \"a\"\n2@2 \"bcd\"\n3@6 \"e\"\n"},
		{"empty lines", []any{"\n\n", "\n"}, "1@0 \"\"\n2@1 \"\"\n3@2 \"\"\n"},
		{"the beginning has expired", []any{5, "a\nb\n"}, "1@0 gap of 5\n2@5 \"a\"\n3@7 \"b\"\n"},
		{"a gap ends a line", []any{"a\nb", 7, "c\n"}, "1@0 \"a\"\n2@2 \"b\"\n3@3 gap of 7\n4@10 \"c\"\n"},
		{"the end has expired", []any{"a\n", 3}, "1@0 \"a\"\n2@2 gap of 3\n"},
		{"all has expired", []any{9}, "1@0 gap of 9\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := &output{}
			for _, part := range tc.parts {
				switch part := part.(type) {
				case string:
					o.add(0, part, 0)
				case int:
					o.add(0, "", int64(part))
				}
			}
			page := read(t, reader(o), whole)
			if got := lines(page); got != tc.want {
				t.Errorf("got\n%s", got)
			}
			if page.Total != int64(len(page.Lines)) || page.Scanned != o.size || page.Size != o.size {
				t.Errorf("%+v for %d lines in %d bytes", page.Extent, len(page.Lines), o.size)
			}
		})
	}
}

// Windows of random outputs are compared with all lines of them.
func TestAWindowHasTheLinesOfTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		o := &output{}
		for range 300 {
			switch n := random.IntN(40); n {
			case 0:
				o.add(0, "", int64(1+random.IntN(5000)))
			default:
				text := strings.Repeat(strings.Repeat("ä", random.IntN(700))+"\n", 1+random.IntN(60))
				o.add(0, text[:1+random.IntN(len(text))], 0)
			}
		}
		r := reader(o)
		all := read(t, r, whole).Lines
		for range 50 {
			first := random.IntN(len(all))
			window := Window{Lines: 1 + random.IntN(20), Bytes: 1 << 20, LineSize: 1 << 20}
			switch random.IntN(3) {
			case 0:
				window.FromLine = int64(first + 1)
			case 1:
				window.FromLine = int64(first - len(all))
			case 2:
				window.FromByte = all[first].Offset + random.Int64N(all[first].Size)
			}
			want := all[first:min(first+window.Lines, len(all))]
			if got := read(t, r, window).Lines; !slices.Equal(got, want) {
				t.Fatalf("%+v: got %d lines\n%s", window, len(got), lines(Page{Lines: got}))
			}
		}
	}
}

func TestLinesArePlacedAndDated(t *testing.T) {
	o := &output{}
	o.add(0, "a\nb", 0)
	o.add(5, "b\nc\n", 0)
	var times []string
	for _, l := range read(t, reader(o), whole).Lines {
		times = append(times, l.At.Format("05"))
	}
	if got := strings.Join(times, " "); got != "00 00 05" {
		t.Errorf("the lines began at the seconds %s", got)
	}
}

func TestAnIndexGoesOnWhereOutputGrows(t *testing.T) {
	o := &output{}
	r := reader(o)
	for i := range 3000 {
		o.add(i, fmt.Sprintf("line %d, which ", i+1), 0)
		last := Window{FromLine: -1, Lines: 1, Bytes: 1 << 20, LineSize: 100}
		if page := read(t, r, last); page.Total != int64(i+1) || !strings.HasPrefix(page.Lines[0].Text, fmt.Sprint("line ", i+1)) {
			t.Fatalf("after %d lines: %+v, %s", i+1, page.Extent, lines(page))
		}
		o.add(i, "has an end\n", 0)
	}
	if most := 3000 * markLines * int(o.size/3000); o.read > most { // a window reads from a place on
		t.Errorf("%d bytes were read, more than %d", o.read, most)
	}
}

func TestLinesAreNumberedAnewWhenMoreHasExpired(t *testing.T) {
	o := &output{}
	for range 5 {
		o.add(0, "a\nb\n", 0)
	}
	r := reader(o)
	if page := read(t, r, whole); page.Total != 10 {
		t.Fatalf("%d lines", page.Total)
	}
	o.chunks = o.chunks[2:]
	if page := read(t, r, whole); page.Total != 7 || !page.Lines[0].Gap || page.Lines[1].Number != 2 {
		t.Errorf("%d lines:\n%s", page.Total, lines(page))
	}
}

func TestLongLinesAreCutBetweenCharacters(t *testing.T) {
	o := &output{}
	o.add(0, strings.Repeat("ä", 10), 0)
	o.add(0, strings.Repeat("ä", 10)+"\nshort\n", 0)
	page := read(t, reader(o), Window{FromLine: 1, Lines: 10, Bytes: 1 << 20, LineSize: 7})
	if want := "1@0 \"äää\"…\n2@41 \"short\"\n"; lines(page) != want {
		t.Errorf("got\n%s", lines(page))
	}
}

func TestAPageIsBoundedInBytesButHasOneLine(t *testing.T) {
	o := &output{}
	o.add(0, strings.Repeat(strings.Repeat("x", 1000)+"\n", 100), 0)
	for bytes, want := range map[int]int{1: 1, 5000: 4, 1 << 20: 100} {
		page := read(t, reader(o), Window{FromLine: 1, Lines: 1000, Bytes: bytes, LineSize: 1000})
		if len(page.Lines) != want {
			t.Errorf("with %d bytes, %d lines; want %d", bytes, len(page.Lines), want)
		}
	}
}

// large is 64 MiB in 1,000,000 lines and some long ones. All chunks share their text.
func large() *output {
	o := &output{}
	line := "2026-01-31T12:00:00Z INFO loader: batch read 65536 rows, \x1b[32mok\x1b[0m\n"
	text := strings.Repeat(line, 900)
	for o.size < 64<<20 {
		o.add(0, text, 0)
	}
	o.add(0, "a line with the Needle\n", 0)
	for range 3 {
		o.add(0, strings.Repeat("y", 1<<20), 0)
	}
	o.add(0, "\nlast\n", 0)
	return o
}

// allocated is how many bytes a function allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// It does not run beside others: it counts what the process allocates.
func TestALargeOutputIsReadInBoundedMemory(t *testing.T) {
	o := large()
	r := reader(o)
	first := Window{FromLine: 1, Lines: 1000, Bytes: 1 << 20, LineSize: 5000}
	if read(t, r, first); o.read > 7<<20 {
		t.Errorf("for the first lines, %d bytes were read", o.read)
	}

	var total int64
	counting := allocated(func() { total = read(t, r, Window{FromLine: -1, Lines: 1, Bytes: 1, LineSize: 10}).Total })
	if total < 900_000 || counting > 16<<20 {
		t.Errorf("counting %d lines allocated %d bytes", total, counting)
	}
	x := r.indexes[Attempt{}]
	if len(x.marks) < 900 || len(x.marks) > 2000 {
		t.Errorf("the index has %d places", len(x.marks))
	}
	for _, from := range []int64{1, total / 2, total - 2000, total - 1} {
		before := o.read
		if page := read(t, r, Window{FromLine: from, Lines: 1000, Bytes: 1 << 20, LineSize: 5000}); page.Lines[0].Number != from {
			t.Errorf("line %d came for line %d", page.Lines[0].Number, from)
		}
		if n := o.read - before; n > 6<<20 { // the last has a line of 3 MiB
			t.Errorf("for 1,000 lines from %d on, %d bytes were read", from, n)
		}
	}

	var found Matches
	searching := allocated(func() {
		var err error
		if found, err = r.Search(t.Context(), Attempt{}, Query{Text: "nEEDLE", FromLine: 1, Limit: 10, LineSize: 100}); err != nil {
			t.Error(err)
		}
	})
	if found.Count != 1 || found.Lines[0].Number != total-2 || found.Next != 0 || searching > 32<<20 {
		t.Errorf("found %+v, and allocated %d bytes", found, searching)
	}
}

func TestAnIndexOfAnyOutputIsBounded(t *testing.T) {
	x := newIndex()
	for i := int64(1); i < 3*maxMarks; i++ {
		x.add(position{i * markLines, i * 10 * markLines, i * 10 * markLines})
	}
	if len(x.marks) > maxMarks || x.step != 4 {
		t.Errorf("%d places, %d times as far apart", len(x.marks), x.step)
	}
	for _, line := range []int64{1, 5, 2 * maxMarks * markLines} {
		if at := x.before(func(p position) bool { return p.line > line }); at.line > line || line-at.line > 8*markLines {
			t.Errorf("line %d is looked for from line %d on", line, at.line)
		}
	}
}

func TestWhatIsNotFoundInTimeIsGoneOnWith(t *testing.T) {
	o := large()
	now := time.Now()
	r := New(o, func() time.Time {
		now = now.Add(time.Second) // each look at the clock takes one
		return now
	})
	requests := 0
	for {
		requests++
		page := read(t, r, Window{FromLine: -1, Lines: 1, Bytes: 100, LineSize: 100})
		if len(page.Lines) == 1 {
			if page.Lines[0].Text != "last" {
				t.Errorf("got %q", page.Lines[0].Text)
			}
			break
		}
		if page.Scanned >= page.Size || requests > 20 {
			t.Fatalf("after %d requests: %+v", requests, page.Extent)
		}
	}
	var count int64
	for from := int64(1); from > 0; requests++ {
		found, err := r.Search(t.Context(), Attempt{}, Query{Text: "needle", FromLine: from, Limit: 10, LineSize: 100})
		if err != nil || found.Next != 0 && found.Next <= from || requests > 60 {
			t.Fatalf("%+v, %v after line %d", found, err, from)
		}
		count, from = count+found.Count, found.Next
	}
	if requests < 10 || count != 1 {
		t.Errorf("%d requests found %d lines", requests, count)
	}
}

func TestTextIsFoundAsATerminalShowsIt(t *testing.T) {
	for _, tc := range []struct{ name, line, text, want string }{
		{"upper case", "an ERROR here", "error", "an ERROR here"},
		{"letters with accents", "GRÖSSE", "größe", ""},
		{"other letters", "ΑΒΓ ЖЗИ Ö", "жзи ö", "ΑΒΓ ЖЗИ Ö"},
		{"a letter that gets longer", "İstanbul x", "X", "İstanbul x"},
		{"colors within", "\x1b[1;31mER\x1b[0mROR\x1b[K", "error", "ERROR"},
		{"codes are not found", "\x1b[31mred\x1b[0m", "31m", ""},
		{"a link", "\x1b]8;;https://example.com\x1b\\docs\x1b]8;;\x07!", "docs!", "docs!"},
		{"the address of a link", "\x1b]8;;https://example.com\x1b\\docs\x1b]8;;\x07", "example", ""},
		{"what was overwritten", "10 %\r20 %\r", "10 %", ""},
		{"what was written last", "10 %\r20 %\r", "20 %", "20 %"},
		{"a code without an end", "text\x1b[31", "text", "text"},
		{"no pattern", "a.b a*b", "a.", "a.b a*b"},
		{"broken characters", "\xff\xfe error", "ERROR", "\xff\xfe error"},
		{"around the place", strings.Repeat("a", 100) + "needle" + strings.Repeat("b", 100), "needle", "aaaaaneedlebbbbbbbbb"},
		{"at the end", strings.Repeat("a", 100) + "needle", "needle", strings.Repeat("a", 14) + "needle"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := &output{}
			o.add(0, tc.line+"\n", 0)
			found, err := reader(o).Search(t.Context(), Attempt{}, Query{Text: tc.text, FromLine: 1, Limit: 1, LineSize: 20})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if found.Count > 0 {
				got = found.Lines[0].Text
			}
			if got != tc.want {
				t.Errorf("found %q", got)
			}
		})
	}
}

func TestASearchCountsWhatItDoesNotReturn(t *testing.T) {
	o := &output{}
	for i := range 100 {
		o.add(i, fmt.Sprintf("line %d\n", i+1), 1)
	}
	found, err := reader(o).Search(t.Context(), Attempt{}, Query{Text: "line", FromLine: 101, Limit: 3, LineSize: 20})
	if err != nil || found.Count != 50 || len(found.Lines) != 3 || found.Lines[0].Number != 101 ||
		found.Lines[0].Text != "line 51" || found.Lines[0].At != stored.Add(50*time.Second) {
		t.Errorf("found %+v, %v", found, err)
	}
}

func FuzzShow(f *testing.F) {
	for _, text := range []string{"", "\x1b", "\x1b[", "\x1b]8;;x", "a\rb\r", "\x1b]\x1b", "ä\xff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, line string) {
		shown := show(nil, line)
		if strings.ContainsAny(string(shown), "\x00\x07\x08\x1b\r\n\x7f") || len(shown) > len(line) {
			t.Errorf("%q is shown as %q", line, shown)
		}
		if folded := fold(nil, shown); len(folded) != len(shown) {
			t.Errorf("%q is folded to %q", shown, folded)
		}
		s := searcher{wanted: []byte("x")}
		if s.find(line) {
			if text, _ := s.around(3); len(text) > 3 {
				t.Errorf("%q is cut to %q", line, text)
			}
		}
	})
}
