package archive

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"time"
)

// timesMagic begins the skippable frame that says when the rows of the frame before it were written.
const timesMagic = 0x184D2A50

// timesWriter collects when the rows of a frame were written. Rows that were written at the same time share an entry.
type timesWriter struct {
	entries    []byte
	offset, at int64 // of the last entry
}

// note adds the row at an offset in the frame.
func (w *timesWriter) note(offset, at int64) {
	if at == w.at {
		return
	}
	w.entries = binary.AppendUvarint(w.entries, uint64(offset-w.offset))
	w.entries = binary.AppendVarint(w.entries, at-w.at)
	w.offset, w.at = offset, at
}

// frame returns the skippable frame for what was collected, nothing if no time is known, and begins the next.
func (w *timesWriter) frame() []byte {
	entries := w.entries
	*w = timesWriter{}
	if len(entries) == 0 {
		return nil
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, headerSize+len(entries)), timesMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries)))
	return append(b, entries...)
}

// ReadTimes returns when the output of the frame with an offset was written, as far as the object says: the
// offsets in the output from which on it was written at another time. It is read beside ReadOutput, with the same
// request.
func (a *Archive) ReadTimes(
	ctx context.Context, key string, objectSize, offset int64,
) (iter.Seq2[int64, time.Time], error) {
	none := func(func(int64, time.Time) bool) {}
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errSlow)
	defer cancel()
	t, err := a.readTable(ctx, key, objectSize)
	if err != nil {
		return nil, err
	}
	i := t.find(offset)
	if i < 0 || i+1 == len(t.frames) || !t.frames[i+1].times() {
		return none, nil
	}
	content, err := a.readFrame(ctx, key, t, i+1, 1)
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", key, err)
	}
	return parseTimes(content, t.frames[i]), nil
}

// parseTimes reads the entries for a frame. What is not valid ends them: a wrong time is no reason to withhold output.
func parseTimes(content []byte, f frame) iter.Seq2[int64, time.Time] {
	return func(yield func(int64, time.Time) bool) {
		if len(content) < headerSize || binary.LittleEndian.Uint32(content) != timesMagic {
			return
		}
		var at int64
		offset := f.at
		for rest := content[headerSize:]; len(rest) > 0; {
			step, n := binary.Uvarint(rest)
			if n <= 0 || step > uint64(f.end()-offset) {
				return
			}
			later, m := binary.Varint(rest[n:])
			if m <= 0 {
				return
			}
			rest = rest[n+m:]
			offset, at = offset+int64(step), at+later
			if !yield(offset, time.UnixMicro(at).UTC()) {
				return
			}
		}
	}
}
