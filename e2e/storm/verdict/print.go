package verdict

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
)

// PrintHistory prints all that is known of a run in order of time: what clients and workers did, what the servers stored,
// and what was done to the installation meanwhile. began is the beginning of the journal.
func PrintHistory(w io.Writer, f Facts, run uuid.UUID, began time.Time) {
	lines := journalLines(f, run)
	var first time.Duration
	if len(lines) > 0 {
		first = lines[0].at
		lines = append(lines, faultLines(f, first, lines[len(lines)-1].at)...)
	}
	lines = append(lines, eventLines(f, run, began, first)...)
	slices.SortStableFunc(lines, func(a, b line) int { return int(a.at - b.at) })
	for _, r := range f.Runs {
		if r.ID == run {
			_, _ = fmt.Fprintf(w, "run %s of %s in %s, request %d, slot %s: %s after %d attempts\n", r.ID, r.Deployment, r.Queue,
				r.Request, r.Slot.Format(time.RFC3339), r.State, r.Attempts)
		}
	}
	for _, l := range lines {
		_, _ = fmt.Fprintf(w, "  %10.3fs  %s\n", l.at.Seconds(), l.text)
	}
}

type line struct {
	at   time.Duration
	text string
}

// journalLines are the entries about a run, and those about the leases of its holders while they held it.
func journalLines(f Facts, run uuid.UUID) []line {
	holding, requests := map[string]bool{}, map[int64]bool{}
	for _, e := range f.Entries {
		if e.Run == run && e.Kind == journal.Created {
			requests[e.Request] = true
		}
	}
	var lines []line
	for _, e := range f.Entries {
		ofLease := holding[e.Who] && (e.Kind == journal.Renewed || e.Kind == journal.Killed)
		if e.Run == run || ofLease || e.Kind == journal.Asked && requests[e.Request] {
			lines = append(lines, line{e.At, String(e)})
		}
		if e.Run == run {
			switch e.Kind {
			case journal.Claimed:
				holding[e.Who] = true
			case journal.Lost, journal.Abandoned, journal.Released, journal.Reported:
				if e.Kind != journal.Reported || endsHold(e) {
					delete(holding, e.Who)
				}
			}
		}
	}
	return lines
}

// faultLines are what was done to the installation between two times.
func faultLines(f Facts, first, last time.Duration) []line {
	var lines []line
	for _, e := range f.Entries {
		if (e.Kind == journal.Fault || e.Kind == journal.Jumped) && e.At >= first && e.Sent <= last {
			lines = append(lines, line{e.At, String(e)})
		}
	}
	return lines
}

// eventLines are the stored events of a run that nothing was known of before a time. The database's clock jumped, so each is
// placed where its time fits, after the one before.
func eventLines(f Facts, run uuid.UUID, began time.Time, after time.Duration) []line {
	var lines []line
	for _, e := range f.Events {
		if e.Run == run {
			after = placed(f, e.At.Sub(began), after)
			lines = append(lines, line{after, fmt.Sprintf("server: event %d of attempt %d by %s: %s %s %s",
				e.Seq, e.Attempt, e.Actor, e.State, e.Name, e.Message)})
		}
	}
	return lines
}

// placed is the first time of the storm, not before another one, at which the database's clock said at.
func placed(f Facts, at, earliest time.Duration) time.Duration {
	const slack = time.Millisecond // the clocks are read one after the other
	var offset, since time.Duration
	for _, e := range f.Entries {
		if e.Kind != journal.Jumped {
			continue
		}
		if t := at - offset; t >= max(since, earliest)-slack && t < e.At {
			return t
		}
		offset, since = offset+e.By, e.Sent
	}
	return at - offset
}

// String is an entry in words.
func String(e journal.Entry) string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s: %s", e.Who, e.Kind)
	for _, part := range []struct {
		shown bool
		text  string
	}{
		{e.Request != 0, fmt.Sprintf("request %d", e.Request)},
		{e.Number != 0, fmt.Sprintf("attempt %d", e.Number)},
		{e.Epoch != 0, fmt.Sprintf("epoch %d", e.Epoch)},
		{e.Report != "", e.Report},
		{e.Outcome != "", fmt.Sprintf("%q", e.Outcome)},
		{e.Scope != "", e.Scope},
		{e.By != 0, "by " + e.By.String()},
		{e.Until != 0, fmt.Sprintf("until %.3fs", e.Until.Seconds())},
		{e.Text != "", e.Text},
		{e.Kind == journal.Reported && e.Status == journal.NoAnswer, "→ no answer"},
		{e.Status != "", "→ " + e.Status},
		{e.Sent != e.At, fmt.Sprintf("(sent %.3fs)", e.Sent.Seconds())},
	} {
		if part.shown {
			b.WriteString(" " + part.text)
		}
	}
	return b.String()
}
