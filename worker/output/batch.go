package output

import (
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
)

const (
	// MaxBatchBytes bounds one call; a single chunk always fits.
	MaxBatchBytes = 512 << 10
	// maxBatchChunks is the protocol's limit.
	maxBatchChunks = 1000
)

// Batch is the chunks of one call.
type Batch struct {
	Chunks []api.LogAppendChunk
	Bytes  int

	streams []*stream // of each chunk
}

// Due is notified when there may be output to send.
func (b *Buffer) Due() <-chan struct{} { return b.due }

// Collect takes the oldest chunks of each stream in turn, up to maxBytes. They stay buffered until Sent.
func (b *Buffer) Collect(maxBytes int) Batch {
	b.mu.Lock()
	defer b.mu.Unlock()

	var batch Batch
	var unsent []*stream
	for len(b.queue) > 0 && batch.Bytes < maxBytes && len(batch.Chunks) < maxBatchChunks {
		s := b.queue[0]
		b.queue = b.queue[1:]
		batch.add(s, maxBytes)
		s.queued = len(s.chunks) > 0
		if s.queued {
			unsent = append(unsent, s)
		}
	}
	// Streams that were not served come first the next time, so that a busy one does not hold up the others.
	b.queue = append(b.queue, unsent...)
	return batch
}

// add takes as many chunks of the stream as fit.
func (batch *Batch) add(s *stream, maxBytes int) {
	s.inFlight = 0
	for _, c := range s.chunks {
		full := batch.Bytes > 0 && batch.Bytes+len(c.text) > maxBytes
		if full || len(batch.Chunks) >= maxBatchChunks {
			return
		}
		batch.Chunks = append(
			batch.Chunks,
			api.LogAppendChunk{
				AttemptID: s.id, Epoch: s.epoch, Offset: c.offset, Text: string(c.text), Position: optional(c.position),
			},
		)
		batch.streams = append(batch.streams, s)
		batch.Bytes += len(c.text)
		s.inFlight++
	}
}

// Sent removes chunks that the server has taken, or has refused for good.
func (b *Buffer) Sent(batch Batch) {
	for _, id := range b.remove(batch) {
		b.onSent(id)
	}
}

// remove returns the attempts whose last output was sent and who wanted to know.
func (b *Buffer) remove(batch Batch) []uuid.UUID {
	b.mu.Lock()
	defer b.mu.Unlock()

	var sent []uuid.UUID
	for _, s := range batch.streams {
		if len(s.chunks) == 0 { // dropped meanwhile
			continue
		}
		n := len(s.chunks[0].text)
		s.chunks, s.inFlight = s.chunks[1:], s.inFlight-1
		s.size -= n
		b.total -= n
		if len(s.chunks) > 0 {
			continue
		}
		if s.watched {
			s.watched = false
			sent = append(sent, s.id)
		}
		if s.finished && b.streams[s.id] == s {
			b.removeLocked(s)
		}
	}
	b.announceFreedLocked()
	return sent
}

// optional is nil for an empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
