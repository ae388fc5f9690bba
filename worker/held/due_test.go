package held

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// reportOf makes reports of some attempt with epoch 3.
func reportOf() newReport {
	id := uuid.New()
	return func(kind api.ReportKind) api.Report { return api.Report{AttemptID: id, Epoch: 3, Kind: kind} }
}

// observed are the facts about an attempt with this observation.
func observed(o job.Observation) facts { return facts{observation: &o} }

func TestDueIsTheDifferenceBetweenFactsAndWhatTheServerAccepted(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	manifest := json.RawMessage(`{}`)
	launched := job.Launched{Namespace: "jobs", Name: "a-1", UID: "u1"}
	endedWhileAway := facts{
		job:         launched,
		observation: &job.Observation{Phase: job.Ended, RunningSince: &at, Succeeded: true},
	}
	tests := map[string]struct {
		stage    Stage
		facts    facts
		accepted accepted
		want     string
	}{
		"without facts nothing is due":          {Preparing, facts{}, accepted{}, ""},
		"a manifest waits for the first report": {Preparing, facts{manifest: manifest}, accepted{}, ""},
		"a manifest that is wanted first is due first": {
			Preparing, facts{manifest: manifest, manifestFirst: true}, accepted{}, "manifest+",
		},
		"an accepted manifest is not due": {
			Preparing, facts{manifest: manifest, manifestFirst: true}, accepted{manifest: true}, "",
		},
		"a created Job is due with its manifest": {
			Live, facts{manifest: manifest, job: launched}, accepted{}, "submitted+",
		},
		"why no Job can be created yet is due with the manifest": {
			Launching, facts{manifest: manifest, observation: &job.Observation{Phase: job.Pending, Diagnosis: "quota"}},
			accepted{}, "pending+",
		},
		"the end without a Job is due with the manifest": {
			Ended, facts{manifest: manifest, observation: &job.Observation{Phase: job.Ended, Category: api.CategoryInvalid}},
			accepted{}, "ended+",
		},
		"the manifest is due once": {
			Live, facts{manifest: manifest, job: launched, observation: &job.Observation{Phase: job.Running, RunningSince: &at}},
			accepted{}, "submitted+ running",
		},
		"a created Job is due with its UID": {
			Live, facts{job: launched}, accepted{manifest: true}, "submitted",
		},
		"an accepted Job is not due": {Live, facts{job: launched}, accepted{uid: "u1"}, ""},
		"a Job that was only observed counts as created": {
			Launching, observed(job.Observation{Phase: job.Pending, UID: "u1"}), accepted{},
			"submitted",
		},
		"pending without a reason is not due": {
			Live, observed(job.Observation{Phase: job.Pending, Node: "n"}), accepted{}, "",
		},
		"that a reason has passed is due": {
			Live, observed(job.Observation{Phase: job.Pending}), accepted{phase: job.Pending, diagnosis: "a"}, "pending",
		},
		"another diagnosis is due": {
			Live, observed(job.Observation{Phase: job.Pending, Diagnosis: "b"}),
			accepted{phase: job.Pending, diagnosis: "a"}, "pending",
		},
		"the same diagnosis is not due": {
			Live, observed(job.Observation{Phase: job.Pending, Diagnosis: "a"}),
			accepted{phase: job.Pending, diagnosis: "a"}, "",
		},
		"running is due after pending": {
			Live, observed(job.Observation{Phase: job.Running, RunningSince: &at}),
			accepted{phase: job.Pending}, "running",
		},
		"running is due once": {
			Live, observed(job.Observation{Phase: job.Running}), accepted{phase: job.Running}, "",
		},
		"a diagnosis of a running attempt is due": {
			Live, observed(job.Observation{Phase: job.Running, Diagnosis: "a"}), accepted{phase: job.Running},
			"running",
		},
		"the end of a diagnosis is due": {
			Live, observed(job.Observation{Phase: job.Running}), accepted{phase: job.Running, diagnosis: "a"},
			"running",
		},
		"another percent of the indexes is due": {
			Live, observed(job.Observation{Phase: job.Running, Indexes: &api.AttemptIndexes{Total: 1000, Succeeded: 10, Failed: 9}}),
			accepted{phase: job.Running}, "running",
		},
		"less than a percent of the indexes is not due": {
			Live, observed(job.Observation{Phase: job.Running, Indexes: &api.AttemptIndexes{Total: 1000, Succeeded: 19}}),
			accepted{phase: job.Running, indexesDone: 1}, "",
		},
		"a suspended Job is pending again": {
			Live, observed(job.Observation{Phase: job.Pending}), accepted{phase: job.Running}, "pending",
		},
		"an end while the server was away tells when it ran": {
			Ended, endedWhileAway, accepted{manifest: true}, "submitted running ended",
		},
		"an end that never ran is due alone": {
			Ended, observed(job.Observation{Phase: job.Ended, Category: api.CategoryImagePull}),
			accepted{phase: job.Pending}, "ended",
		},
		"nothing of an abandoned attempt is due": {
			Abandoned, observed(job.Observation{Phase: job.Ended}), accepted{}, "",
		},
		"nothing of a released attempt is due": {
			Released, observed(job.Observation{Phase: job.Ended}), accepted{}, "",
		},
		"only the hand back of an attempt is due": {
			HandingBack, facts{manifest: manifest}, accepted{}, "handed_back",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var kinds []string
			after := test.accepted
			for _, r := range due(test.stage, test.facts, test.accepted, reportOf()) {
				kind := string(r.Kind)
				if r.Manifest != nil {
					kind += "+"
				}
				kinds = append(kinds, kind)
				after = after.with(r)
				if r.Epoch != 3 {
					t.Errorf("report %s has epoch %d, want 3", r.Kind, r.Epoch)
				}
			}
			if diff := cmp.Diff(test.want, strings.Join(kinds, " ")); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
			// An outcome and a hand back are due until they are recorded, which changes the stage.
			for _, r := range due(test.stage, test.facts, after, reportOf()) {
				if r.Kind != api.ReportKindEnded && r.Kind != api.ReportKindHandedBack {
					t.Errorf("%s is still due after it was accepted", r.Kind)
				}
			}
		})
	}
}

func TestAnEndByTheInfrastructureIsFinalIfTheTemplateOrTheRuntimeSaysSo(t *testing.T) {
	for _, test := range []struct {
		category api.Category
		fail     bool
		final    bool // as observed
		want     bool
	}{
		{api.CategoryEvicted, true, false, true}, {api.CategoryPreempted, true, false, true},
		{api.CategoryNodeLost, true, false, true}, {api.CategoryEvicted, false, false, false},
		{api.CategoryApp, true, false, false}, {api.CategoryImagePull, true, false, false},
		{api.CategoryUnschedulable, false, true, true}, {api.CategoryUnschedulable, false, false, false},
	} {
		f := observed(job.Observation{Phase: job.Ended, Category: test.category, Final: test.final})
		f.failEvicted = test.fail
		reports := due(Ended, f, accepted{}, reportOf())
		if got := reports[len(reports)-1].Final; (got != nil && *got) != test.want {
			t.Errorf("%+v: final is %v", test, got)
		}
	}
}

func TestAnOutcomeThatTheServerCallsInvalidIsReportedWithoutDetails(t *testing.T) {
	code := int32(3)
	f := observed(job.Observation{
		Phase: job.Ended, Category: api.CategoryApp, ExitCode: &code, Message: "exit code 3", LastLines: "x", Node: "n",
	})
	f.refusal = "last_lines: too long"
	reports := due(Ended, f, accepted{}, reportOf())
	if len(reports) != 1 {
		t.Fatalf("%d reports are due, want 1", len(reports))
	}
	r := reports[0]
	if r.LastLines != nil || r.Node != nil || *r.ExitCode != 3 || *r.Category != api.CategoryApp {
		t.Errorf("reported %+v, want category and exit code only", r)
	}
}
