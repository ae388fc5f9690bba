package podlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// The limits of LastLines.
const (
	tailBytes = 4 << 10
	tailLines = 20
)

// tail keeps the end of a text in bounded memory: there is one for each follower.
type tail struct {
	text  []byte
	cutAt int // how many bytes are too many
}

// tailSlack is by how much a tail grows before it is cut again.
const tailSlack = 1 << 10

func (t *tail) write(text []byte) {
	t.text = append(t.text, text...)
	if len(t.text) < t.cutAt {
		return
	}
	from := max(0, len(t.text)-tailBytes)
	for i, lines := len(bytes.TrimRight(t.text, "\n"))-1, 0; i >= from; i-- {
		if t.text[i] != '\n' {
			continue
		}
		if lines++; lines == tailLines+1 { // one more line than wanted shows that there are more
			from = i + 1
		}
	}
	t.text = append(make([]byte, 0, len(t.text)-from), t.text[from:]...)
	t.cutAt = len(t.text) + tailSlack
}

// lastLines cuts the text to its last lines and bytes.
func (t *tail) lastLines() string {
	text := bytes.TrimRight(t.text, "\n")
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
		if _, rest, found := bytes.Cut(text, []byte{'\n'}); found {
			text = rest // the first line was cut in the middle
		}
	}
	for i, lines := len(text)-1, 0; i >= 0; i-- {
		if text[i] != '\n' {
			continue
		}
		if lines++; lines == tailLines {
			text = text[i+1:]
			break
		}
	}
	return string(bytes.ToValidUTF8(text, []byte("\uFFFD")))
}

// LastLines returns the end of the job container's output as far as it was followed, and whether that is its end: the
// follower has read to it, and from far enough before it.
func (f *Follower) LastLines() (text string, complete bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tail.lastLines(), f.tailEnds && (f.Position == "" || f.tail.full())
}

// full reports whether the lines before the tail do not matter.
func (t *tail) full() bool {
	return len(t.text) >= tailBytes || bytes.Count(t.text, []byte{'\n'}) > tailLines
}

// lastLinesTimeout bounds how long an outcome waits for the end of the output.
const lastLinesTimeout = 3 * time.Second

// FetchLastLines reads the end of a container's output from the API server.
func FetchLastLines(
	ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, container string,
) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lastLinesTimeout)
	defer cancel()
	options := &corev1.PodLogOptions{Container: container, TailLines: ptr.To[int64](tailLines)}
	stream, err := client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
	if err != nil {
		return "", fmt.Errorf("open log: %w", err)
	}
	defer stream.Close()

	var end tail
	buffer := make([]byte, tailBytes)
	for {
		n, err := stream.Read(buffer)
		end.write(buffer[:n])
		if errors.Is(err, io.EOF) {
			return end.lastLines(), nil
		}
		if err != nil {
			return "", fmt.Errorf("read log: %w", err)
		}
	}
}
