package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/lifecycle"
)

// logged is a log that is read while it is written.
type logged struct {
	mu    sync.Mutex
	b     bytes.Buffer
	wrote chan struct{}
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.wrote <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

// lines are those with a message.
func (l *logged) lines(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.Lines(l.b.String()) {
		line := map[string]any{}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}

func (w *world) logs() *logged {
	l := &logged{wrote: make(chan struct{}, 1)}
	w.LogChanges(slog.New(slog.NewJSONHandler(l, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.RunLog(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	return l
}

func (l *logged) await(t *testing.T, message string, n int) []map[string]any {
	t.Helper()
	patience := time.After(time.Minute)
	for {
		if found := l.lines(t, message); len(found) >= n {
			return found
		}
		select {
		case <-l.wrote:
		case <-patience:
			t.Fatalf("no %d lines %q", n, message)
		}
	}
}

// TestTheEndOfARunIsOneLine, whether an attempt ended it or it was cancelled while it waited.
func TestTheEndOfARunIsOneLine(t *testing.T) {
	onEach(t, func(w *world) {
		l := w.logs()
		run := w.one()
		c := w.claimOne("w")
		code := int32(3)
		w.accepts(running(c), failed(c, lifecycle.NodeLost)) // which is tried again: no end
		w.Advance(10 * time.Minute)
		c = w.claimOne("w")
		w.accepts(running(c), ended(c, lifecycle.Outcome{Category: lifecycle.App, ExitCode: &code}))
		w.accepts(ended(c, lifecycle.Outcome{Category: lifecycle.App, ExitCode: &code})) // said again
		line := l.await(t, "run ended", 1)[0]
		for key, want := range map[string]any{
			"run": run.ID.String(), "name": run.Name, "deployment": "d", "pool": "p", "state": "FAILED", "attempt": 2.0,
			"category": "app", "exit_code": 3.0, "node": "node-1",
		} {
			if line[key] != want {
				t.Errorf("%s is %v, want %v", key, line[key], want)
			}
		}
		if _, ok := line["duration"]; !ok {
			t.Errorf("no duration: %v", line)
		}
		waiting := w.run("d")
		if _, err := w.CancelRun(t.Context(), waiting.ID, actor); err != nil {
			t.Fatal(err)
		}
		lines := l.await(t, "run ended", 2)
		if len(lines) != 2 || lines[1]["state"] != "CANCELLED" || lines[1]["name"] != waiting.Name {
			t.Errorf("lines %v", lines)
		}
	})
}

// TestAChangeIsOneLine without the values.
func TestAChangeIsOneLine(t *testing.T) {
	onEach(t, func(w *world) {
		l := w.logs()
		w.pool("p")
		w.deployment("d", "p")
		lines := l.await(t, "changed", 2)
		if line := lines[1]; line["actor"] != actor || line["action"] != "create" || line["kind"] != "deployment" ||
			line["name"] != "d" || line["pool"] != "p" || line["fields"] == nil {
			t.Errorf("line %v", line)
		}
	})
}
