package rundiff_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/server/rundiff"
	"github.com/berth-dev/berth/server/store"
)

var update = flag.Bool("update", false, "write the golden files")

// side is a run of the night with what a worker reported of it.
func side(change ...func(*store.RunSide)) *store.RunSide {
	s := &store.RunSide{
		Run: store.Run{
			Name: "calm-gull-041", Pool: "analytics", Queue: "default", Parameters: json.RawMessage(`{"date":"2026-01-01"}`),
			JobVariables: json.RawMessage(`{"env":{"MODE":"full"}}`),
		},
		Revision: store.RunRevision{
			JobVariables: json.RawMessage(`{"image":"registry/etl:latest","memory_limit":"1Gi","env":{"MODE":"quick"}}`),
			Parameters:   json.RawMessage(`{"retries":3}`), Version: "v7", CreatedBy: "ada",
			CreatedAt: time.Date(2025, 12, 1, 9, 30, 0, 0, time.UTC),
		},
		Attempt: &store.Attempt{
			TemplateVersion: 3, Image: "registry/etl@sha256:" + strings.Repeat("a", 64), ClusterID: "c1", Node: "node-1", Worker: "w1",
		},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

// TestWhatChangedSinceItWorked stages failures: each is the later run beside one that worked.
func TestWhatChangedSinceItWorked(t *testing.T) {
	for name, changes := range map[string][]func(*store.RunSide){
		"nothing": {},
		"the tag was pushed anew": {func(s *store.RunSide) {
			s.Attempt.Image = "registry/etl@sha256:" + strings.Repeat("a", 63) + "b"
		}},
		"a night later, on another node": {func(s *store.RunSide) {
			s.Run.Parameters = json.RawMessage(`{"date":"2026-01-02"}`)
			s.Attempt.Node = "node-2"
		}},
		"a new template version took memory away": {func(s *store.RunSide) {
			s.Attempt.TemplateVersion = 4
			s.Revision.JobVariables = json.RawMessage(`{"image":"registry/etl:latest","env":{"MODE":"quick"}}`)
			s.Revision.CreatedAt, s.Revision.CreatedBy, s.Revision.Version = s.Revision.CreatedAt.Add(time.Hour), "bob", ""
		}},
		"a retry raised the memory": {func(s *store.RunSide) { s.Attempt.Raised = json.RawMessage(`{"memory_limit":"2Gi"}`) }},
		"the environment is merged, however it is written": {func(s *store.RunSide) {
			s.Run.JobVariables = json.RawMessage(`{"env.MODE":"full","env.DEBUG":"1"}`)
		}},
		"it never started": {func(s *store.RunSide) { s.Attempt = nil }},
		"moved to another cluster": {func(s *store.RunSide) {
			s.Attempt.ClusterID, s.Attempt.Worker, s.Attempt.Node, s.Run.Pool = "c2", "w9", "n-7", "batch"
		}},
		"many values, and long ones": {func(s *store.RunSide) {
			s.Run.JobVariables = json.RawMessage(`{"env":{"A":1,"B":"","C":"x\ny","D":null,"MODE":"full"},"args":["` +
				strings.Repeat("very long ", 20) + `1"],"image":{"name":"odd"}}`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := rundiff.Compare(side(), side(changes...))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, text(result))

			// The other way round there is as much to say, of the same subjects.
			back, err := rundiff.Compare(side(changes...), side())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(subjects(result), subjects(back)); diff != "" {
				t.Errorf("the other way round: %s", diff)
			}
		})
	}
}

func subjects(r rundiff.Result) (all []rundiff.Subject) {
	for _, d := range r.Differences {
		all = append(all, d.Subject)
	}
	return append(append(all, "the same"), r.Same...)
}

func text(r rundiff.Result) string {
	var b strings.Builder
	for _, d := range r.Differences {
		b.WriteString(string(d.Subject) + ": " + d.Text + "\n")
	}
	b.WriteString("the same:")
	for _, s := range r.Same {
		b.WriteString(" " + string(s))
	}
	return b.String() + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", strings.NewReplacer(" ", "_", ",", "").Replace(name)+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestADocumentThatCannotBeReadIsAnError(t *testing.T) {
	broken := side(func(s *store.RunSide) { s.Run.Parameters = json.RawMessage(`[]`) })
	if _, err := rundiff.Compare(side(), broken); err == nil || !strings.Contains(err.Error(), "run calm-gull-041") {
		t.Errorf("got %v", err)
	}
}
