package held

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func stages() []Stage {
	return []Stage{Preparing, Launching, Live, Ending, Ended, HandingBack, Abandoned, Released}
}

func events() []Event {
	return []Event{
		LaunchStarted, JobLaunched, CancelRequested, EndObserved, EndDecided, StoppedBeforeCreate, LeftToOthers, Replaced,
		OutcomeRecorded, OutcomeRefused, HandBackRecorded, LeaseLost, DuplicateRefused, EndedAtServer, UnknownAtServer,
	}
}

// situation is one argument list of the transition function.
type situation struct {
	stage       Stage
	event       Event
	jobMayExist bool
}

type transition struct {
	next   Stage
	action Action
}

// documentedTransitions reads the table of the package documentation.
func documentedTransitions(t *testing.T) map[situation]transition {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	table := map[situation]transition{}
	columns := regexp.MustCompile(`\s{2,}`)
	for line := range strings.Lines(string(text)) {
		row, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "//\t")
		if !ok || strings.HasPrefix(row, "event ") {
			continue
		}
		cells := columns.Split(row, -1)
		if len(cells) != 5 {
			t.Fatalf("row %q has %d cells, want 5", row, len(cells))
		}
		addRow(t, table, cells)
	}
	return table
}

func addRow(t *testing.T, table map[situation]transition, cells []string) {
	t.Helper()
	event, action := Event(cells[0]), Action(strings.TrimPrefix(cells[4], "-"))
	if !slices.Contains(events(), event) {
		t.Fatalf("unknown event %q", event)
	}
	for _, stage := range stagesIn(cells[1]) {
		if !slices.Contains(stages(), stage) {
			t.Fatalf("unknown stage %q of event %q", stage, event)
		}
		next := Stage(cells[3])
		if next == "=" {
			next = stage
		}
		for _, jobMayExist := range map[string][]bool{"any": {true, false}, "yes": {true}, "no": {false}}[cells[2]] {
			key := situation{stage, event, jobMayExist}
			if _, twice := table[key]; twice {
				t.Errorf("%+v has two rows", key)
			}
			table[key] = transition{next, action}
		}
	}
}

func stagesIn(cell string) []Stage {
	var list []Stage
	if cell == "held" {
		return slices.DeleteFunc(stages(), func(s Stage) bool { return s == Released })
	}
	for _, name := range strings.Split(cell, ", ") {
		list = append(list, Stage(name))
	}
	return list
}

// everySituation calls check for each stage, event and whether a Job may exist.
func everySituation(check func(situation, transition)) {
	for _, stage := range stages() {
		for _, event := range events() {
			for _, jobMayExist := range []bool{true, false} {
				after, action := next(stage, event, jobMayExist)
				check(situation{stage, event, jobMayExist}, transition{after, action})
			}
		}
	}
}

func TestEveryPairOfStageAndEventDoesWhatTheDocumentedTableSays(t *testing.T) {
	documented := documentedTransitions(t)
	everySituation(func(s situation, got transition) {
		want, ok := documented[s]
		if !ok {
			want = transition{s.stage, Nothing}
		}
		if got != want {
			t.Errorf("%+v becomes %+v, documented is %+v", s, got, want)
		}
	})
}

func TestNoTransitionBreaksWhatMustHold(t *testing.T) {
	everySituation(func(s situation, got transition) {
		if s.stage == Released && got.next != Released {
			t.Errorf("%+v: a released attempt is held again", s)
		}
		if s.stage != Preparing && s.stage != Launching && got.next == Launching {
			t.Errorf("%+v: a Job may be created again", s)
		}
		if s.stage == Ended && got.next != Ended && got.next != Released {
			t.Errorf("%+v: the first end does not count", s)
		}
		if got.next == HandingBack && s.stage != HandingBack && s.event != StoppedBeforeCreate {
			t.Errorf("%+v: handed back although a Job may exist", s)
		}
		if got.next == Abandoned && !s.jobMayExist && s.stage != Abandoned {
			t.Errorf("%+v: nothing will ever release it", s)
		}
		if s.event == LeaseLost && s.stage != Released && (got.next != Released || got.action != Disown) {
			t.Errorf("%+v: acts on an attempt of another worker", s)
		}
	})
}
