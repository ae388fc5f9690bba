package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	// harmless matches the sequences that programs colour their output and redraw a line with. Others can set the
	// title, fill the clipboard, or make a terminal answer as if the user had typed.
	harmless = regexp.MustCompile(`^\x1b\[[0-9;:]*[mK]`)
	// unfinished matches the beginning of such a sequence.
	unfinished = regexp.MustCompile(`^\x1b(\[[0-9;:]*)?$`)
)

// maxSequence is how many bytes a sequence may have that is waited for.
const maxSequence = 64

// RawWriter returns where output of workloads is written. A file or a pipe gets it unchanged. A terminal would obey
// it: there, all control sequences but colours and redrawn lines are shown escaped.
func (a *App) RawWriter() io.Writer {
	if a.raw == nil {
		a.raw = a.Out
		if IsTerminal(a.Out) {
			a.raw = &terminalWriter{to: a.Out}
		}
	}
	return a.raw
}

// WriteRaw writes output of a workload.
func (a *App) WriteRaw(text string) error {
	if _, err := io.WriteString(a.RawWriter(), text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// terminalWriter escapes control sequences. A sequence or a character that is cut between two writes is kept until
// its end comes.
type terminalWriter struct {
	to   io.Writer
	rest string
}

// Write implements io.Writer.
func (w *terminalWriter) Write(p []byte) (int, error) {
	text := w.rest + string(p)
	var shown strings.Builder
	for text != "" && !isCut(text) {
		if sequence := harmless.FindString(text); sequence != "" {
			shown.WriteString(sequence)
			text = text[len(sequence):]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		if r != '\r' && isControl(r) {
			fmt.Fprintf(&shown, `\u%04x`, r)
		} else {
			shown.WriteRune(r) // a byte that is no character becomes U+FFFD
		}
		text = text[size:]
	}
	w.rest = text
	if _, err := io.WriteString(w.to, shown.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// isCut reports whether a text is the beginning of a sequence or of a character.
func isCut(text string) bool {
	return !utf8.FullRuneInString(text) || len(text) <= maxSequence && unfinished.MatchString(text)
}
