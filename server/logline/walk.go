package logline

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/store"
)

// Store is where output is.
type Store interface {
	ListLogChunks(
		ctx context.Context, runID uuid.UUID, attempt int32, offset int64, limitBytes int,
	) ([]store.LogChunk, error)
	GetLogSize(ctx context.Context, runID uuid.UUID, attempt int32) (int64, error)
}

// Attempt is whose output is read.
type Attempt struct {
	Run    uuid.UUID
	Number int32
}

// Line is a line of output, or a part of the output that has expired.
type Line struct {
	Number int64
	Offset int64     // of its first byte
	Size   int64     // in bytes, with the line feed
	Text   string    // as much of it as was asked for, without the line feed
	Cut    bool      // Text is not all of it
	Gap    bool      // it has expired: there is no text
	At     time.Time // when its beginning was stored; zero if that is not known
}

// position is a place in the output.
type position struct {
	line   int64 // the number of the line that it is in
	start  int64 // the offset of that line
	offset int64
}

var beginning = position{line: 1}

// lines is how many lines there are up to here.
func (p position) lines() int64 {
	if p.offset > p.start {
		return p.line
	}
	return p.line - 1
}

// walker reads lines one after the other.
type walker struct {
	store   Store
	attempt Attempt
	size    int64 // of the output: it is read up to here
	keep    int   // bytes of the text of a line
	at      position
	late    func() bool // asked before each batch
	// visit gets each line, also a last one that has no line feed yet. It returns false to stop.
	visit func(Line) bool

	text  []byte    // the beginning of the line that w.at is in, as far as it was in earlier chunks
	begun time.Time // when the first byte of that line was stored
}

// walk visits the lines from w.at on. It returns false if it was late before the end.
func (w *walker) walk(ctx context.Context) (complete bool, err error) {
	for w.at.offset < w.size {
		if w.late() {
			return false, nil
		}
		chunks, err := w.store.ListLogChunks(ctx, w.attempt.Run, w.attempt.Number, w.at.offset, 0)
		if err != nil {
			return false, err
		}
		if len(chunks) == 0 {
			w.gap(w.size)
			return true, nil
		}
		for _, chunk := range chunks {
			if chunk.Offset > w.at.offset && !w.gap(min(chunk.Offset, w.size)) || !w.chunk(chunk) {
				return true, nil
			}
		}
	}
	if w.at.offset > w.at.start {
		w.visit(w.line("", 0))
	}
	return true, nil
}

// gap passes a part of the output that has expired. It ends the line before it.
func (w *walker) gap(until int64) (more bool) {
	if w.at.offset > w.at.start && !w.end("", 0) {
		return false
	}
	if until <= w.at.offset {
		return true
	}
	gap := Line{Number: w.at.line, Offset: w.at.start, Size: until - w.at.start, Gap: true}
	w.at = position{w.at.line + 1, until, until}
	return w.visit(gap)
}

func (w *walker) chunk(c store.LogChunk) (more bool) {
	text := c.Text[min(max(0, w.at.offset-c.Offset), int64(len(c.Text))):]
	text = text[:min(int64(len(text)), w.size-w.at.offset)]
	times := c.Times
	for len(text) > 0 {
		if w.at.offset == w.at.start {
			for len(times) > 1 && times[1].Offset <= w.at.offset {
				times = times[1:]
			}
			w.begun = time.Time{}
			if len(times) > 0 {
				w.begun = times[0].At
			}
		}
		i := strings.IndexByte(text, '\n')
		if i < 0 {
			w.text = append(w.text, w.fitting(text)...)
			w.at.offset += int64(len(text))
			return true
		}
		if !w.end(text[:i], i+1) {
			return false
		}
		text = text[i+1:]
	}
	return true
}

// end visits the line that ends with text, size bytes from w.at on.
func (w *walker) end(text string, size int) (more bool) {
	line := w.line(text, size)
	w.text = w.text[:0]
	next := w.at.offset + int64(size)
	w.at = position{w.at.line + 1, next, next}
	return w.visit(line)
}

func (w *walker) line(text string, size int) Line {
	line := Line{Number: w.at.line, Offset: w.at.start, Size: w.at.offset + int64(size) - w.at.start, At: w.begun}
	if len(w.text) > 0 {
		text = string(append(w.text, w.fitting(text)...))
	}
	line.Text = text[:cut(text, w.keep)]
	line.Cut = int64(len(line.Text)) < line.Size-int64(min(size, 1)) // without the line feed
	return line
}

// fitting is how much of the text of a line is kept until its end: a character more, so that none is cut.
func (w *walker) fitting(text string) string {
	return text[:max(0, min(len(text), w.keep+utf8.UTFMax-len(w.text)))]
}

// cut is how many bytes of text fit into a limit without cutting a character.
func cut(text string, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	for n := limit; n > limit-utf8.UTFMax && n > 0; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return limit
}
