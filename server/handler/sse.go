package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// streamPosition is how far a stream is: the last event, and the offset in the output of an attempt. It is
// the id of every server-sent event, so that a reader that reconnects, to any server, misses nothing and gets
// nothing again.
type streamPosition struct {
	Seq     int64
	Attempt int32
	Offset  int64
}

func (p streamPosition) String() string { return fmt.Sprintf("%d.%d.%d", p.Seq, p.Attempt, p.Offset) }

func parsePosition(id string) (streamPosition, error) {
	parts := strings.Split(id, ".")
	if len(parts) != 3 {
		return streamPosition{}, fmt.Errorf("id %q does not have three parts", id)
	}
	seq, errSeq := strconv.ParseUint(parts[0], 10, 63)
	attempt, errAttempt := strconv.ParseUint(parts[1], 10, 31)
	offset, errOffset := strconv.ParseUint(parts[2], 10, 63)
	for _, err := range []error{errSeq, errAttempt, errOffset} {
		if err != nil {
			return streamPosition{}, fmt.Errorf("id %q: %w", id, err)
		}
	}
	return streamPosition{Seq: int64(seq), Attempt: max(1, int32(attempt)), Offset: int64(offset)}, nil
}

// writeTimeout is how long a write may block before the reader counts as disconnected.
const writeTimeout = 30 * time.Second

// eventWriter writes server-sent events and flushes each.
type eventWriter struct {
	w   http.ResponseWriter
	out *http.ResponseController
}

// newEventWriter begins a stream. The reader has its beginning at once, also where there is no event yet.
func newEventWriter(w http.ResponseWriter) (*eventWriter, error) {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	e := &eventWriter{w: w, out: http.NewResponseController(w)}
	return e, e.comment("begin")
}

func (e *eventWriter) event(name, id string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %s\nevent: %s\ndata: %s\n\n", id, name, body)
	return e.write(b.Bytes())
}

func (e *eventWriter) comment(text string) error { return e.write([]byte(": " + text + "\n\n")) }

func (e *eventWriter) write(data []byte) error {
	if err := extend(e.out); err != nil {
		return err
	}
	if _, err := e.w.Write(data); err != nil {
		return err
	}
	return e.out.Flush()
}

// extend moves the write deadline: a response may last long, but a blocked write may not.
func extend(connection *http.ResponseController) error {
	err := connection.SetWriteDeadline(time.Now().Add(writeTimeout))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
