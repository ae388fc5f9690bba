package cli

import (
	"io"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

// StatusLine is a line at the bottom of a terminal with the current progress. Without a terminal it does
// nothing.
type StatusLine struct {
	app  *App
	text func() string
	stop chan struct{}
	done chan struct{}

	mu    sync.Mutex
	shown bool
}

// redrawInterval is how often the line is drawn anew. What is done within the first one was never waited for.
const redrawInterval = time.Second

// eraseLine brings the cursor to the beginning of the line and clears it.
const eraseLine = "\r\x1b[K"

// StatusLine starts a line whose text is asked for every second; an empty text shows nothing. Stop ends it.
func (a *App) StatusLine(text func() string) *StatusLine {
	l := &StatusLine{app: a, text: text}
	if !IsTerminal(a.Err) || a.Env["TERM"] == "dumb" {
		return l
	}
	l.stop, l.done = make(chan struct{}), make(chan struct{})
	go l.run()
	return l
}

// ShowElapsed is Live for something of which is only known that it takes time.
func (a *App) ShowElapsed(what string) *StatusLine {
	began := a.now()
	return a.StatusLine(func() string { return what + " … " + Duration(a.now().Sub(began)) })
}

func (a *App) now() time.Time {
	if a.Now == nil {
		return time.Now()
	}
	return a.Now()
}

func (l *StatusLine) run() {
	defer close(l.done)
	ticker := time.NewTicker(redrawInterval)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
			l.mu.Lock()
			l.erase()
			if line := l.text(); line != "" {
				l.write(
					l.app.Style(l.app.Err).
						Dim(text.Snip(Escape(line, false), max(l.app.Width(l.app.Err)-1, minColumnWidth), "…")),
				)
				l.shown = true
			}
			l.mu.Unlock()
		}
	}
}

// PrintAbove prints something for good, above the line.
func (l *StatusLine) PrintAbove(print func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
	return print()
}

// Stop takes the line away. It may be called twice.
func (l *StatusLine) Stop() {
	if l.stop == nil {
		return
	}
	close(l.stop)
	<-l.done
	l.stop = nil
	l.erase()
}

func (l *StatusLine) erase() {
	if l.shown {
		l.write(eraseLine)
		l.shown = false
	}
}

func (l *StatusLine) write(s string) {
	// Nowhere is left to complain to when standard error is gone.
	_, _ = io.WriteString(l.app.Err, s)
}
