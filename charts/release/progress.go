package release

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// progress turns Helm's debug log into progress lines: what an action waits for, each line once.
type progress struct {
	mu   sync.Mutex
	emit func(string)
	last map[string]string // by subject
}

func newProgress(emit func(string)) *progress {
	return &progress{emit: emit, last: map[string]string{}}
}

func (p *progress) report(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.emit != nil {
		p.emit(fmt.Sprintf(format, args...))
	}
}

// Lines of Helm's log that become progress: an object that Helm waits for, and its state. The deletion of a
// single object is skipped: it removes an old hook and is done at once.
var (
	notReady = regexp.MustCompile(
		`^(\w+) is not (?:ready|bound): ([^ ]+?)(?:\. (\d+) out of (\d+) expected pods are ready)?$`,
	)
	watching = regexp.MustCompile(`^Watching for changes to Job (\S+) with`)
	deleting = regexp.MustCompile(`^beginning wait for ([2-9]|\d\d+) resources to be deleted`)
)

// helmLog implements Helm's log function.
func (p *progress) helmLog(format string, args ...any) {
	if subject, line := progressLine(strings.TrimSpace(fmt.Sprintf(format, args...))); line != "" {
		p.once(subject, line)
	}
}

// progressLine returns the progress line for a line of Helm's log, and its subject; empty if there is none.
func progressLine(logged string) (subject, line string) {
	if m := notReady.FindStringSubmatch(logged); m != nil {
		subject = strings.ToLower(m[1]) + " " + m[2][strings.LastIndex(m[2], "/")+1:]
		if m[3] != "" {
			return subject, fmt.Sprintf("waiting for %s: %s of %s pods ready", subject, m[3], m[4])
		}
		return subject, "waiting for " + subject
	}
	if m := watching.FindStringSubmatch(logged); m != nil {
		return "hook " + m[1], "waiting for hook " + m[1]
	}
	if m := deleting.FindStringSubmatch(logged); m != nil {
		return "deletion", "waiting for the deletion of " + m[1] + " objects and their pods"
	}
	return "", ""
}

// once emits a line unless it is the last line of its subject: Helm repeats its log every two seconds.
func (p *progress) once(subject, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last[subject] == line || p.emit == nil {
		return
	}
	p.last[subject] = line
	p.emit(line)
}

// writer returns a writer that reports each line of the log of a failed hook's pod.
func (p *progress) writer(pod string) io.Writer { return &podLog{progress: p, pod: pod} }

type podLog struct {
	progress *progress
	pod      string
	rest     []byte
}

// Write reports complete lines. A last line without a line break is lost, because Helm does not say when a
// log ends; Berth ends every line with a line break.
func (l *podLog) Write(data []byte) (int, error) {
	l.rest = append(l.rest, data...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(data), nil
		}
		l.rest = rest
		l.progress.report("%s: %s", l.pod, line)
	}
}
