package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/pgtest"
	"github.com/berth-dev/berth/internal/testenv"
)

// TestAShortStormViolatesNothing: each fault happens once. `make storm` is the long one.
func TestAShortStormViolatesNothing(t *testing.T) {
	testenv.Slow(t, "it runs servers, workers and PostgreSQL under every fault")
	pgtest.Binary(t, "initdb")
	c := config{
		runs: 1500, servers: 3, workers: 8, backlog: 600, every: 200 * time.Millisecond, lease: 4 * time.Second,
		settle: 3 * time.Minute, output: "table", seed: uint64(time.Now().UnixNano()),
	}
	var progress bytes.Buffer
	r, err := storm(t.Context(), c, &progress)
	if err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	var report bytes.Buffer
	if err := r.print(&report, c); err != nil {
		t.Fatal(err)
	}
	if len(r.violations) > 0 || len(r.summary(c).Unexpected) > 0 {
		t.Errorf("%d violations:\n%s", len(r.violations), &report)
	}
	s := r.summary(c)
	for _, name := range faultNames() {
		if s.Faults[name] == 0 && name != diskFull {
			t.Errorf("the fault %s did not happen", name)
		}
	}
	if s.Created == 0 || s.Runs["COMPLETED"] < c.runs/2 || s.Takeovers == 0 {
		t.Errorf("that was no storm:\n%s", &report)
	}
	for _, what := range s.NotRun {
		t.Run(strings.Fields(what)[0], func(t *testing.T) { testenv.Missing(t, what) })
	}
}

func TestWrongFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-runs", "0"}, {"-servers", "0"}, {"-workers", "1"}, {"-every", "0s"}, {"-lease", "1s"}, {"-settle", "0s"},
		{"-backlog", "0"}, {"-o", "yaml"}, {"-faults", "rain"}, {"more"}, {"-no-such-flag"},
	} {
		if code := run(t.Context(), args); code != exitRefused {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestTheSameSeedDrawsTheSame(t *testing.T) {
	a, b := config{seed: 7}.dice("faults", 0), config{seed: 7}.dice("faults", 0)
	other, part := config{seed: 8}.dice("faults", 0), config{seed: 7}.dice("client", 0)
	for range 10 {
		if x := a.Uint64(); x != b.Uint64() || x == other.Uint64() || x == part.Uint64() {
			t.Fatal("the dice do not depend on seed and part alone")
		}
	}
}

func TestNotesOfProcessesAreCounted(t *testing.T) {
	path := t.TempDir() + "/notes"
	run := "01a2277a-4b22-707d-994e-d53705546456"
	text := "S " + run + " 1\nE " + run + " 1\nS " + run + " 2\nS " + run + " 2\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	notes, err := readNotes(path)
	if err != nil || len(notes) != 2 || notes[0].Started != 1 || notes[0].Ended != 1 || notes[1].Started != 2 ||
		notes[1].Ended != 0 {
		t.Errorf("%+v, %v", notes, err)
	}
}

func TestASummaryIsOneDocument(t *testing.T) {
	r := &result{counts: newCounts()}
	r.counts.fault("server-killed")
	c := config{seed: 7, runs: 10, output: "json"}
	var text bytes.Buffer
	if err := r.print(&text, c); err != nil {
		t.Fatal(err)
	}
	var s summary
	if err := json.Unmarshal(text.Bytes(), &s); err != nil || s.Faults["server-killed"] != 1 || len(s.Violations) != 6 ||
		!strings.Contains(s.Command, "-seed 7 -runs 10") {
		t.Errorf("%v: %s", err, &text)
	}
}
