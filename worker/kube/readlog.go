package kube

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/worker/kube/observe"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// readBytes is how much of a log is held in memory, and the most that is handed over at once.
const readBytes = 32 << 10

// unwanted wraps an error of the handler: it does not want the output any more.
type unwanted struct{ err error }

func (u unwanted) Error() string { return "output is not wanted: " + u.err.Error() }
func (u unwanted) Unwrap() error { return u.err }

func isUnwanted(err error) bool { return errors.As(err, &unwanted{}) }

// read hands over what is new of one log. It returns nil when the log came to an end, which is the end of the
// container only if that had ended before.
func (f *follower) read(ctx context.Context, r reading) error {
	from, since := f.position.resume(&f.skip, f.skipUntil)
	options := &corev1.PodLogOptions{
		Container:  r.container,
		Timestamps: true,
		Follow:     r.follow,
		Previous:   r.previous,
	}
	if !since.IsZero() {
		options.SinceTime = &metav1.Time{Time: since}
	}
	stream, err := f.w.client.CoreV1().Pods(r.pod.Namespace).GetLogs(r.pod.Name, options).Stream(ctx)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer stream.Close()
	h := handover{f: f, from: from, in: bufio.NewReaderSize(stream, readBytes)}
	return h.run(ctx)
}

// handover is one reading of a log.
type handover struct {
	f     *follower
	from  *resumed
	in    *bufio.Reader
	batch []byte
}

func (h *handover) run(ctx context.Context) error {
	var at time.Time
	start, ours := true, true
	for {
		piece, err := h.in.ReadSlice('\n')
		if len(piece) > 0 {
			end := piece[len(piece)-1] == '\n'
			text := piece
			if start {
				at, text, ours = stamped(piece)
			}
			if ours {
				h.batch = append(h.batch, h.from.take(at, text, start, end)...)
			}
			start = end
		}
		if len(h.batch) > 0 && (len(h.batch) >= readBytes || h.in.Buffered() == 0 || err != nil) {
			if err := h.flush(ctx); err != nil {
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

// flush hands over what was read. It blocks while the server can not keep up: then the log is not read
// either.
func (h *handover) flush(ctx context.Context) error {
	text := h.batch
	h.batch = nil
	f := h.f
	if f.from.container == f.container {
		f.mu.Lock()
		f.tail.write(text)
		f.mu.Unlock()
	}
	text = f.under(text)
	if err := f.w.handler.Output(ctx, f.ref, f.offset, text); err != nil {
		return unwanted{err}
	}
	f.offset += int64(len(text))
	return nil
}

// under puts the heading of the container over the first of its output, on a line of its own.
func (f *follower) under(text []byte) []byte {
	if f.all && !f.headed {
		head := heading(f.from.container)
		if f.midLine {
			head = "\n" + head
		}
		text, f.headed = append([]byte(head), text...), true
	}
	f.midLine = text[len(text)-1] != '\n'
	return text
}

// lastLinesTimeout bounds how long an outcome waits for the end of the output.
const lastLinesTimeout = 3 * time.Second

// lastLines is the end of the output as far as it can be had: from the pod, or from what was followed. Where
// the job container has not started because another one failed, that one's tells why.
func (w *watcher) lastLines(ctx context.Context, t *tracked, s observe.Snapshot) string {
	if pod := s.NewestPod(); pod != nil {
		container := t.container
		if failed := podstatus.FirstFailed(pod); failed != nil && podstatus.StartedAt(podstatus.Container(pod, container)) == nil {
			container = failed.Name
		}
		if podstatus.StartedAt(podstatus.AnyContainer(pod, container)) != nil {
			if text, err := w.fetchTail(ctx, pod, container); err == nil && text != "" {
				return text
			}
		}
	}
	f := w.followerOf(t)
	if f == nil {
		return ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return lastLines(f.tail.text)
}

func (w *watcher) fetchTail(ctx context.Context, pod *corev1.Pod, container string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lastLinesTimeout)
	defer cancel()
	stream, err := w.client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
		Container: container, TailLines: ptr.To[int64](keepLines),
	}).Stream(ctx)
	if err != nil {
		return "", fmt.Errorf("open log: %w", err)
	}
	defer stream.Close()
	var tail ring
	buffer := make([]byte, keepBytes)
	for {
		n, err := stream.Read(buffer)
		tail.write(buffer[:n])
		if errors.Is(err, io.EOF) {
			return lastLines(tail.text), nil
		}
		if err != nil {
			return "", fmt.Errorf("read log: %w", err)
		}
	}
}
