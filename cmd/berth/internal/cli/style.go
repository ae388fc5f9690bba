package cli

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fatih/color"
	"golang.org/x/term"

	"github.com/berth-dev/berth/server/api"
)

// Style colours text where it goes to a terminal and NO_COLOR is not set.
type Style struct{ on bool }

// Style for what is written to w. CLICOLOR_FORCE asks for colours where there is no terminal, as in a pager.
func (a *App) Style(w io.Writer) Style {
	forced := a.Env["CLICOLOR_FORCE"] != "" && a.Env["CLICOLOR_FORCE"] != "0"
	return Style{on: a.Env["NO_COLOR"] == "" && (forced || a.Env["TERM"] != "dumb" && IsTerminal(w))}
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Width is how many columns there are where w is shown: what COLUMNS says, otherwise what the terminal has
// that w is; 0 where it is none, and then nothing is cut.
func (a *App) Width(w io.Writer) int {
	if columns, err := strconv.Atoi(a.Env["COLUMNS"]); err == nil && columns > 0 {
		return columns
	}
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

func (s Style) paint(text string, attributes ...color.Attribute) string {
	if !s.on {
		return text
	}
	c := color.New(attributes...)
	c.EnableColor()
	return c.Sprint(text)
}

// Success, Bad, Busy, Weak and Strong are the only colours there are.
func (s Style) Success(text string) string { return s.paint(text, color.FgGreen) }

// Failure is for what failed.
func (s Style) Failure(text string) string { return s.paint(text, color.FgRed) }

// Active is for what is under way.
func (s Style) Active(text string) string { return s.paint(text, color.FgYellow) }

// Dim is for what is seldom looked at.
func (s Style) Dim(text string) string { return s.paint(text, color.Faint) }

// Bold is for what is looked for.
func (s Style) Bold(text string) string { return s.paint(text, color.Bold) }

// State colours text by the type of a run's state.
func (s Style) State(t api.StateType, text string) string {
	switch t {
	case "COMPLETED":
		return s.Success(text)
	case "FAILED", "CRASHED":
		return s.Failure(text)
	case "CANCELLED":
		return s.Dim(text)
	}
	return s.Active(text)
}

// StateText is a state in one word or two: its type, and its name where that says more.
func StateText(state api.State) string {
	if plain := strings.ReplaceAll(state.Name, " ", ""); plain == "" ||
		strings.EqualFold(plain, string(state.Type)) {
		return string(state.Type)
	}
	return string(state.Type) + " (" + state.Name + ")"
}

// Ago is a time relative to now, as tables show it.
func (a *App) Ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	since := a.Now().Sub(t)
	if since < 0 {
		return "in " + Duration(-since)
	}
	return Duration(since) + " ago"
}

// AgoOrDash is Ago for a time that may not have come.
func (a *App) AgoOrDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return a.Ago(*t)
}

// Duration in at most two units, as people say it: 8s, 3m12s, 2h5m, 4d3h.
func Duration(d time.Duration) string {
	seconds := int64(d.Round(time.Second) / time.Second)
	units := []struct {
		name string
		size int64
	}{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}
	for i, unit := range units {
		if seconds < unit.size {
			continue
		}
		text := fmt.Sprintf("%d%s", seconds/unit.size, unit.name)
		// Beyond ten of a unit the smaller one is noise.
		if rest := seconds % unit.size; i+1 < len(units) && seconds/unit.size < 10 &&
			rest/units[i+1].size > 0 {
			text += fmt.Sprintf("%d%s", rest/units[i+1].size, units[i+1].name)
		}
		return text
	}
	return "0s"
}

// ExactDuration is a time in seconds, a short one with parts of a second.
func ExactDuration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return Duration(d)
}
