package archive

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"testing"
	"time"
)

// inMemory is a bucket with one object, for the fuzzer, which reads thousands of them a second.
type inMemory struct{ object []byte }

func (b *inMemory) Put(_ context.Context, _ string, content io.Reader) (err error) {
	b.object, err = io.ReadAll(content)
	return err
}

func (b *inMemory) Open(_ context.Context, _ string, offset, length int64) (io.ReadCloser, error) {
	if offset > int64(len(b.object)) {
		return nil, fs.ErrInvalid
	}
	rest := b.object[offset:]
	return io.NopCloser(bytes.NewReader(rest[:min(length, int64(len(rest)))])), nil
}

func (b *inMemory) Delete(context.Context, string) error  { return nil }
func (b *inMemory) Discard(context.Context, string) error { return nil }
func (b *inMemory) String() string                        { return "memory" }

// FuzzReadOutput reads objects that Create did not write. None may end the server, or be read for ever.
func FuzzReadOutput(f *testing.F) {
	whole := &inMemory{}
	a, err := New(whole)
	if err != nil {
		f.Fatal(err)
	}
	for _, rows := range [][]any{{}, {"one\n", 5, "two\n"}, {noise(1, 2000)}, {3}} {
		if _, err := a.Create(f.Context(), "k", func(_ context.Context, w *Writer) error {
			w.At(time.Unix(1_800_000_000, 0))
			return writeRows(w, rows)
		}); err != nil {
			f.Fatal(err)
		}
		f.Add(whole.object, int64(0))
		f.Add(whole.object[1:], int64(2))
		f.Add(whole.object[:len(whole.object)/2], int64(0))
	}
	f.Fuzz(func(t *testing.T, object []byte, offset int64) {
		if offset < 0 {
			return // the API refuses it
		}
		reader := again(a, &inMemory{object})
		for {
			text, at, err := reader.ReadOutput(t.Context(), "k", int64(len(object)), offset)
			if err != nil || len(text) == 0 {
				return
			}
			if at < offset || len(text) > maxFrameSize {
				t.Fatalf("%d bytes at %d, read from %d on", len(text), at, offset)
			}
			times, err := reader.ReadTimes(t.Context(), "k", int64(len(object)), offset)
			if err != nil {
				return
			}
			for from := range times {
				if from < 0 || from > at+maxFrameSize {
					t.Fatalf("a time from byte %d on, in a frame with byte %d", from, at)
				}
			}
			offset = at + int64(len(text))
		}
	})
}
