package verdict_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/e2e/storm/journal"
	"github.com/berth-dev/berth/e2e/storm/verdict"
)

const second = time.Second

func id(n byte) uuid.UUID { return uuid.UUID{15: n} }

// calm are facts without a violation: run 1 is claimed, abandoned, taken over and completed; run 2 is handed back once and
// completed; run 3 comes from a schedule and is cancelled before a claim.
func calm() verdict.Facts {
	call := func(sent, at time.Duration, e journal.Entry) journal.Entry {
		e.Sent, e.At = sent, at
		return e
	}
	one := func(who string, epoch int64, e journal.Entry) journal.Entry {
		e.Who, e.Run, e.Attempt, e.Number, e.Epoch = who, id(1), id(11), 1, epoch
		return e
	}
	two := func(epoch int64, e journal.Entry) journal.Entry {
		e.Who, e.Run, e.Attempt, e.Number, e.Epoch = "w2", id(2), id(21), 1, epoch
		return e
	}
	return verdict.Facts{
		Entries: []journal.Entry{
			call(0, 0, journal.Entry{Kind: journal.Asked, Who: "c", Request: 1}),
			call(0, 0, journal.Entry{Kind: journal.Asked, Who: "c", Request: 2}),
			call(0, 1*second, journal.Entry{Kind: journal.Created, Who: "c", Request: 1, Run: id(1)}),
			call(1*second, 2*second, one("w1", 1, journal.Entry{Kind: journal.Claimed, Until: 6 * second})),
			call(3*second, 4*second, journal.Entry{Kind: journal.Renewed, Who: "w1", Until: 8 * second}),
			call(9*second, 10*second, one("w2", 2, journal.Entry{Kind: journal.Claimed, Until: 14 * second, Text: "taken over"})),
			call(11*second, 12*second, one("w1", 1, journal.Entry{
				Kind: journal.Reported, Report: "ended", Outcome: "late", Status: "stale",
			})),
			call(12*second, 13*second, one("w2", 2, journal.Entry{
				Kind: journal.Reported, Report: "ended", Outcome: "done by w2", Status: "accepted",
			})),
			call(14*second, 15*second, two(1, journal.Entry{Kind: journal.Claimed, Until: 19 * second})),
			call(16*second, 17*second, two(1, journal.Entry{
				Kind: journal.Reported, Report: "handed_back", Status: "accepted",
			})),
			call(17*second, 18*second, two(2, journal.Entry{Kind: journal.Claimed, Until: 22 * second})),
			call(19*second, 20*second, two(2, journal.Entry{
				Kind: journal.Reported, Report: "ended", Outcome: "done", Status: "accepted",
			})),
		},
		Runs: []verdict.Run{
			{ID: id(1), Request: 1, Deployment: "d", Queue: "p/q", Pool: "p", State: "COMPLETED", Ended: true, Attempts: 1, LastEvent: 4},
			{ID: id(2), Request: 2, Deployment: "d", Queue: "p/q", Pool: "p", State: "COMPLETED", Ended: true, Attempts: 1, LastEvent: 5},
			{ID: id(3), Schedule: id(9), Deployment: "d", Queue: "p/q", Pool: "p", State: "CANCELLED", Ended: true, LastEvent: 2},
		},
		Attempts: []verdict.Attempt{
			{Run: id(1), ID: id(11), Number: 1, Epoch: 2, Succeeded: true, Message: "done by w2"},
			{Run: id(2), ID: id(21), Number: 1, Epoch: 2, Succeeded: true, Message: "done"},
		},
		Events: []verdict.Event{
			{Run: id(1), Seq: 2, State: "PENDING"},
			{Run: id(1), Seq: 3, State: "RUNNING"},
			{Run: id(1), Seq: 4, State: "COMPLETED"},
			{Run: id(2), Seq: 2, State: "PENDING"},
			{Run: id(2), Seq: 3, State: "SCHEDULED"},
			{Run: id(2), Seq: 4, State: "PENDING"},
			{Run: id(2), Seq: 5, State: "COMPLETED"},
			{Run: id(3), Seq: 2, State: "CANCELLED"},
		},
		Limits: []verdict.Limit{{"pool p", 1}, {"deployment d", 1}, {"queue p/q", 1}},
		Samples: []verdict.Sample{
			{Scope: "pool p", At: second, Used: 1},
		},
		Executions: []verdict.Execution{{Run: id(1), Number: 1, Started: 1, Ended: 1}},
	}
}

func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	for _, v := range verdict.Judge(calm()) {
		t.Errorf("%s: %s", v.Check, v.Text)
	}
}

// entry returns the n-th entry of a kind.
func entry(f *verdict.Facts, kind journal.Kind, n int) *journal.Entry {
	for i := range f.Entries {
		if f.Entries[i].Kind == kind {
			if n--; n < 0 {
				return &f.Entries[i]
			}
		}
	}
	panic(fmt.Sprintf("there is no such entry of kind %s", kind))
}

func TestEveryPlantedViolationIsFound(t *testing.T) {
	for name, test := range map[string]struct {
		plant func(f *verdict.Facts)
		check verdict.Check
		text  string
	}{
		"a run that a client was told of is missing": {
			func(f *verdict.Facts) { entry(f, journal.Created, 0).Run = id(7) }, verdict.Lost, "does not exist",
		},
		"an accepted end is not stored": {
			func(f *verdict.Facts) { f.Attempts[0].ID = id(12) }, verdict.Lost, "is not stored",
		},
		"another end is stored than was accepted": {
			func(f *verdict.Facts) { f.Attempts[0].Message = "exit code 1" }, verdict.Lost, "stored is",
		},
		"an attempt of a run is missing": {
			func(f *verdict.Facts) { f.Runs[0].Attempts = 2 }, verdict.Lost, "it had 2 attempts, stored are 1",
		},
		"an attempt without a process": {
			func(f *verdict.Facts) { f.ProcessPool, f.Executions = "p", nil }, verdict.Lost, "did not come to its end",
		},
		"two answers to one request": {
			func(f *verdict.Facts) {
				f.Entries = append(f.Entries, journal.Entry{At: 21 * second, Kind: journal.Created, Request: 1, Run: id(2)})
			}, verdict.Doubled, "and before with run",
		},
		"two runs of one request": {
			func(f *verdict.Facts) { f.Runs[1].Request = 1 }, verdict.Doubled, "request 1 created it",
		},
		"a run without a request": {
			func(f *verdict.Facts) { f.Runs[1].Request = 5 }, verdict.Doubled, "it was not asked for",
		},
		"two runs of one slot": {
			func(f *verdict.Facts) {
				again := f.Runs[2]
				again.ID = id(4)
				f.Runs = append(f.Runs, again)
			}, verdict.Doubled, "the slot",
		},
		"two workers with a valid lease": {
			func(f *verdict.Facts) { entry(f, journal.Renewed, 0).Until = 11 * second }, verdict.Doubled,
			"each with a valid lease",
		},
		"the end of an attempt is accepted from two workers": {
			func(f *verdict.Facts) { entry(f, journal.Reported, 0).Status = "accepted" }, verdict.Doubled, "ended for w1",
		},
		"a report with an old epoch is accepted": {
			func(f *verdict.Facts) {
				e := entry(f, journal.Reported, 0)
				e.Report, e.Status = "running", "accepted"
			}, verdict.Doubled, "already had epoch 2",
		},
		"an attempt is claimed after its end": {
			func(f *verdict.Facts) {
				e := *entry(f, journal.Claimed, 1)
				e.Sent, e.At, e.Epoch = 21*second, 22*second, 3
				f.Entries = append(f.Entries, e)
			}, verdict.Doubled, "after its end had been accepted",
		},
		"an attempt number is missing": {
			func(f *verdict.Facts) { f.Attempts[0].Number = 2 }, verdict.Doubled, "has number 2",
		},
		"a process is started twice": {
			func(f *verdict.Facts) { f.Executions[0].Started = 2 }, verdict.Doubled, "was started 2 times",
		},
		"a run that never ends": {
			func(f *verdict.Facts) { f.Runs[0].Ended, f.Runs[0].Ready = false, 1 }, verdict.Stuck, "1 rows in ready",
		},
		"a run without an end has no row": {
			func(f *verdict.Facts) { f.Runs[0].Ended = false }, verdict.Stuck, "0 rows in ready",
		},
		"a run that has ended has a row": {
			func(f *verdict.Facts) { f.Runs[0].Live = 1 }, verdict.LeftBehind, "1 in live",
		},
		"a process is left": {
			func(f *verdict.Facts) { f.Left = append(f.Left, "process 7") }, verdict.LeftBehind, "process 7",
		},
		"events of no run": {
			func(f *verdict.Facts) {
				f.Events = append(f.Events, verdict.Event{Run: id(8), Seq: 2, State: "PENDING"})
			},
			verdict.LeftBehind, "does not exist",
		},
		"a sample above a limit": {
			func(f *verdict.Facts) { f.Samples[0].Used = 2 }, verdict.Overshot, "2 attempts in live",
		},
		"two attempts in one slot": {
			func(f *verdict.Facts) {
				e := entry(f, journal.Claimed, 2)
				e.Sent, e.At = 10*second, 11*second
			}, verdict.Overshot, "2 slots in use",
		},
		"a claim during a pause": {
			func(f *verdict.Facts) {
				pause := journal.Entry{Sent: second, At: 13 * second, Kind: journal.Paused, Scope: "queue p/q"}
				f.Entries = slices.Insert(f.Entries, 8, pause)
				f.Entries = append(f.Entries, journal.Entry{Sent: 30 * second, At: 31 * second, Kind: journal.Resumed, Scope: "queue p/q"})
			}, verdict.Overshot, "while queue p/q was paused",
		},
		"a gap in the events": {
			func(f *verdict.Facts) { f.Events = slices.Delete(f.Events, 1, 2) }, verdict.EventGap, "event 4 follows event 2",
		},
		"a number that two events have": {
			func(f *verdict.Facts) { f.Events[1].Seq = 2 }, verdict.EventGap, "event 2 follows event 2",
		},
		"the last events are missing": {
			func(f *verdict.Facts) { f.Events = slices.Delete(f.Events, 2, 3) }, verdict.EventGap, "is number 4, stored are 3",
		},
		"a step that runs do not take": {
			func(f *verdict.Facts) { f.Events[1].State = "COMPLETED" }, verdict.EventGap, "COMPLETED follows COMPLETED",
		},
		"an end that no event tells": {
			func(f *verdict.Facts) { f.Runs[0].State = "FAILED" }, verdict.EventGap, "its last event says COMPLETED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := calm()
			test.plant(&f)
			found := verdict.Judge(f)
			if !slices.ContainsFunc(found, func(v verdict.Violation) bool {
				return v.Check == test.check && strings.Contains(v.Text, test.text)
			}) {
				t.Errorf("not found: %+v", found)
			}
		})
	}
}

// TestAJumpOfTheClockEndsLeases: the server hands attempts over at once, as it should.
func TestAJumpOfTheClockEndsLeases(t *testing.T) {
	f := calm()
	entry(&f, journal.Renewed, 0).Until = 20 * second
	isDoubled := func(v verdict.Violation) bool { return v.Check == verdict.Doubled }
	if !slices.ContainsFunc(verdict.Judge(f), isDoubled) {
		t.Fatal("a lease that overlaps another one was not found")
	}
	f.Entries = slices.Insert(f.Entries, 5, journal.Entry{Sent: 7 * second, At: 8 * second, Kind: journal.Jumped, By: time.Hour})
	if v := verdict.Judge(f); slices.ContainsFunc(v, isDoubled) {
		t.Errorf("the lease had ended with the jump: %+v", v)
	}
	f.Entries[5].By = -time.Hour
	if !slices.ContainsFunc(verdict.Judge(f), isDoubled) {
		t.Error("a jump back ends no lease")
	}
}

// TestALateAnswerToAClaimTakesNoSlot: its attempt had ended by then, through another worker that had taken it over.
func TestALateAnswerToAClaimTakesNoSlot(t *testing.T) {
	f := calm()
	late := *entry(&f, journal.Claimed, 0)
	late.At, late.Until = 21*second, 22*second
	f.Entries = append(slices.DeleteFunc(f.Entries, func(e journal.Entry) bool {
		return e.Kind == journal.Claimed && e.Who == "w1"
	}), late)
	for _, v := range verdict.Judge(f) {
		if v.Check == verdict.Overshot {
			t.Errorf("%s: %s", v.Check, v.Text)
		}
	}
}

func TestAHistoryTellsBothSidesInOrder(t *testing.T) {
	f := calm()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Entries = slices.Insert(f.Entries, 4,
		journal.Entry{Sent: 4 * second, At: 4 * second, Who: "faults", Kind: journal.Jumped, By: time.Hour})
	f.Events[0].At = began.Add(2500 * time.Millisecond)
	f.Events[1].At = began.Add(time.Hour + 11*second)
	f.Events[2].At = began.Add(time.Hour + 12500*time.Millisecond)
	var text strings.Builder
	verdict.PrintHistory(&text, f, id(1), began)
	at := 0
	for _, want := range []string{
		"request 1, slot", "c: asked request 1", "w1: claimed attempt 1", "event 2", "w1: renewed", "faults: jumped by 1h",
		"w2: claimed attempt 1 epoch 2", "event 3", "→ stale", "event 4", `w2: reported attempt 1 epoch 2 ended "done by w2" → accepted`,
	} {
		i := strings.Index(text.String()[at:], want)
		if i < 0 {
			t.Fatalf("%q does not follow in\n%s", want, &text)
		}
		at += i
	}
}
