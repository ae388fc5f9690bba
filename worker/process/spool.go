package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
)

const (
	// spoolLimit bounds the file of one attempt's output. It is above the limit of a worker, so that the
	// worker truncates first and says so in the output.
	spoolLimit = 80 << 20
	// tailSize is how much of the end is kept for the outcome.
	tailSize = 4 << 10
)

// spool writes the output of a process to a file, so that a slow server never blocks the process, and gives
// it to one reader as it comes.
type spool struct {
	file *os.File

	mu      sync.Mutex
	size    int64 // bytes in the file
	full    bool  // the file takes nothing more; the tail still moves
	done    bool  // nothing more will come
	tail    []byte
	changed chan struct{} // closed and replaced at every change
}

// createSpool creates the file.
func createSpool(path string) (*spool, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create output file: %w", err)
	}
	return &spool{file: file, changed: make(chan struct{})}, nil
}

// openSpool opens the output of an earlier worker. A missing file counts as empty.
func openSpool(path string) (*spool, error) {
	s := &spool{done: true, changed: make(chan struct{})}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open output file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open output file: %w", err), file.Close())
	}
	s.file, s.size = file, info.Size()
	start := max(0, s.size-tailSize)
	s.tail = make([]byte, s.size-start)
	if _, err := file.ReadAt(s.tail, start); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("read output file: %w", err), file.Close())
	}
	return s, nil
}

// Write never fails and only ever waits for the disk: what cannot be stored is dropped, and the process goes
// on.
func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.full {
		fits := p[:min(int64(len(p)), spoolLimit-s.size)]
		n, err := s.file.WriteAt(fits, s.size)
		s.size += int64(n)
		s.full = err != nil || len(fits) < len(p)
	}
	s.tail = append(s.tail, p...)
	if len(s.tail) > 2*tailSize {
		s.tail = append(s.tail[:0], s.tail[len(s.tail)-tailSize:]...)
	}
	s.wake()
	return len(p), nil
}

func (s *spool) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// finish says that nothing more will come.
func (s *spool) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	s.wake()
}

// read fills buf from the offset on, waiting until there is something. It returns io.EOF at the end.
func (s *spool) read(ctx context.Context, offset int64, buf []byte) (int, error) {
	for {
		s.mu.Lock()
		size, done, changed := s.size, s.done, s.changed
		s.mu.Unlock()
		switch {
		case offset < size:
			return s.file.ReadAt(buf[:min(int64(len(buf)), size-offset)], offset)
		case done:
			return 0, io.EOF
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-changed:
		}
	}
}

// lastLines is the end of the output as text, from the start of a line where there is one.
func (s *spool) lastLines() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	tail := s.tail
	if len(tail) > tailSize {
		tail = tail[len(tail)-tailSize:]
	}
	if len(tail) == tailSize {
		if i := bytes.IndexByte(tail, '\n'); i >= 0 && i < len(tail)-1 {
			tail = tail[i+1:]
		}
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(tail), "?"), "\x00", "?")
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
