package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/berth-dev/berth/e2e/storm/verdict"
)

// shownHistories bounds how many violations are printed with all that is known of their run.
const shownHistories = 5

// summary is a result as a script reads it.
type summary struct {
	Seed       uint64         `json:"seed"`
	Command    string         `json:"command"` // repeats the storm
	Seconds    float64        `json:"seconds"`
	Requests   int64          `json:"requests"` // for runs
	Created    int64          `json:"created"`  // runs that clients were told of
	Runs       map[string]int `json:"runs"`     // that are stored, by state
	Attempts   int            `json:"attempts"`
	Events     int            `json:"events"`
	Claims     int64          `json:"claims"`
	Takeovers  int64          `json:"takeovers"`
	Abandoned  int64          `json:"abandoned"` // leases
	NoAnswer   int64          `json:"no_answer"` // calls
	Lost       int64          `json:"lost_answers"`
	Refused    map[string]int `json:"refused"` // reports, by answer
	Samples    int            `json:"samples"`
	Peaks      map[string]int `json:"peaks"` // slots in use in one sample, by limit
	Faults     map[string]int `json:"faults"`
	NotRun     []string       `json:"not_run"`
	Unexpected map[string]int `json:"unexpected"` // answers that no call should get
	Violations map[string]int `json:"violations"`
	Histories  []string       `json:"histories"`
}

func (r *result) summary(c config) summary {
	refused, unexpected, faults := r.counts.tables()
	s := summary{
		Seed: c.seed, Command: c.command(), Seconds: r.took.Seconds(), Requests: r.counts.requests.Load(),
		Created: r.counts.created.Load(), Runs: map[string]int{}, Attempts: len(r.facts.Attempts), Events: len(r.facts.Events),
		Claims: r.counts.claims.Load(), Takeovers: r.counts.takeovers.Load(), Abandoned: r.counts.abandoned.Load(),
		NoAnswer: r.counts.unmade.Load(), Lost: r.lost, Refused: refused, Samples: r.samples, Peaks: map[string]int{},
		Faults: faults, NotRun: r.notRun, Unexpected: unexpected, Violations: map[string]int{}, Histories: r.histories(),
	}
	for _, run := range r.facts.Runs {
		s.Runs[run.State]++
	}
	for _, l := range r.facts.Limits {
		for _, sample := range r.facts.Samples {
			if sample.Scope == l.Scope {
				s.Peaks[fmt.Sprintf("%s, limit %d", l.Scope, l.Max)] = sample.Used
			}
		}
	}
	for _, check := range verdict.Checks() {
		s.Violations[string(check)] = 0
	}
	for _, v := range r.violations {
		s.Violations[string(v.Check)]++
	}
	return s
}

// histories are the first violations of each check, each with all that is known of its run.
func (r *result) histories() []string {
	var all []string
	shown := map[verdict.Check]int{}
	for _, v := range r.violations {
		if shown[v.Check]++; shown[v.Check] > shownHistories {
			continue
		}
		var text strings.Builder
		_, _ = fmt.Fprintf(&text, "%s: %s\n", v.Check, v.Text)
		if v.Run != uuid.Nil {
			verdict.PrintHistory(&text, r.facts, v.Run, r.began)
		}
		all = append(all, text.String())
	}
	return all
}

func (r *result) print(to io.Writer, c config) error {
	s := r.summary(c)
	if c.output == "json" {
		encoder := json.NewEncoder(to)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	}
	for _, history := range s.Histories {
		_, _ = fmt.Fprintln(to, history)
	}
	t := table.NewWriter()
	t.SetOutputMirror(to)
	t.SetStyle(table.StyleLight)
	t.AppendRows([]table.Row{
		{"seconds", fmt.Sprintf("%.0f", s.Seconds)},
		{"runs asked for, told of", fmt.Sprintf("%d, %d", s.Requests, s.Created)},
		{"runs stored", counted(s.Runs)},
		{"attempts, events", fmt.Sprintf("%d, %d", s.Attempts, s.Events)},
		{"claims, takeovers", fmt.Sprintf("%d, %d", s.Claims, s.Takeovers)},
		{"leases abandoned", s.Abandoned},
		{"calls without an answer", fmt.Sprintf("%d, of them carried out for certain %d", s.NoAnswer, s.Lost)},
		{"reports refused", counted(s.Refused)},
		{"highest of samples", fmt.Sprintf("of %d:\n%s", s.Samples, counted(s.Peaks))},
		{"faults", counted(s.Faults)},
		{"not run", strings.Join(s.NotRun, "\n")},
		{"unexpected answers", counted(s.Unexpected)},
	})
	t.AppendSeparator()
	for _, check := range verdict.Checks() {
		t.AppendRow(table.Row{check, s.Violations[string(check)]})
	}
	t.Render()
	if len(r.violations) > 0 {
		_, _ = fmt.Fprintf(to, "to repeat it: %s\n", s.Command)
	}
	return nil
}

// counted lists counts, a line each.
func counted(counts map[string]int) string {
	var lines []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("%s %d", what, counts[what]))
	}
	return strings.Join(lines, "\n")
}
