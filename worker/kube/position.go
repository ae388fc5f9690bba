package kube

import (
	"bytes"
	"maps"
	"time"
)

// position is how far the output of one instance of a container has been read. The API resumes a log at a
// second; what of that second is known already is counted here, so that nothing comes twice and nothing is
// left out.
type position struct {
	// seconds counts complete lines by the second of their timestamp, for the latest seconds.
	seconds map[int64]int
	latest  time.Time
	partial int // bytes of an unfinished line that were handed over
}

// overlap is how much older than the latest line another one may be: standard output and error are stamped
// apart and written in the order they come.
const overlap = 1 // second

// since is where to resume, and how many lines from there on are known. The zero time is the beginning.
func (p *position) since() (at time.Time, known int) {
	if p.latest.IsZero() {
		return time.Time{}, 0
	}
	from := p.latest.Unix() - overlap
	for second, lines := range p.seconds {
		if second >= from {
			known += lines
		}
	}
	return time.Unix(from, 0), known
}

// line notes that a whole line was read.
func (p *position) line(at time.Time) {
	if p.seconds == nil {
		p.seconds = map[int64]int{}
	}
	p.seconds[at.Unix()]++
	p.partial = 0
	if at.After(p.latest) {
		p.latest = at
		maps.DeleteFunc(p.seconds, func(second int64, _ int) bool { return second < at.Unix()-2*overlap })
	}
}

// resumed drops from a log that is read anew what is known already.
type resumed struct {
	*position
	known   int       // complete lines still to be dropped
	until   time.Time // no line after this one is known: the log may have been rotated away
	partial int       // bytes of the first new line that are known
	// skip is how many bytes the server has from an earlier worker: that number is all that is known of them.
	skip      *int64
	skipUntil time.Time
}

// resume begins to read anew: from when, and what to drop of what comes.
func (p *position) resume(skip *int64, skipUntil time.Time) (*resumed, time.Time) {
	at, known := p.since()
	return &resumed{
		position:  p,
		known:     known,
		until:     p.latest,
		partial:   p.partial,
		skip:      skip,
		skipUntil: skipUntil,
	}, at
}

// take returns what is new of a piece of a line: the first piece comes with start set, the last with end.
func (r *resumed) take(at time.Time, piece []byte, start, end bool) []byte {
	if start && r.known > 0 {
		if at.After(r.until) {
			r.known, r.partial = 0, 0
		}
	}
	if r.known > 0 {
		if end {
			r.known--
		}
		return nil
	}
	drop := min(r.partial, len(piece))
	r.partial -= drop
	piece = piece[drop:]
	if end {
		r.partial = 0
		r.line(at)
	} else {
		r.position.partial += len(piece)
	}
	return r.unknown(at, piece)
}

// unknown drops what the server has had from an earlier worker.
func (r *resumed) unknown(at time.Time, piece []byte) []byte {
	if *r.skip == 0 {
		return piece
	}
	if at.After(r.skipUntil) {
		*r.skip = 0
		return piece
	}
	drop := min(*r.skip, int64(len(piece)))
	*r.skip -= drop
	return piece[drop:]
}

// stamped splits the timestamp off a line of a log that was asked for with timestamps. What has none was not
// written by the container but by the kubelet, about the log.
func stamped(line []byte) (at time.Time, text []byte, ok bool) {
	stamp, text, found := bytes.Cut(line, []byte{' '})
	if !found {
		// An empty line may come as its timestamp alone.
		stamp = bytes.TrimRight(line, "\n")
		text = line[len(stamp):]
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	return at, text, err == nil
}

// ring keeps the end of the output.
type ring struct{ text []byte }

const (
	keepBytes = 4 << 10 // of the last lines
	keepLines = 20
)

func (r *ring) write(text []byte) {
	r.text = append(r.text, text...)
	if len(r.text) > 2*keepBytes {
		r.text = append([]byte(nil), r.text[len(r.text)-keepBytes:]...)
	}
}

// lastLines cuts text to its last lines and bytes.
func lastLines(text []byte) string {
	text = bytes.TrimRight(text, "\n")
	if len(text) > keepBytes {
		text = text[len(text)-keepBytes:]
		if _, rest, found := bytes.Cut(text, []byte{'\n'}); found {
			text = rest
		}
	}
	for i, lines := len(text)-1, 0; i >= 0; i-- {
		if text[i] == '\n' {
			if lines++; lines == keepLines {
				text = text[i+1:]
				break
			}
		}
	}
	return string(bytes.ToValidUTF8(text, []byte("\uFFFD")))
}
