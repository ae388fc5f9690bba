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
	from, since := f.position.resume(&f.skip, f.skipUntil)
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
	text = f.withHeading(text)
	if err := f.Output(ctx, f.offset, text); err != nil {
		return unwantedError{err}
	}
	f.offset += int64(len(text))
	return nil
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
	f.midLine = text[len(text)-1] != '\n'
	return text
}
