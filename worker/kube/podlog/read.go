package podlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// waitBytes is the buffer of a follower that waits for output: there may be ten thousand.
	waitBytes = 256
	// readBytes is how much of a log is in memory while there is output, and the most that is handed over at once.
	readBytes = 32 << 10
	// maxStamp bounds what may be the timestamp of a line, in bytes.
	maxStamp = 64
)

// readBuffers are shared by the followers that have more to read than waitBytes.
var readBuffers = sync.Pool{New: func() any { return new([readBytes]byte) }}

// unwantedError wraps an error of Output: the output is no longer wanted.
type unwantedError struct{ cause error }

func (e unwantedError) Error() string { return "output is not wanted: " + e.cause.Error() }
func (e unwantedError) Unwrap() error { return e.cause }

func isUnwanted(err error) bool { return errors.As(err, &unwantedError{}) }

// open opens one log.
func (f *Follower) open(ctx context.Context, request logRequest) (*logReader, error) {
	from, since := f.position.resume(f.noteGap)
	options := &corev1.PodLogOptions{
		Container:  request.container,
		Timestamps: true,
		Follow:     request.follow,
		Previous:   request.previous,
	}
	if !since.IsZero() {
		options.SinceTime = &metav1.Time{Time: since}
	}
	stream, err := f.API.CoreV1().Pods(request.pod.Namespace).GetLogs(request.pod.Name, options).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &logReader{follower: f, stream: stream, from: from, lineStart: true, isOutput: true}, nil
}

// logReader reads one log stream.
type logReader struct {
	follower *Follower
	stream   io.ReadCloser
	from     *resumed
	batch    []byte // read and not handed over yet

	lineStart bool
	stamp     []byte    // the beginning of a line, until its timestamp is complete
	at        time.Time // of the line
	isOutput  bool      // the line has a timestamp
}

// run hands over what is new in the log. It returns nil at the end of the log, which is the container's end only if the
// container had ended when the request was made. It reads with a small buffer while it waits for output, and with a large
// one, which it gives back, while there is more.
func (r *logReader) run(ctx context.Context) error {
	defer r.stream.Close()
	small := make([]byte, waitBytes)
	buffer := small
	var large *[readBytes]byte
	giveBack := func() {
		if large != nil {
			readBuffers.Put(large)
			buffer, large = small, nil
		}
	}
	defer giveBack()
	for {
		n, err := r.stream.Read(buffer)
		for text := buffer[:n]; len(text) > 0; {
			text = r.take(text)
		}
		if err != nil {
			r.endLine()
		}
		// Handed over before a read that may block.
		if len(r.batch) > 0 {
			if err := r.flush(ctx); err != nil {
				return err
			}
		}
		switch {
		case err == nil && n == len(buffer) && large == nil:
			large = readBuffers.Get().(*[readBytes]byte)
			buffer = large[:]
		case err == nil && n < len(buffer):
			giveBack()
		case err == nil:
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		default:
			return fmt.Errorf("read log: %w", err)
		}
	}
}

// take takes a piece of a line and returns what is left of the text.
func (r *logReader) take(text []byte) []byte {
	piece, rest, lineEnd := text, []byte(nil), false
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		piece, rest, lineEnd = text[:i+1], text[i+1:], true
	}
	if !r.lineStart {
		r.takePiece(piece, false, lineEnd)
		return rest
	}
	// Only the first piece of a line has its timestamp, which may come in pieces as well.
	r.stamp = append(r.stamp, piece...)
	if lineEnd || len(r.stamp) > maxStamp || bytes.IndexByte(r.stamp, ' ') >= 0 {
		r.beginLine(lineEnd)
	}
	return rest
}

// beginLine takes the first piece of a line, with its timestamp.
func (r *logReader) beginLine(lineEnd bool) {
	var text []byte
	r.at, text, r.isOutput = splitTimestamp(r.stamp)
	r.takePiece(text, true, lineEnd)
	r.stamp = r.stamp[:0]
}

// endLine takes what there is of a line at the end of the log.
func (r *logReader) endLine() {
	if len(r.stamp) > 0 {
		r.beginLine(false)
	}
}

func (r *logReader) takePiece(piece []byte, start, end bool) {
	if r.isOutput {
		r.batch = append(r.batch, r.from.take(r.at, piece, start, end)...)
	}
	r.lineStart = end
}

// flush hands over the batch. It blocks while the server cannot keep up, and the log is not read meanwhile.
func (r *logReader) flush(ctx context.Context) error {
	text := r.batch
	r.batch = nil
	f := r.follower
	if f.reading.container == f.Container {
		f.mu.Lock()
		f.tail.write(text)
		f.mu.Unlock()
	}
	return f.handOver(ctx, text)
}

// handOver hands over notes, then output of the log that is read.
func (f *Follower) handOver(ctx context.Context, text []byte) error {
	if len(text) > 0 {
		text = f.withHeading(text)
	}
	text = f.withNotes(text)
	if len(text) == 0 {
		return nil
	}
	f.midLine = text[len(text)-1] != '\n'
	at := f.offset
	f.offset += int64(len(text))
	if err := f.Output(ctx, at, text, f.resumePoint()); err != nil {
		return unwantedError{err}
	}
	return nil
}

// withNotes puts the notes before the text, each on a separate line.
func (f *Follower) withNotes(text []byte) []byte {
	if len(f.notes) == 0 {
		return text
	}
	all := []byte{}
	if f.midLine {
		all = append(all, '\n')
	}
	for _, note := range f.notes {
		all = append(all, note...)
	}
	f.notes = nil
	return append(all, text...)
}

// noteGap says between which lines output may be missing. What comes next is new, whatever the server has.
func (f *Follower) noteGap(from, to time.Time) {
	f.offset = max(f.offset, f.Stored)
	const layout = "15:04:05.000"
	f.note("output from %s to %s UTC (%s) is missing as far as there was any: its node has rotated the log",
		from.UTC().Format(layout), to.UTC().Format(layout), to.Sub(from).Round(time.Millisecond))
}

// withHeading puts the container's heading before its first output, on a separate line.
func (f *Follower) withHeading(text []byte) []byte {
	if f.AllContainers && !f.headed {
		head := heading(f.reading.container)
		if f.midLine {
			head = "\n" + head
		}
		text, f.headed = append([]byte(head), text...), true
	}
	return text
}
