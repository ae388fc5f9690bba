package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// Printer is a Sink for people: a line per state, and the lines of the output between them. On a terminal a
// last line says how long the run has been in its state.
//
//	14:03:21  RUNNING     Running on node-3
//	        │ Hello, world!
//	RUNNING for 12s
type Printer struct {
	app     *cli.App
	style   cli.Style
	status  *cli.StatusLine
	attempt int32
	partial bytes.Buffer // the line of output that has not ended yet
	// end is the event that ended the run. The last output may come after it, and reads better before it.
	end *api.RunEvent
	// last is the newest event, and said what was printed of it.
	last    api.RunEvent
	printed string
	// progress is how far the attempt says it is; nil where it has not.
	progress *api.RunProgress
	// early is output that arrived before the state in which its attempt wrote it. Output and states travel
	// separately, and a short job is over before both have arrived.
	early struct {
		chunks   []api.LogChunk
		size     int
		release  *time.Timer // ends the wait for a state
		released int32       // the attempt whose output is not held back any more
		err      error
	}
}

// Early output waits for the state of its attempt no longer than this, and no more of it.
const (
	earlyPatience = 2 * time.Second
	earlyMax      = 64 << 10
)

// NewPrinter prints to the app's standard output. Close ends it.
func NewPrinter(app *cli.App) *Printer {
	p := &Printer{app: app, style: app.Style(app.Out)}
	p.status = app.StatusLine(p.statusText)
	return p
}

// statusText is the line that changes.
func (p *Printer) statusText() string {
	if p.last.Seq == 0 {
		return ""
	}
	line := fmt.Sprintf("%s for %s", cli.StateText(p.last.State),
		cli.Duration(max(p.app.Now().Sub(p.last.State.At), 0)))
	if p.progress != nil && p.last.Attempt != nil && p.progress.Attempt == *p.last.Attempt {
		if p.progress.Percent != nil {
			line += fmt.Sprintf(", %.0f %%", *p.progress.Percent)
		}
		if message := cli.Text(p.progress.Message); message != "" {
			line += ", " + strings.Join(strings.Fields(message), " ")
		}
	}
	return line
}

// Progress shows in the last line.
func (p *Printer) Progress(progress api.RunProgress) error {
	return p.status.PrintAbove(func() error { p.progress = &progress; return nil })
}

// Close prints what was held back and takes the last line away.
func (p *Printer) Close() error {
	p.status.Stop()
	return p.Flush()
}

// Flush prints what was held back: output, a line that did not end, and the run's end.
func (p *Printer) Flush() error { return p.status.PrintAbove(p.flush) }

// Event prints a line; that of the end waits for the last output.
func (p *Printer) Event(e api.RunEvent) error {
	return p.status.PrintAbove(func() error {
		switch e.State.Type {
		case api.COMPLETED, api.FAILED, api.CRASHED, api.CANCELLED:
			p.end = &e
			return p.releaseEarly(0)
		case api.PENDING:
			if err := p.flushEnded(); err != nil {
				return err
			}
			return p.printEvent(e)
		case api.RUNNING:
			if err := errors.Join(p.flushEnded(), p.printEvent(e)); err != nil {
				return err
			}
			if e.Attempt == nil {
				return p.releaseEarly(0)
			}
			return p.releaseEarly(*e.Attempt)
		}
		if err := p.flush(); err != nil {
			return err
		}
		return p.printEvent(e)
	})
}

func (p *Printer) printEvent(e api.RunEvent) error {
	message := e.Message
	if message == "" {
		message = cli.Text(e.State.Message)
	}
	said := fmt.Sprint(e.State.Type, e.State.Name, message)
	again := said == p.printed ||
		message == "" && e.State.Type == p.last.State.Type && e.State.Type == api.PENDING
	p.last = e
	if again {
		return nil // on its way, with nothing to tell
	}
	p.printed = said
	name := ""
	if !strings.EqualFold(strings.ReplaceAll(e.State.Name, " ", ""), string(e.State.Type)) {
		name = e.State.Name
	}
	if name != "" && message != "" {
		name += ": "
	}
	line := fmt.Sprintf("%s  %s  %s%s", p.style.Dim(e.At.Local().Format("15:04:05")),
		p.style.State(e.State.Type, fmt.Sprintf("%-10s", e.State.Type)), name, message)
	return p.app.Printf("%s\n", strings.TrimRight(line, " "))
}

// Output prints whole lines and keeps the rest until it ends.
func (p *Printer) Output(chunk api.LogChunk) error {
	return p.status.PrintAbove(func() error {
		if p.end != nil || chunk.Attempt <= p.early.released {
			return errors.Join(p.early.err, p.printOutput(chunk))
		}
		p.early.chunks = append(p.early.chunks, chunk)
		if p.early.size += len(chunk.Text); p.early.size > earlyMax {
			return p.releaseEarly(chunk.Attempt)
		}
		if p.early.release == nil {
			p.early.release = time.AfterFunc(earlyPatience, func() {
				// An error of standard output comes back with the next call.
				_ = p.status.PrintAbove(func() error { p.early.err = p.releaseEarly(chunk.Attempt); return nil })
			})
		}
		return nil
	})
}

// releaseEarly prints the output that was held back, and holds back no more of the attempt.
func (p *Printer) releaseEarly(attempt int32) error {
	p.early.released = max(p.early.released, attempt)
	if p.early.release != nil {
		p.early.release.Stop()
		p.early.release = nil
	}
	chunks := p.early.chunks
	p.early.chunks, p.early.size = nil, 0
	errs := []error{p.early.err}
	for _, chunk := range chunks {
		errs = append(errs, p.printOutput(chunk))
	}
	return errors.Join(errs...)
}

func (p *Printer) printOutput(chunk api.LogChunk) error {
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
		if err := p.printLine(p.partial.Next(i + 1)); err != nil {
			return err
		}
	}
}

func (p *Printer) flush() error { return errors.Join(p.releaseEarly(0), p.flushEnded()) }

// flushEnded prints what no later state comes before: a line that did not end, and the run's end.
func (p *Printer) flushEnded() error {
	if err := p.flushLine(); err != nil || p.end == nil {
		return err
	}
	end := *p.end
	p.end = nil
	return p.printEvent(end)
}

func (p *Printer) flushLine() error {
	if p.partial.Len() == 0 {
		return nil
	}
	return p.printLine(p.partial.Next(p.partial.Len()))
}

func (p *Printer) printLine(text []byte) error {
	return p.app.Printf("%s %s\n", p.style.Dim("        │"), strings.TrimRight(string(text), "\r\n"))
}

// Lost says so beside the output.
func (p *Printer) Lost(err error) {
	// What is said of a lost connection goes to standard error, as the line itself: there is nothing to fail.
	_ = p.status.PrintAbove(func() error { printLost(p.app, err); return nil })
}

func printLost(app *cli.App, err error) {
	app.Notef(
		"%s",
		app.Style(app.Err).
			Active(fmt.Sprintf("connection lost (%v); reconnecting; the run continues", err)),
	)
}

// Raw is a Sink that copies the output as it is and nothing else: what `logs --follow` prints.
type Raw struct{ App *cli.App }

// Event is not output.
func (r Raw) Event(api.RunEvent) error { return nil }

// Output copies.
func (r Raw) Output(chunk api.LogChunk) error { return r.App.WriteRaw(chunk.Text) }

// Lost says so beside the output.
func (r Raw) Lost(err error) { printLost(r.App, err) }

// Lines is a Sink for programs: one JSON object per line, {"event": …}, {"log": …} or {"progress": …}.
type Lines struct{ App *cli.App }

// Event prints {"event": …}.
func (l Lines) Event(e api.RunEvent) error { return l.print(map[string]any{"event": e}) }

// Output prints {"log": …}.
func (l Lines) Output(chunk api.LogChunk) error { return l.print(map[string]any{"log": chunk}) }

// Progress prints {"progress": …}.
func (l Lines) Progress(p api.RunProgress) error { return l.print(map[string]any{"progress": p}) }

// End prints {"end": …}.
func (l Lines) End(run api.Run) error { return l.print(map[string]any{"end": run}) }

// Lost says so beside the output.
func (l Lines) Lost(err error) { printLost(l.App, err) }

func (l Lines) print(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	return l.App.Printf("%s\n", data)
}

// LogLines is Lines with the output only.
type LogLines struct{ Lines }

// Event is not output.
func (LogLines) Event(api.RunEvent) error { return nil }

// Progress is not output.
func (LogLines) Progress(api.RunProgress) error { return nil }
