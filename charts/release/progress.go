package release

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// progress makes a story for people of what Helm logs for developers: what is waited for, each line once.
type progress struct {
	mu   sync.Mutex
	tell func(string)
	last map[string]string
}

func newProgress(tell func(string)) *progress {
	return &progress{tell: tell, last: map[string]string{}}
}

func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tell != nil {
		p.tell(fmt.Sprintf(format, args...))
	}
}

// What of Helm's log is worth telling: the object that is waited for, and how far it is. A deletion of one
// object is that of an old hook, and over at once.
var (
	notReady = regexp.MustCompile(
		`^(\w+) is not (?:ready|bound): ([^ ]+?)(?:\. (\d+) out of (\d+) expected pods are ready)?$`,
	)
	watching = regexp.MustCompile(`^Watching for changes to Job (\S+) with`)
	deleting = regexp.MustCompile(`^beginning wait for ([2-9]|\d\d+) resources to be deleted`)
)

// helmLog has the form of Helm's log function.
func (p *progress) helmLog(format string, args ...any) {
	if subject, line := story(strings.TrimSpace(fmt.Sprintf(format, args...))); line != "" {
		p.once(subject, line)
	}
}

func story(logged string) (subject, line string) {
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
		return "deletion", "waiting until " + m[1] + " objects and their pods are gone"
	}
	return "", ""
}

// once tells a line unless it is what was last told of the subject: Helm repeats itself every two seconds.
func (p *progress) once(subject, line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last[subject] == line || p.tell == nil {
		return
	}
	p.last[subject] = line
	p.tell(line)
}

// writer tells each line that a pod of a failed hook has logged.
func (p *progress) writer(pod string) io.Writer { return &podLog{progress: p, pod: pod} }

type podLog struct {
	progress *progress
	pod      string
	rest     []byte
}

// Write tells the whole lines it has; the end of a log without a line break is told with the next write, or
// not: Helm does not say when a log is over. Programs of ours end every line.
func (l *podLog) Write(data []byte) (int, error) {
	l.rest = append(l.rest, data...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(data), nil
		}
		l.rest = rest
		l.progress.say("%s: %s", l.pod, line)
	}
}
