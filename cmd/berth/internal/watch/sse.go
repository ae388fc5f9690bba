package watch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// message is one server-sent event.
type message struct {
	id    string
	event string
	data  string
}

// maxLine bounds one line of the stream: a chunk of output of a megabyte, escaped, fits.
const maxLine = 16 << 20

// scanner reads server-sent events as the HTML standard has them: fields line by line, an empty line sends.
type scanner struct {
	lines *bufio.Scanner
	// alive is called for every line, comments among them.
	alive func()
}

func newScanner(r io.Reader, alive func()) *scanner {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &scanner{lines: lines, alive: alive}
}

// errStreamEnded says that the stream is over, properly or not: the standard knows no other end than the
// connection's.
var errStreamEnded = errors.New("the stream ended")

func (s *scanner) next() (message, error) {
	m := message{event: "message"}
	var data []string
	size := 0
	for s.lines.Scan() {
		s.alive()
		line := strings.TrimSuffix(s.lines.Text(), "\r")
		if line == "" {
			if data != nil {
				m.data = strings.Join(data, "\n")
				return m, nil
			}
			m = message{event: "message", id: m.id}
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			m.event = value
		case "id":
			m.id = value
		case "data":
			if size += len(value) + 1; size > maxLine {
				return message{}, fmt.Errorf("read stream: an event exceeds %d MB", maxLine>>20)
			}
			data = append(data, value)
		}
	}
	if err := s.lines.Err(); err != nil {
		return message{}, fmt.Errorf("read stream: %w", err)
	}
	// What was begun and not sent with an empty line is not an event.
	return message{}, errStreamEnded
}
