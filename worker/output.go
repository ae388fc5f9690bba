package worker

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

const (
	// streamBuffer bounds what waits to be sent of one attempt, outputBuffer of all: who writes more waits.
	streamBuffer = 256 << 10
	outputBuffer = 32 << 20
	// maxChunk and maxAppend bound one chunk and one call.
	maxChunk  = 32 << 10
	maxAppend = 512 << 10
	maxChunks = 1000
)

// output holds what attempts have written until the server has it, in bounded memory. Offsets are those of
// the original bytes: what can not be sent as text is replaced byte by byte, so that they stay true.
type output struct {
	limit int64 // of one attempt

	mu      sync.Mutex
	streams map[uuid.UUID]*stream
	byRef   map[job.Ref]*stream
	queue   []*stream // those with something to send
	total   int
	room    chan struct{} // closed and replaced when something was sent or dropped
	wake    chan struct{} // the sender
	drained func(id uuid.UUID)
}

// stream is the output of one attempt.
type stream struct {
	id      uuid.UUID
	ref     job.Ref
	epoch   int64
	chunks  []chunk
	flying  int // how many of the first chunks are being sent: they must stay as they are
	size    int
	partial []byte // the beginning of a character whose rest has not come yet
	next    int64  // the offset after everything taken so far, partial included
	cut     bool   // the limit was reached, and said
	hurried bool   // somebody waits for it to be empty
	closed  bool   // nothing more is taken; it goes when it is empty
	queued  bool
}

type chunk struct {
	offset int64
	text   []byte
}

func newOutput(limit int64, drained func(id uuid.UUID)) *output {
	return &output{
		limit:   limit,
		streams: map[uuid.UUID]*stream{},
		byRef:   map[job.Ref]*stream{},
		room:    make(chan struct{}),
		wake:    make(chan struct{}, 1),
		drained: drained,
	}
}

// open begins a stream; one of an older epoch is replaced.
func (o *output) open(id uuid.UUID, ref job.Ref, epoch int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.dropLocked(id)
	s := &stream{id: id, ref: ref, epoch: epoch}
	o.streams[id], o.byRef[ref] = s, s
}

// write takes output, waiting while there is no room. What was taken before is left out; after the limit,
// which is said in the output itself, nothing is wanted any more. Nor is what comes after a gap: it is of
// somebody who began to read under an earlier lease of ours, and whose successor reads from the beginning,
// since nobody knows what of it the server has dropped.
func (o *output) write(ctx context.Context, ref job.Ref, offset int64, text []byte) error {
	for {
		o.mu.Lock()
		s := o.byRef[ref]
		if s == nil || s.closed || s.cut || offset > s.next {
			o.mu.Unlock()
			return errNotWanted
		}
		if s.size < streamBuffer && o.total < outputBuffer {
			o.takeLocked(s, offset, text)
			cut := s.cut
			o.mu.Unlock()
			if cut {
				return errNotWanted
			}
			return nil
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-room:
		}
	}
}

func (o *output) takeLocked(s *stream, offset int64, text []byte) {
	if offset < s.next {
		text = text[min(int64(len(text)), s.next-offset):]
		offset = s.next
	}
	if len(text) == 0 {
		return
	}
	fits := text[:max(0, min(int64(len(text)), o.limit-offset))]
	whole := append(s.partial, fits...)
	start := offset - int64(len(s.partial))
	done := complete(whole)
	s.partial = append([]byte(nil), whole[done:]...)
	s.next = offset + int64(len(fits))
	o.putLocked(s, start, clean(whole[:done]))
	if len(fits) < len(text) {
		o.cutLocked(s)
	}
}

// cutLocked says in the output that it ends here although the container may write on.
func (o *output) cutLocked(s *stream) {
	s.cut = true
	o.putLocked(s, s.next-int64(len(s.partial)), clean(s.partial))
	s.partial = nil
	o.putLocked(s, s.next, fmt.Appendf(nil, "\n[berth] output cut here: more than %d bytes\n", o.limit))
}

// putLocked adds text that is ready to be sent, in chunks of at most maxChunk bytes.
func (o *output) putLocked(s *stream, offset int64, text []byte) {
	for len(text) > 0 {
		if n := len(s.chunks); n > s.flying {
			last := &s.chunks[n-1]
			if room := maxChunk - len(last.text); room > 0 && last.offset+int64(len(last.text)) == offset {
				part := text[:min(len(text), room)]
				part = part[:runeEnd(text, len(part))]
				if len(part) > 0 {
					last.text = append(last.text, part...)
					o.countLocked(s, len(part))
					offset, text = offset+int64(len(part)), text[len(part):]
					continue
				}
			}
		}
		part := text[:runeEnd(text, min(len(text), maxChunk))]
		s.chunks = append(s.chunks, chunk{offset, append([]byte(nil), part...)})
		o.countLocked(s, len(part))
		offset, text = offset+int64(len(part)), text[len(part):]
	}
	if len(s.chunks) > 0 && !s.queued {
		s.queued = true
		o.queue = append(o.queue, s)
	}
	poke(o.wake)
}

func (o *output) countLocked(s *stream, n int) {
	s.size += n
	o.total += n
}

// hurry reports whether output of the attempt still waits to be sent; drained is called when it has been.
func (o *output) hurry(id uuid.UUID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.streams[id]
	if s == nil {
		return false
	}
	o.flushPartialLocked(s)
	s.hurried = len(s.chunks) > 0
	return s.hurried
}

// finish takes nothing more of an attempt; what waits is still sent.
func (o *output) finish(id uuid.UUID, epoch int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.streams[id]
	if s == nil || s.epoch != epoch {
		return
	}
	o.flushPartialLocked(s)
	s.closed = true
	if len(s.chunks) == 0 {
		o.dropLocked(id)
	}
	o.madeRoomLocked()
}

func (o *output) flushPartialLocked(s *stream) {
	partial := s.partial
	s.partial = nil
	o.putLocked(s, s.next-int64(len(partial)), clean(partial))
}

// drop throws away what waits: another worker sends it.
func (o *output) drop(id uuid.UUID, epoch int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.streams[id]; s != nil && s.epoch == epoch {
		o.dropLocked(id)
	}
}

func (o *output) dropLocked(id uuid.UUID) {
	s := o.streams[id]
	if s == nil {
		return
	}
	o.deleteLocked(s)
	o.total -= s.size
	s.size, s.chunks, s.flying, s.closed = 0, nil, 0, true
	o.madeRoomLocked()
}

func (o *output) deleteLocked(s *stream) {
	delete(o.streams, s.id)
	if o.byRef[s.ref] == s {
		delete(o.byRef, s.ref)
	}
}

func (o *output) madeRoomLocked() {
	close(o.room)
	o.room = make(chan struct{})
}

// empty reports whether nothing waits to be sent.
func (o *output) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.total == 0
}

// taken is what one call sends: chunks and the streams they are the first ones of.
type taken struct {
	chunks  []api.LogAppendChunk
	streams []*stream
	bytes   int
}

// collect takes the oldest chunks of each stream in turn, up to most bytes. They stay where they are until
// sent.
func (o *output) collect(most int) taken {
	o.mu.Lock()
	defer o.mu.Unlock()
	var t taken
	var again []*stream
	for len(o.queue) > 0 && t.bytes < most && len(t.chunks) < maxChunks {
		s := o.queue[0]
		o.queue = o.queue[1:]
		s.flying = 0
		for _, c := range s.chunks {
			if len(t.chunks) >= maxChunks || (t.bytes > 0 && t.bytes+len(c.text) > most) {
				break
			}
			t.chunks = append(
				t.chunks,
				api.LogAppendChunk{AttemptID: s.id, Epoch: s.epoch, Offset: c.offset, Text: string(c.text)},
			)
			t.streams = append(t.streams, s)
			t.bytes += len(c.text)
			s.flying++
		}
		s.queued = len(s.chunks) > 0
		if s.queued {
			again = append(again, s)
		}
	}
	o.queue = append(o.queue, again...) // behind those that were not served
	return t
}

// sent removes what the server has taken, or has refused for good.
func (o *output) sent(t taken) {
	o.mu.Lock()
	var drained []uuid.UUID
	for _, s := range t.streams {
		if len(s.chunks) == 0 { // dropped meanwhile
			continue
		}
		n := len(s.chunks[0].text)
		s.chunks, s.flying = s.chunks[1:], s.flying-1
		s.size -= n
		o.total -= n
		if len(s.chunks) > 0 {
			continue
		}
		if s.hurried {
			s.hurried = false
			drained = append(drained, s.id)
		}
		if s.closed && o.streams[s.id] == s {
			o.deleteLocked(s)
		}
	}
	o.madeRoomLocked()
	o.mu.Unlock()
	for _, id := range drained {
		o.drained(id)
	}
}
