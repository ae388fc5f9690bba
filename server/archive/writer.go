package archive

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Writer writes the output of one object. It holds one frame in memory.
type Writer struct {
	archive *Archive
	out     io.Writer
	sum     hash.Hash // of the object
	table   table
	buffer  []byte // output of the next frame
	packed  []byte
	at      int64 // when the next row was written, in microseconds since 1970; 0: not known
	times   timesWriter
}

func newWriter(a *Archive, out io.Writer) *Writer {
	sum := sha256.New()
	return &Writer{archive: a, out: io.MultiWriter(out, sum), sum: sum}
}

// Size is how much output was written, holes included.
func (w *Writer) Size() int64 { return w.table.size + int64(len(w.buffer)) }

// At says when the rows that follow were written.
func (w *Writer) At(t time.Time) { w.at = t.UnixMicro() }

// Write adds a row of output, which is not divided: a frame ends where a row does, so that no character is cut.
func (w *Writer) Write(row []byte) (int, error) {
	if len(row) > frameSize {
		return 0, fmt.Errorf("a row of output has %d bytes, more than %d", len(row), frameSize)
	}
	if len(w.buffer)+len(row) > frameSize {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	w.times.note(int64(len(w.buffer)), w.at)
	w.buffer = append(w.buffer, row...)
	return len(row), nil
}

// Skip adds a hole: output that has expired.
func (w *Writer) Skip(bytes int64) error {
	if err := w.flush(); err != nil {
		return err
	}
	w.table.addHole(bytes)
	return nil
}

// CopyObject adds all output of an older object. It copies the frames as they are.
func (w *Writer) CopyObject(ctx context.Context, key string, objectSize int64) (err error) {
	if err := w.flush(); err != nil {
		return err
	}
	older, err := w.archive.readTable(ctx, key, objectSize)
	if err != nil {
		return err
	}
	if older.length > 0 {
		frames, err := w.archive.bucket.Open(ctx, key, 0, older.length)
		if err != nil {
			return err
		}
		n, err := io.Copy(w.out, frames)
		if closeErr := frames.Close(); err == nil {
			err = closeErr
		}
		if err == nil && n != older.length {
			err = damaged("%d of %d bytes were read", n, older.length)
		}
		if err != nil {
			return fmt.Errorf("copy object %s: %w", key, err)
		}
	}
	for _, f := range older.frames {
		w.table.add(f.size, f.length)
	}
	return nil
}

func (w *Writer) flush() error {
	if len(w.buffer) == 0 {
		return nil
	}
	w.packed = w.archive.encoder.EncodeAll(w.buffer, w.packed[:0])
	if _, err := w.out.Write(w.packed); err != nil {
		return err
	}
	w.table.add(int64(len(w.buffer)), int64(len(w.packed)))
	w.buffer = w.buffer[:0]
	times := w.times.frame()
	if len(times) == 0 {
		return nil
	}
	if _, err := w.out.Write(times); err != nil {
		return err
	}
	w.table.add(0, int64(len(times)))
	return nil
}

// close writes the rest and the table.
func (w *Writer) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	if len(w.table.frames) > maxFrames {
		return fmt.Errorf("the output is too large for one object: it has %d frames, more than %d", len(w.table.frames),
			maxFrames)
	}
	_, err := w.out.Write(w.table.encode())
	return err
}

func (w *Writer) objectSize() int64 { return w.table.length + tableSize(len(w.table.frames)) }

func newEncoder(concurrency int) (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(concurrency), zstd.WithWindowSize(frameSize),
		zstd.WithEncoderCRC(true), zstd.WithLowerEncoderMem(true))
}
