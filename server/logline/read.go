package logline

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/berth-dev/berth/server/store"
)

const (
	// longest is how long a request looks at output.
	longest = 10 * time.Second
	// maxIndexes is how many indexes are kept; the one that was not used for the longest time goes first.
	maxIndexes = 64
	// lineOverhead is what a line counts beside its text, in bytes.
	lineOverhead = 64
)

// Reader reads lines. It is safe for concurrent use.
type Reader struct {
	store Store
	now   func() time.Time

	mu      sync.Mutex
	indexes map[Attempt]*index
	used    []Attempt // the one used last at the end
}

// New returns a Reader of output in a store.
func New(s Store, now func() time.Time) *Reader {
	return &Reader{store: s, now: now, indexes: map[Attempt]*index{}}
}

// Window is which lines to read.
type Window struct {
	// FromLine is the number of the first line; negative: counted from the end, -1 is the last one.
	FromLine int64
	// FromByte counts if FromLine is 0: the first line is the one with this byte.
	FromByte int64
	Lines    int // at most
	Bytes    int // of text at most, but one line at least
	LineSize int // bytes of a line, of which the rest is cut
}

// Page is a window of lines.
type Page struct {
	Lines []Line
	Extent
}

// Extent is how much output there is, and how much of it was looked at.
type Extent struct {
	Size    int64 // in bytes, expired output included
	Scanned int64 // how far the lines are counted, in bytes
	Total   int64 // lines up to there
}

// Read returns a window of lines. It has fewer lines than there are, or none, if it was not found in time; a
// repetition then goes on from there.
func (r *Reader) Read(ctx context.Context, a Attempt, want Window) (Page, error) {
	w, err := r.walker(ctx, a)
	if err != nil || w.size == 0 {
		return Page{Lines: []Line{}}, err
	}
	from, extent, err := r.locate(ctx, w, want)
	page := Page{Lines: []Line{}, Extent: extent}
	if err != nil || from == nil {
		return page, err
	}
	first := want.first(extent)
	w.at, w.keep = *from, want.LineSize
	bytes := 0
	w.visit = func(l Line) bool {
		if l.Number < first || l.Offset+l.Size <= want.FromByte {
			return true
		}
		if bytes += len(l.Text) + lineOverhead; bytes > want.Bytes && len(page.Lines) > 0 {
			return false
		}
		page.Lines = append(page.Lines, l)
		return len(page.Lines) < want.Lines
	}
	_, err = w.walk(ctx)
	return page, err
}

// first is the number of the first line of a window; 0: it is given as a byte.
func (want Window) first(e Extent) int64 {
	if want.FromLine < 0 {
		return max(1, e.Total+1+want.FromLine)
	}
	return want.FromLine
}

// walker returns a walker that has a limited time. Its size comes first: the reads that follow find all output up to
// it, or it has expired.
func (r *Reader) walker(ctx context.Context, a Attempt) (walker, error) {
	size, err := r.store.GetLogSize(ctx, a.Run, a.Number)
	end := r.now().Add(longest)
	late := func() bool { return r.now().After(end) }
	return walker{store: r.store, attempt: a, size: size, late: late}, err
}

// locate returns a place at or before the first line of a window. It returns none if that was not found in time, or
// does not exist.
func (r *Reader) locate(ctx context.Context, w walker, want Window) (*position, Extent, error) {
	x := r.index(w.attempt)
	select {
	case x.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, Extent{}, ctx.Err()
	}
	defer func() { <-x.lock }()

	if err := r.expire(ctx, x, w); err != nil {
		return nil, Extent{}, err
	}
	at, err := x.extend(ctx, w, func(p position) bool {
		return want.FromLine >= 0 && p.line > want.FromLine && p.offset > want.FromByte
	})
	extent := Extent{Size: w.size, Scanned: min(at.offset, w.size), Total: at.lines()}
	if err != nil || want.FromLine < 0 && extent.Scanned < w.size {
		return nil, extent, err
	}
	first := want.first(extent)
	if first > extent.Total || want.FromByte >= extent.Scanned {
		return nil, extent, nil
	}
	from := x.before(func(p position) bool {
		return first > 0 && p.line > first || first == 0 && p.offset > want.FromByte
	})
	return &from, extent, nil
}

// expire starts an index again if more output has expired than when it was made, which changed the numbers.
func (r *Reader) expire(ctx context.Context, x *index, w walker) error {
	const little = 64
	chunks, err := r.store.ListLogChunks(ctx, w.attempt.Run, w.attempt.Number, 0, little)
	if err != nil {
		return err
	}
	if first := firstKept(chunks, w.size); first != x.first {
		x.reset(first)
	}
	return nil
}

func firstKept(chunks []store.LogChunk, size int64) int64 {
	if len(chunks) == 0 {
		return size
	}
	return chunks[0].Offset
}

// index returns the index of an attempt's output, and forgets the one that was not used for the longest time.
func (r *Reader) index(a Attempt) *index {
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.indexes[a]
	if x == nil {
		x = newIndex()
		r.indexes[a] = x
	}
	r.used = append(slices.DeleteFunc(r.used, func(known Attempt) bool { return known == a }), a)
	if len(r.used) > maxIndexes {
		delete(r.indexes, r.used[0])
		r.used = r.used[1:]
	}
	return x
}
