package podlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// readBytes is how much of a log is in memory, and the most that is handed over at once.
const readBytes = 32 << 10

// unwantedError wraps an error of Output: the output is no longer wanted.
type unwantedError struct{ cause error }

func (e unwantedError) Error() string { return "output is not wanted: " + e.cause.Error() }
func (e unwantedError) Unwrap() error { return e.cause }

func isUnwanted(err error) bool { return errors.As(err, &unwantedError{}) }

// read hands over what is new in one log. It returns nil at the end of the log, which is the container's end
// only if the container had ended when the request was made.
func (f *Follower) read(ctx context.Context, request logRequest) error {
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
		return fmt.Errorf("open log: %w", err)
	}
	defer stream.Close()

	r := logReader{follower: f, from: from, in: bufio.NewReaderSize(stream, readBytes)}
	return r.run(ctx)
}

// logReader reads one log stream.
type logReader struct {
	follower *Follower
	from     *resumed
	in       *bufio.Reader
	batch    []byte // read and not handed over yet
}

func (r *logReader) run(ctx context.Context) error {
	var at time.Time
	lineStart, isOutput := true, true
	for {
		// A line longer than the buffer comes in pieces; only the first one has the timestamp.
		piece, err := r.in.ReadSlice('\n')
		if len(piece) > 0 {
			text := piece
			lineEnd := piece[len(piece)-1] == '\n'
			if lineStart {
				at, text, isOutput = splitTimestamp(piece)
			}
			if isOutput {
				r.batch = append(r.batch, r.from.take(at, text, lineStart, lineEnd)...)
			}
			lineStart = lineEnd
		}

		// Hand over when the buffer is full, or before a read that may block.
		if len(r.batch) > 0 && (len(r.batch) >= readBytes || r.in.Buffered() == 0 || err != nil) {
			if err := r.flush(ctx); err != nil {
				return err
			}
		}

		switch {
		case err == nil, errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		default:
			return fmt.Errorf("read log: %w", err)
		}
	}
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
