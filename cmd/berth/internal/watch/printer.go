package watch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// Printer is a Sink for people: a line per state, and the lines of the output between them.
//
//	14:03:21  RUNNING     Running on node-3
//	        │ Hello, world!
type Printer struct {
	app     *cli.App
	style   cli.Style
	attempt int32
	partial bytes.Buffer // the line of output that has not ended yet
	// end is the event that ended the run. The last output may come after it, and reads better before it.
	end *api.RunEvent
}

// NewPrinter prints to the app's standard output.
func NewPrinter(app *cli.App) *Printer { return &Printer{app: app, style: app.Style(app.Out)} }

// Event prints a line; that of the end waits for the last output.
func (p *Printer) Event(e api.RunEvent) error {
	switch e.State.Type {
	case "COMPLETED", "FAILED", "CRASHED", "CANCELLED":
		p.end = &e
		return nil
	}
	if err := p.Flush(); err != nil {
		return err
	}
	return p.event(e)
}

func (p *Printer) event(e api.RunEvent) error {
	message := e.Message
	if message == "" {
		message = cli.Text(e.State.Message)
	}
	name := ""
	if !strings.EqualFold(strings.ReplaceAll(e.State.Name, " ", ""), string(e.State.Type)) {
		name = e.State.Name
	}
	if name != "" && message != "" {
		name += ": "
	}
	line := fmt.Sprintf("%s  %s  %s%s", p.style.Weak(e.At.Local().Format("15:04:05")),
		p.style.State(e.State.Type, fmt.Sprintf("%-10s", e.State.Type)), name, message)
	return p.app.Printf("%s\n", strings.TrimRight(line, " "))
}

// Output prints whole lines and keeps the rest until it ends.
func (p *Printer) Output(chunk api.LogChunk) error {
	if chunk.Attempt != p.attempt {
		if err := p.flushLine(); err != nil {
			return err
		}
		p.attempt = chunk.Attempt
	}
	p.partial.WriteString(chunk.Text)
	for {
		i := bytes.IndexByte(p.partial.Bytes(), '\n')
		if i < 0 {
			return nil
		}
		if err := p.line(p.partial.Next(i + 1)); err != nil {
			return err
		}
	}
}

// Flush prints what was held back: a line that did not end, and the run's end.
func (p *Printer) Flush() error {
	if err := p.flushLine(); err != nil || p.end == nil {
		return err
	}
	end := *p.end
	p.end = nil
	return p.event(end)
}

func (p *Printer) flushLine() error {
	if p.partial.Len() == 0 {
		return nil
	}
	return p.line(p.partial.Next(p.partial.Len()))
}

func (p *Printer) line(text []byte) error {
	return p.app.Printf("%s %s\n", p.style.Weak("        │"), strings.TrimRight(string(text), "\r\n"))
}

// Lost says so beside the output.
func (p *Printer) Lost(err error) { lost(p.app, err) }

func lost(app *cli.App, err error) {
	app.Notef("%s", app.Style(app.Err).Busy(fmt.Sprintf("connection lost (%v), trying again; the run is not affected", err)))
}

// Raw is a Sink that copies the output as it is and nothing else: what `logs --follow` prints.
type Raw struct{ App *cli.App }

// Event is not output.
func (r Raw) Event(api.RunEvent) error { return nil }

// Output copies.
func (r Raw) Output(chunk api.LogChunk) error { return r.App.Printf("%s", chunk.Text) }

// Lost says so beside the output.
func (r Raw) Lost(err error) { lost(r.App, err) }

// Lines is a Sink for programs: one JSON object per line, {"event": …} or {"log": …}.
type Lines struct{ App *cli.App }

// Event prints {"event": …}.
func (l Lines) Event(e api.RunEvent) error { return l.print(map[string]any{"event": e}) }

// Output prints {"log": …}.
func (l Lines) Output(chunk api.LogChunk) error { return l.print(map[string]any{"log": chunk}) }

// End prints {"end": …}.
func (l Lines) End(run api.Run) error { return l.print(map[string]any{"end": run}) }

// Lost says so beside the output.
func (l Lines) Lost(err error) { lost(l.App, err) }

func (l Lines) print(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	return l.App.Printf("%s\n", data)
}
