package podlog

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// stampedLog is a log as the kubelet keeps it; from returns its answer to sinceTime.
type stampedLog []struct {
	at   time.Time
	text string
}

func (l stampedLog) from(since time.Time) string {
	var b strings.Builder
	for _, line := range l {
		if !line.at.Before(since) {
			fmt.Fprintf(&b, "%s %s", line.at.Format(time.RFC3339Nano), line.text)
		}
	}
	return b.String()
}

// pieces passes a text to take in pieces of a size, and returns the new output.
func pieces(r *resumed, text string, size int) string {
	var out strings.Builder
	for _, line := range strings.SplitAfter(text, "\n") {
		if line == "" {
			continue
		}
		at, rest, ok := splitTimestamp([]byte(line))
		if !ok {
			continue
		}
		for start := true; ; start = false {
			n := min(size, len(rest))
			end := n == len(rest) && strings.HasSuffix(line, "\n")
			out.Write(r.take(at, rest[:n], start, end))
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
	}
	return out.String()
}

func TestALogInterruptedAnywhereIsHandedOverExactlyOnce(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		var log stampedLog
		var want strings.Builder
		for i := range 40 {
			at = at.Add(time.Duration(random.IntN(700)) * time.Millisecond)
			skewed := at.Add(
				-time.Duration(random.IntN(50)) * time.Millisecond) // the clock of the other stream
			text := fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", random.IntN(30)))
			if random.IntN(10) == 0 {
				text = "\n"
			}
			log = append(log, struct {
				at   time.Time
				text string
			}{skewed, text})
			want.WriteString(text)
		}
		var p position
		var got strings.Builder
		for round := 0; ; round++ {
			r, since := p.resume(func(from, to time.Time) { t.Errorf("a gap from %s to %s", from, to) })
			text := log.from(since)
			if cut := random.IntN(len(text) + 1); round < 15 {
				text = text[:cut]
			}
			got.WriteString(pieces(r, text, 1+random.IntN(20)))
			if round == 15 {
				break
			}
		}
		if got.String() != want.String() {
			t.Fatalf("seed %d: got %q\nwant %q", seed, got.String(), want.String())
		}
	}
}

func TestALogThatWasRotatedAwayGoesOnWithANoteOfTheGap(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	log := stampedLog{{start, "one\n"}, {start.Add(time.Second), "two\n"}, {start.Add(time.Hour), "three\n"}}
	for _, test := range []struct {
		name  string
		read  int // lines before the interruption
		left  int // the first line that is left in the log after it
		want  string
		noted string
	}{
		{"the known lines are there: no gap", 2, 0, "three\n", ""},
		{"the known lines are gone: what is left is new", 1, 2, "three\n", "1h0m0s"},
		{"nothing was read: no gap", 0, 2, "three\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var p position
			noted := ""
			gap := func(from, to time.Time) { noted += to.Sub(from).String() }
			r, since := p.resume(gap)
			pieces(r, log[:test.read].from(since), 3)
			r, since = p.resume(gap)
			if got := pieces(r, log[test.left:].from(since), 3); got != test.want || noted != test.noted {
				t.Errorf("handed over %q with a gap of %q, want %q and %q", got, noted, test.want, test.noted)
			}
		})
	}
}

func TestMessagesOfTheKubeletAreNotOutput(t *testing.T) {
	for text, ours := range map[string]bool{
		"2026-11-21T00:41:43.123456789Z hello\n":            true,
		"2026-11-21T00:41:43.123456789Z \n":                 true,
		"2026-11-21T00:41:43.1Z\n":                          true,
		"2026-11-21T00:41:43.12":                            false,
		"unable to retrieve container logs for containerd:": false,
		"\n": false,
	} {
		if _, _, ok := splitTimestamp([]byte(text)); ok != ours {
			t.Errorf("%q is output: %v, want %v", text, ok, ours)
		}
	}
}
