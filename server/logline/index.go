package logline

import (
	"context"
	"sort"
)

const (
	// markLines and markBytes are how far apart the places of an index are, at first.
	markLines = 1000
	markBytes = 256 << 10
	// maxMarks bounds an index: with more, every other place is left out.
	maxMarks = 1 << 15
	// countAhead is how much output after a line is looked at to count the lines, in bytes.
	countAhead = 4 << 20
)

// index knows where some lines of an output begin.
type index struct {
	lock  chan struct{} // holds one value while the index is in use
	first int64         // the offset of the first output that is kept
	marks []position    // in order, the first is the beginning
	step  int64         // how many times farther apart than at first
	at    position      // how far the output was looked at
}

func newIndex() *index {
	x := &index{lock: make(chan struct{}, 1)}
	x.reset(0)
	return x
}

func (x *index) reset(first int64) {
	x.first, x.marks, x.step, x.at = first, []position{beginning}, 1, beginning
}

// add adds the place after a line, if the last one is far enough away.
func (x *index) add(next position) {
	last := x.marks[len(x.marks)-1]
	if next.line-last.line < x.step*markLines && next.offset-last.offset < x.step*markBytes {
		return
	}
	if len(x.marks) == maxMarks {
		for i := range maxMarks / 2 {
			x.marks[i] = x.marks[2*i]
		}
		x.marks, x.step = x.marks[:maxMarks/2], 2*x.step
	}
	x.marks = append(x.marks, next)
}

// before returns the last place for which after does not hold.
func (x *index) before(after func(position) bool) position {
	i := sort.Search(len(x.marks), func(i int) bool { return after(x.marks[i]) })
	return x.marks[max(0, i-1)]
}

// extend looks at more output: until enough holds, and at least countAhead bytes. It returns how far the index is.
func (x *index) extend(ctx context.Context, w walker, enough func(position) bool) (position, error) {
	w.at, w.keep = x.at, 0
	begun := x.at.offset
	w.visit = func(Line) bool {
		if w.at.start == w.at.offset {
			x.add(w.at)
		}
		return w.at.offset-begun < countAhead || !enough(w.at)
	}
	_, err := w.walk(ctx)
	x.at = w.at
	return x.at, err
}
