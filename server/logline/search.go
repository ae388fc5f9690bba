package logline

import (
	"bytes"
	"context"
	"unicode"
	"unicode/utf8"
)

// searchedSize is how much of a line is searched, in bytes.
const searchedSize = 1 << 20

// Query is what to search.
type Query struct {
	Text     string // as it is, in upper or lower case
	FromLine int64  // from 1
	Limit    int    // lines to return; all are counted
	LineSize int    // bytes of the text of a line, around the place that was found
}

// Matches are the lines that contain a text, as a terminal would show them: without control sequences, and only what
// follows the last carriage return.
type Matches struct {
	Lines []Line
	Count int64 // of all lines found
	Next  int64 // the line from which on to search further, if it took too long; 0: all were searched
	Size  int64 // of the output in bytes, expired output included
}

// Search finds the lines that contain a text.
func (r *Reader) Search(ctx context.Context, a Attempt, q Query) (Matches, error) {
	found := Matches{Lines: []Line{}}
	w, err := r.walker(ctx, a)
	if found.Size = w.size; err != nil || w.size == 0 {
		return found, err
	}
	w.at = beginning
	if q.FromLine > 1 {
		from, extent, err := r.locate(ctx, w, Window{FromLine: q.FromLine})
		if err != nil {
			return found, err
		}
		if from == nil {
			if extent.Scanned < w.size {
				found.Next = q.FromLine
			}
			return found, nil
		}
		w.at = *from
	}
	s := searcher{wanted: fold(nil, []byte(q.Text))}
	w.keep = searchedSize
	w.visit = func(l Line) bool {
		if l.Gap || l.Number < q.FromLine || !s.find(l.Text) {
			return true
		}
		if found.Count++; found.Count <= int64(q.Limit) {
			text, whole := s.around(q.LineSize)
			l.Text, l.Cut = text, l.Cut || !whole
			found.Lines = append(found.Lines, l)
		}
		return true
	}
	complete, err := w.walk(ctx)
	if !complete {
		found.Next = w.at.line
	}
	return found, err
}

// searcher searches line after line without allocating.
type searcher struct {
	wanted []byte // folded
	shown  []byte
	folded []byte
	at     int // of what was found, in both
}

func (s *searcher) find(line string) bool {
	s.shown = show(s.shown[:0], line)
	s.folded = fold(s.folded[:0], s.shown)
	s.at = bytes.Index(s.folded, s.wanted)
	return s.at >= 0
}

// around returns the part of the line around what was found.
func (s *searcher) around(size int) (text string, whole bool) {
	if len(s.shown) <= size {
		return string(s.shown), true
	}
	const before = 4 // a quarter of the text is what comes before
	begin := min(max(0, s.at-size/before), len(s.shown)-size)
	for begin > 0 && !utf8.RuneStart(s.shown[begin]) {
		begin--
	}
	rest := string(s.shown[begin:])
	return rest[:cut(rest, size)], false
}

const (
	escape = 0x1b
	bell   = 0x07
)

// show appends what a terminal would show of a line.
func show(to []byte, line string) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == escape:
			i += sequence(line[i:])
		case c == '\r':
			to = to[:0]
			i++
		case c == '\t' || c >= ' ' && c != 0x7f:
			to = append(to, c)
			i++
		default:
			i++
		}
	}
	return to
}

// sequence is the length of the control sequence at the beginning of text.
func sequence(text string) int {
	if len(text) < 2 {
		return len(text)
	}
	switch text[1] {
	case '[': // until its final byte
		for i := 2; i < len(text); i++ {
			if text[i] >= 0x40 && text[i] <= 0x7e {
				return i + 1
			}
		}
		return len(text)
	case ']', 'P', 'X', '^', '_': // a string, until BEL or ESC \
		for i := 2; i < len(text); i++ {
			if text[i] == bell {
				return i + 1
			}
			if text[i] == escape {
				return min(i+2, len(text))
			}
		}
		return len(text)
	}
	return 2
}

// fold appends text in lower case. A character whose lower case has another length stays as it is, so that places in
// both are the same.
func fold(to, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			to = append(to, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if lower := unicode.ToLower(r); r != utf8.RuneError && utf8.RuneLen(lower) == n {
			to = utf8.AppendRune(to, lower)
		} else {
			to = append(to, text[i:i+n]...)
		}
		i += n
	}
	return to
}
