package output

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/worker/job"
)

const (
	// maxStreamBytes bounds what is buffered of one attempt, maxBytes of all attempts.
	maxStreamBytes = 256 << 10
	maxBytes       = 32 << 20
	// maxChunkBytes bounds one chunk.
	maxChunkBytes = 32 << 10
)

// ErrNotWanted tells a runtime to stop following the output of an attempt.
var ErrNotWanted = errors.New("output of this attempt is no longer wanted")

// Buffer holds the output of all attempts of a worker.
type Buffer struct {
	limit  int64 // bytes of output of one attempt
	onSent func(id uuid.UUID)

	mu      sync.Mutex
	streams map[uuid.UUID]*stream
	byRef   map[job.Ref]*stream
	queue   []*stream     // streams with something to send
	total   int           // bytes buffered
	cuts    int           // outputs that reached the limit
	freed   chan struct{} // closed and replaced when bytes were freed
	due     chan struct{} // wakes the sender
}

// stream is the output of one attempt.
type stream struct {
	id       uuid.UUID
	ref      job.Ref
	epoch    int64
	chunks   []chunk
	inFlight int // how many of the first chunks are being sent: they must not change
	size     int
	partial  []byte // the first bytes of a character that is not complete yet
	next     int64  // the offset after everything taken so far, partial included
	cut      bool   // the limit was reached, and the output says so
	watched  bool   // onSent is to be called once all is sent
	finished bool   // nothing more is taken; the stream goes when all is sent
	queued   bool
}

type chunk struct {
	offset   int64
	text     []byte
	position string // of the runtime after the text, or before
}

// New returns an empty buffer. Limit bounds the output of one attempt in bytes. onSent is called when all
// output of an attempt for which NotifyWhenSent returned true was sent.
func New(limit int64, onSent func(id uuid.UUID)) *Buffer {
	return &Buffer{
		limit:   limit,
		onSent:  onSent,
		streams: map[uuid.UUID]*stream{},
		byRef:   map[job.Ref]*stream{},
		freed:   make(chan struct{}),
		due:     make(chan struct{}, 1),
	}
}

// Open starts the stream of an attempt, of which the server has some bytes, and replaces that of an older epoch.
func (b *Buffer) Open(id uuid.UUID, ref job.Ref, epoch, stored int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropLocked(id)
	s := &stream{id: id, ref: ref, epoch: epoch, next: stored}
	b.streams[id], b.byRef[ref] = s, s
}

// Write takes output. It waits while the buffer is full, skips bytes taken before, and
// returns ErrNotWanted after the limit of the attempt, which the output then mentions.
//
// It also refuses output after a gap. Such output comes from a reader that began under an earlier lease of
// ours. The server may have dropped any part of it, so the reader of the new lease starts where the server ends.
func (b *Buffer) Write(ctx context.Context, ref job.Ref, output job.Output) error {
	for {
		taken, freed, err := b.tryWrite(ref, output)
		if taken || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-freed:
		}
	}
}

// tryWrite takes the output if there is room, and otherwise returns what announces room.
func (b *Buffer) tryWrite(ref job.Ref, output job.Output) (taken bool, freed <-chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.byRef[ref]
	if s == nil || s.finished || s.cut || output.Offset > s.next {
		return false, nil, ErrNotWanted
	}
	if s.size >= maxStreamBytes || b.total >= maxBytes {
		return false, b.freed, nil
	}
	b.takeLocked(s, output.Offset, output.Text)
	// A position counts from whole characters only.
	if output.Position != "" && len(s.chunks) > s.inFlight && len(s.partial) == 0 && !s.cut {
		s.chunks[len(s.chunks)-1].position = output.Position
	}
	if s.cut {
		return false, nil, ErrNotWanted
	}
	return true, nil, nil
}

func (b *Buffer) takeLocked(s *stream, offset int64, text []byte) {
	if offset < s.next {
		text = text[min(int64(len(text)), s.next-offset):]
		offset = s.next
	}
	if len(text) == 0 {
		return
	}

	fits := text[:max(0, min(int64(len(text)), b.limit-offset))]
	joined := append(s.partial, fits...)
	start := offset - int64(len(s.partial))
	whole := wholeCharacters(joined)
	s.partial = append([]byte(nil), joined[whole:]...)
	s.next = offset + int64(len(fits))

	b.appendLocked(s, start, toText(joined[:whole]))
	if len(fits) < len(text) {
		b.cutLocked(s)
	}
}

// cutLocked ends the output with a line that says so, although the container may write on.
func (b *Buffer) cutLocked(s *stream) {
	s.cut = true
	b.cuts++
	b.flushPartialLocked(s)
	note := fmt.Appendf(nil, "\n[berth] output truncated: limit of %d bytes reached\n", b.limit)
	b.appendLocked(s, s.next, note)
}

// Truncated is how many outputs have reached the limit; what came after it is lost.
func (b *Buffer) Truncated() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cuts
}

// appendLocked adds text to the last chunk, as long as that may still change, and to new ones.
func (b *Buffer) appendLocked(s *stream, offset int64, text []byte) {
	for len(text) > 0 {
		n := b.extendLastLocked(s, offset, text)
		if n == 0 {
			n = characterEnd(text, min(len(text), maxChunkBytes))
			s.chunks = append(s.chunks, chunk{offset, append([]byte(nil), text[:n]...), ""})
		}
		s.size += n
		b.total += n
		offset, text = offset+int64(n), text[n:]
	}

	if len(s.chunks) > 0 && !s.queued {
		s.queued = true
		b.queue = append(b.queue, s)
	}
	select {
	case b.due <- struct{}{}:
	default:
	}
}

// extendLastLocked adds as much text to the last chunk as fits, and returns how many bytes that is.
func (b *Buffer) extendLastLocked(s *stream, offset int64, text []byte) int {
	if len(s.chunks) <= s.inFlight {
		return 0
	}
	last := &s.chunks[len(s.chunks)-1]
	room := maxChunkBytes - len(last.text)
	if room <= 0 || last.offset+int64(len(last.text)) != offset {
		return 0
	}
	n := characterEnd(text, min(len(text), room))
	last.text = append(last.text, text[:n]...)
	return n
}

// NotifyWhenSent reports whether output of the attempt is still to be sent. If so, onSent is called when it
// was.
func (b *Buffer) NotifyWhenSent(id uuid.UUID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.streams[id]
	if s == nil {
		return false
	}
	b.flushPartialLocked(s)
	s.watched = len(s.chunks) > 0
	return s.watched
}

// Finish takes no more output of an attempt. What is buffered is still sent.
func (b *Buffer) Finish(id uuid.UUID, epoch int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.streams[id]
	if s == nil || s.epoch != epoch {
		return
	}
	b.flushPartialLocked(s)
	s.finished = true
	if len(s.chunks) == 0 {
		b.dropLocked(id)
	}
	b.announceFreedLocked()
}

// flushPartialLocked gives up waiting for the rest of a character.
func (b *Buffer) flushPartialLocked(s *stream) {
	partial := s.partial
	s.partial = nil
	b.appendLocked(s, s.next-int64(len(partial)), toText(partial))
}

// Drop discards what is buffered: another worker sends it.
func (b *Buffer) Drop(id uuid.UUID, epoch int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.streams[id]; s != nil && s.epoch == epoch {
		b.dropLocked(id)
	}
}

func (b *Buffer) dropLocked(id uuid.UUID) {
	s := b.streams[id]
	if s == nil {
		return
	}
	b.removeLocked(s)
	b.total -= s.size
	s.size, s.chunks, s.inFlight, s.finished = 0, nil, 0, true
	b.announceFreedLocked()
}

func (b *Buffer) removeLocked(s *stream) {
	delete(b.streams, s.id)
	if b.byRef[s.ref] == s {
		delete(b.byRef, s.ref)
	}
}

func (b *Buffer) announceFreedLocked() {
	close(b.freed)
	b.freed = make(chan struct{})
}

// Empty reports whether nothing is buffered.
func (b *Buffer) Empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total == 0
}
