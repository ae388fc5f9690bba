package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Bucket keeps objects. Its methods are safe for concurrent use.
type Bucket interface {
	// Put stores a new object: all of content or nothing. It holds a part of it in memory.
	Put(ctx context.Context, key string, content io.Reader) error
	// Open reads length bytes from an offset on. The error for an object that does not exist is fs.ErrNotExist.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	// Delete removes an object, if it exists.
	Delete(ctx context.Context, key string) error
	// Discard is Delete for an object whose Put was interrupted: it also removes the parts that were stored.
	Discard(ctx context.Context, key string) error
	// String is where it is, as an operator writes it.
	String() string
}

// Concurrency is how many objects an archive compresses at a time.
const Concurrency = 2

const (
	tailSize       = 64 << 10 // of an object, read at once to find its table
	cachedFrames   = 16 << 20 // bytes of output
	cachedInTables = 1 << 16  // frames, 32 bytes each
	// withTimes is how many frames are read at once for a reader of one: it, and the times of its rows.
	withTimes = 2
	// readAhead is how many are read for a reader of one after the other.
	readAhead = 4 * withTimes
	// readTimeout bounds how long a reader of output waits for the storage.
	readTimeout = 20 * time.Second
)

// Archive stores and reads objects.
type Archive struct {
	bucket  Bucket
	encoder *zstd.Encoder
	decoder *zstd.Decoder
	tables  *cache[*table]
	frames  *cache[[]byte]
}

// New returns the archive in a bucket.
func New(bucket Bucket) (*Archive, error) {
	encoder, err := newEncoder(Concurrency)
	if err != nil {
		return nil, fmt.Errorf("prepare to compress: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(Concurrency), zstd.WithDecoderMaxWindow(maxFrameSize),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("prepare to decompress: %w", err)
	}
	return &Archive{
		bucket: bucket, encoder: encoder, decoder: decoder,
		tables: newCache[*table](cachedInTables), frames: newCache[[]byte](cachedFrames),
	}, nil
}

// String is where the archive is.
func (a *Archive) String() string { return a.bucket.String() }

// Close ends the archive; nothing must use it any longer.
func (a *Archive) Close() error {
	a.decoder.Close()
	return a.encoder.Close()
}

// errPutEnded ends a writer whose object is not stored any further.
var errPutEnded = errors.New("the object is not stored")

// Create stores an object with what write writes, reads it back to verify it, and returns its size in bytes. It
// streams: write runs beside the upload. After an error the object may exist all the same.
func (a *Archive) Create(
	ctx context.Context, key string, write func(context.Context, *Writer) error,
) (objectSize int64, err error) {
	writing, stop := context.WithCancel(ctx)
	defer stop()
	reader, pipe := io.Pipe()
	w := newWriter(a, pipe)
	written := make(chan error, 1)
	go func() {
		err := write(writing, w)
		if err == nil {
			err = w.close()
		}
		pipe.CloseWithError(err)
		written <- err
	}()

	err = a.bucket.Put(ctx, key, reader)
	reader.CloseWithError(errPutEnded)
	stop()
	writeErr := <-written
	switch {
	case writeErr != nil && !errors.Is(writeErr, errPutEnded) && !(err != nil && errors.Is(writeErr, context.Canceled)):
		return 0, writeErr
	case err != nil:
		return 0, fmt.Errorf("store object %s: %w", key, err)
	case writeErr != nil:
		return 0, fmt.Errorf("store object %s: the storage took only a part of it", key)
	}
	if err := a.verify(ctx, key, w); err != nil {
		return 0, fmt.Errorf("verify object %s: %w", key, err)
	}
	return w.objectSize(), nil
}

// verify compares an object with what was written.
func (a *Archive) verify(ctx context.Context, key string, w *Writer) (err error) {
	content, err := a.bucket.Open(ctx, key, 0, w.objectSize())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	sum := sha256.New()
	n, err := io.Copy(sum, content)
	if err != nil {
		return err
	}
	if n != w.objectSize() || !bytes.Equal(sum.Sum(nil), w.sum.Sum(nil)) {
		return damaged("the storage returns other bytes than were stored")
	}
	return nil
}

// Delete removes an object, if it exists.
func (a *Archive) Delete(ctx context.Context, key string) error { return a.bucket.Delete(ctx, key) }

// Discard removes what Create may have left after an error, or when its process ended.
func (a *Archive) Discard(ctx context.Context, key string) error { return a.bucket.Discard(ctx, key) }

// ReadOutput returns output of an object of objectSize bytes, from offset on or from the next byte that it has,
// and where that is: the rest of one frame. It returns no text at the end.
func (a *Archive) ReadOutput(
	ctx context.Context, key string, objectSize, offset int64,
) (text []byte, at int64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errSlow)
	defer cancel()
	text, at, err = a.readOutput(ctx, key, objectSize, offset)
	if err != nil && context.Cause(ctx) == errSlow {
		err = fmt.Errorf("read object %s: %w", key, errSlow)
	}
	return text, at, err
}

var errSlow = fmt.Errorf("the storage has not answered within %s", readTimeout)

func (a *Archive) readOutput(
	ctx context.Context, key string, objectSize, offset int64,
) (text []byte, at int64, err error) {
	t, err := a.readTable(ctx, key, objectSize)
	if err != nil {
		return nil, 0, err
	}
	i := t.find(offset)
	if i < 0 {
		return nil, 0, nil
	}
	frames := withTimes
	if i > 0 && offset == t.frames[i].at {
		frames = readAhead
	}
	text, err = a.readFrame(ctx, key, t, i, frames)
	if err != nil {
		return nil, 0, fmt.Errorf("read object %s: %w", key, err)
	}
	at = max(offset, t.frames[i].at)
	return text[at-t.frames[i].at:], at, nil
}

// readTable reads where the frames of an object are.
func (a *Archive) readTable(ctx context.Context, key string, objectSize int64) (*table, error) {
	if t, ok := a.tables.get(key); ok {
		return t, nil
	}
	t, err := a.fetchTable(ctx, key, objectSize)
	if err != nil {
		return nil, fmt.Errorf("read object %s: %w", key, err)
	}
	a.tables.put(key, t, int64(len(t.frames)+1))
	return t, nil
}

func (a *Archive) fetchTable(ctx context.Context, key string, objectSize int64) (*table, error) {
	tail, err := a.fetch(ctx, key, max(0, objectSize-tailSize), min(objectSize, tailSize))
	if err != nil {
		return nil, err
	}
	size, err := parseFooter(tail, objectSize)
	if err != nil {
		return nil, err
	}
	if size > int64(len(tail)) {
		if tail, err = a.fetch(ctx, key, objectSize-size, size); err != nil {
			return nil, err
		}
	}
	t, err := parseTable(tail[int64(len(tail))-size:], objectSize)
	if err != nil {
		return nil, err
	}
	// Most objects are so small that the frame was read, too.
	if i := t.find(0); i >= 0 && objectSize == int64(len(tail)) {
		f := t.frames[i]
		if text, err := a.decode(tail[f.pos:f.pos+f.length], f); err == nil {
			a.frames.put(frameKey(key, i), text, int64(len(text)))
		}
	}
	return t, nil
}

func frameKey(key string, i int) string { return key + "#" + strconv.Itoa(i) }

// readFrame returns the content of frame i, and reads some that follow with the same request.
func (a *Archive) readFrame(ctx context.Context, key string, t *table, i, frames int) ([]byte, error) {
	if text, ok := a.frames.get(frameKey(key, i)); ok {
		return text, nil
	}
	wanted := t.frames[i:min(i+frames, len(t.frames))]
	last := wanted[len(wanted)-1]
	packed, err := a.fetch(ctx, key, wanted[0].pos, last.pos+last.length-wanted[0].pos)
	if err != nil {
		return nil, err
	}
	var first []byte
	for n, f := range wanted {
		if f.length == 0 {
			continue
		}
		text, err := a.unpack(packed[f.pos-wanted[0].pos:][:f.length], f)
		if err != nil && n == 0 {
			return nil, err
		}
		if err == nil {
			a.frames.put(frameKey(key, i+n), text, int64(len(text)))
		}
		if n == 0 {
			first = text
		}
	}
	return first, nil
}

// unpack returns the output of a frame, or its times as they are stored.
func (a *Archive) unpack(packed []byte, f frame) ([]byte, error) {
	if f.times() {
		return bytes.Clone(packed), nil // packed may hold other frames, too
	}
	return a.decode(packed, f)
}

func (a *Archive) decode(packed []byte, f frame) ([]byte, error) {
	text, err := a.decoder.DecodeAll(packed, make([]byte, 0, f.size))
	if err != nil {
		return nil, damaged("the output from byte %d on: %v", f.at, err)
	}
	if int64(len(text)) != f.size {
		return nil, damaged("the output from byte %d on has %d bytes instead of %d", f.at, len(text), f.size)
	}
	return text, nil
}

// fetch reads a bounded part of an object.
func (a *Archive) fetch(ctx context.Context, key string, offset, length int64) (_ []byte, err error) {
	content, err := a.bucket.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	part := make([]byte, length)
	if n, err := io.ReadFull(content, part); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return nil, damaged("it ends after %d of %d bytes from byte %d on", n, length, offset)
		}
		return nil, err
	}
	return part, nil
}
