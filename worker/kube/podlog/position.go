package podlog

import (
	"bytes"
	"maps"
	"time"
)

// position is how far the log of one instance of a container was read. The API resumes a log only at a whole
// second, so the lines of the latest seconds are counted: after a resume, as many lines are dropped.
type position struct {
	// Seconds counts complete lines by the Unix second of their timestamp, for the latest seconds.
	Seconds map[int64]int `json:"s,omitempty"`
	Latest  time.Time     `json:"t,omitzero"`
	Partial int           `json:"p,omitempty"` // bytes of an incomplete line that were handed over
}

// overlap is by how many seconds a later line may have an earlier timestamp: standard output and error get
// their timestamps independently.
const overlap = 1

// since returns where to resume, and how many lines from there on are known. The zero time is the beginning.
func (p *position) since() (at time.Time, known int) {
	if p.Latest.IsZero() {
		return time.Time{}, 0
	}
	from := p.Latest.Unix() - overlap
	for second, lines := range p.Seconds {
		if second >= from {
			known += lines
		}
	}
	return time.Unix(from, 0), known
}

// addLine counts a complete line.
func (p *position) addLine(at time.Time) {
	if p.Seconds == nil {
		p.Seconds = map[int64]int{}
	}
	p.Seconds[at.Unix()]++
	p.Partial = 0
	if at.After(p.Latest) {
		p.Latest = at
		maps.DeleteFunc(p.Seconds, func(second int64, _ int) bool { return second < at.Unix()-2*overlap })
	}
}

// resumed drops from a resumed log what was handed over before.
type resumed struct {
	*position
	known   int       // complete lines still to drop
	until   time.Time // no line after this one is known
	partial int       // bytes of the first new line that are known
	// gap is called once if the log does not go on where it was read to: it was rotated away.
	gap func(from, to time.Time)
}

// resume returns from when to read the log again, and what to drop from it.
func (p *position) resume(gap func(from, to time.Time)) (*resumed, time.Time) {
	at, known := p.since()
	return &resumed{position: p, known: known, until: p.Latest, partial: p.Partial, gap: gap}, at
}

// take returns the new part of a piece of a line. The first piece of a line has start set, the last has end.
func (r *resumed) take(at time.Time, piece []byte, start, end bool) []byte {
	if start && r.known > 0 && at.After(r.until) {
		// None of the known lines came first: they are no longer in the log, and what followed them may be missing too.
		r.known, r.partial, r.position.Partial = 0, 0, 0
		r.gap(r.until, at)
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
		r.addLine(at)
	} else {
		r.position.Partial += len(piece)
	}
	return piece
}

// splitTimestamp splits the timestamp off a line of a log. A line without one is not the container's output,
// but a message of the kubelet about the log.
func splitTimestamp(line []byte) (at time.Time, text []byte, ok bool) {
	stamp, text, found := bytes.Cut(line, []byte{' '})
	if !found {
		// An empty line may come as its timestamp alone.
		stamp = bytes.TrimRight(line, "\n")
		text = line[len(stamp):]
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	return at, text, err == nil
}
