package worker

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

func TestWhatIsDueIsTheDifferenceBetweenWhatIsKnownAndWhatWasSaid(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	seen := func(o job.Observation) *job.Observation { return &o }
	manifest := json.RawMessage(`{}`)
	launched := job.Launched{Namespace: "jobs", Name: "a-1", UID: "u1"}
	tests := map[string]struct {
		known known
		said  said
		want  string
	}{
		"nothing is known, nothing is due":               {known{}, said{}, ""},
		"a manifest goes first":                          {known{manifest: manifest}, said{}, "manifest"},
		"an accepted manifest is not said again":         {known{manifest: manifest}, said{manifest: true}, ""},
		"a Job is reported with its UID":                 {known{job: launched}, said{manifest: true}, "submitted"},
		"a reported Job is not said again":               {known{job: launched}, said{uid: "u1"}, ""},
		"a Job that was only observed counts as created": {known{seen: seen(job.Observation{Phase: job.Pending, UID: "u1"})}, said{}, "submitted pending"},
		"another diagnosis is said":                      {known{seen: seen(job.Observation{Phase: job.Pending, Diagnosis: "b"})}, said{phase: job.Pending, diagnosis: "a"}, "pending"},
		"the same diagnosis is not":                      {known{seen: seen(job.Observation{Phase: job.Pending, Diagnosis: "a"})}, said{phase: job.Pending, diagnosis: "a"}, ""},
		"running after pending":                          {known{seen: seen(job.Observation{Phase: job.Running, RunningSince: &at})}, said{phase: job.Pending}, "running"},
		"running twice is said once":                     {known{seen: seen(job.Observation{Phase: job.Running})}, said{phase: job.Running}, ""},
		"what is wrong with a run that runs is said":     {known{seen: seen(job.Observation{Phase: job.Running, Diagnosis: "a"})}, said{phase: job.Running}, "running"},
		"and that it is well again":                      {known{seen: seen(job.Observation{Phase: job.Running})}, said{phase: job.Running, diagnosis: "a"}, "running"},
		"a suspended Job goes back to pending":           {known{seen: seen(job.Observation{Phase: job.Pending})}, said{phase: job.Running}, "pending"},
		"an end that came while the server was away brings the time it ran": {
			known{job: launched, seen: seen(job.Observation{Phase: job.Ended, RunningSince: &at, Succeeded: true})}, said{manifest: true}, "submitted running ended"},
		"an end that never ran says so":        {known{seen: seen(job.Observation{Phase: job.Ended, Category: api.CategoryImagePull})}, said{phase: job.Pending}, "ended"},
		"what is over has nothing more to say": {known{seen: seen(job.Observation{Phase: job.Ended})}, said{over: true}, ""},
		"handing back is all there is to say":  {known{manifest: manifest, handBack: true}, said{}, "handed_back"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var kinds []api.ReportKind
			reports := due(api.AttemptLease{AttemptID: uuid.New(), Epoch: 3}, test.known, test.said)
			s := test.said
			for _, r := range reports {
				kinds = append(kinds, r.Kind)
				s = s.accepted(r)
				if r.Epoch != 3 {
					t.Errorf("report %s has epoch %d, want 3", r.Kind, r.Epoch)
				}
			}
			if diff := cmp.Diff(test.want, words(kinds)); diff != "" {
				t.Errorf("due (-want +got):\n%s", diff)
			}
			if again := due(api.AttemptLease{}, test.known, s); len(again) > 0 {
				t.Errorf("still due once all was accepted: %v", again)
			}
		})
	}
}

func TestAnEndByTheInfrastructureIsFinalWhereTheTemplateSaysSo(t *testing.T) {
	for _, test := range []struct {
		category api.Category
		fail     bool
		want     bool
	}{
		{api.CategoryEvicted, true, true}, {api.CategoryPreempted, true, true}, {api.CategoryNodeLost, true, true},
		{api.CategoryEvicted, false, false}, {api.CategoryApp, true, false}, {api.CategoryImagePull, true, false},
	} {
		k := known{failEvicted: test.fail, seen: &job.Observation{Phase: job.Ended, Category: test.category}}
		reports := due(api.AttemptLease{}, k, said{})
		if got := reports[len(reports)-1].Final; (got != nil && *got) != test.want {
			t.Errorf("%+v: final is %v", test, got)
		}
	}
}

func TestAnEndThatTheServerCallsInvalidIsSaidInFewerWords(t *testing.T) {
	code := int32(3)
	k := known{seen: &job.Observation{Phase: job.Ended, Category: api.CategoryApp, ExitCode: &code, Message: "exit code 3", LastLines: "x", Node: "n"}}
	reports := due(api.AttemptLease{}, k, said{refused: "last_lines: too long"})
	if len(reports) != 1 {
		t.Fatalf("%d reports are due, want 1", len(reports))
	}
	r := reports[0]
	if r.LastLines != nil || r.Node != nil || *r.ExitCode != 3 || categoryOf(r) != "app" {
		t.Errorf("said as %+v, want the outcome alone", r)
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	tests := map[string]struct {
		kind   api.ReportKind
		status api.ReportResultStatus
		hasJob bool
		said   said
		want   action
	}{
		"an accepted report goes on":                         {api.ReportKindRunning, api.ReportResultStatusAccepted, true, said{}, actNone},
		"a recorded end lets the Job go":                     {api.ReportKindEnded, api.ReportResultStatusAccepted, true, said{}, actRelease},
		"a recorded end without a Job is all":                {api.ReportKindEnded, api.ReportResultStatusAccepted, false, said{}, actRemove},
		"handed back is all":                                 {api.ReportKindHandedBack, api.ReportResultStatusAccepted, false, said{}, actRemove},
		"a stale epoch touches nothing":                      {api.ReportKindEnded, api.ReportResultStatusStale, true, said{}, actForget},
		"a run that ended otherwise has its Job ended":       {api.ReportKindRunning, api.ReportResultStatusEnded, true, said{}, actAbandon},
		"a run that ended otherwise before its Job was made": {api.ReportKindManifest, api.ReportResultStatusEnded, false, said{}, actRemove},
		"two ends are one":                                   {api.ReportKindEnded, api.ReportResultStatusEnded, true, said{}, actRelease},
		"a second Job is discarded":                          {api.ReportKindSubmitted, api.ReportResultStatusDuplicateJob, true, said{}, actDiscard},
		"an unknown attempt with a Job is looked at later":   {api.ReportKindRunning, api.ReportResultStatusUnknown, true, said{}, actSuspect},
		"an unknown attempt without one is dropped":          {api.ReportKindManifest, api.ReportResultStatusUnknown, false, said{}, actRemove},
		"a manifest that is invalid ends the attempt":        {api.ReportKindManifest, api.ReportResultStatusInvalid, false, said{}, actEndWith},
		"an end that is invalid is said shorter":             {api.ReportKindEnded, api.ReportResultStatusInvalid, true, said{}, actSayShort},
		"an end that stays invalid is left for a person":     {api.ReportKindEnded, api.ReportResultStatusInvalid, true, said{refused: "x"}, actLeave},
		"a diagnosis that is invalid is not said again":      {api.ReportKindPending, api.ReportResultStatusInvalid, true, said{}, actIgnore},
		"a word of a newer server is taken for invalid":      {api.ReportKindPending, "postponed", true, said{}, actIgnore},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := judge(api.Report{Kind: test.kind}, test.status, test.said, test.hasJob); got != test.want {
				t.Errorf("judged as %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhatAnEndMeansAfterWeAskedForIt(t *testing.T) {
	cancelled := &job.Observation{Category: api.CategoryCancelled, Message: "cancelled"}
	late := &job.Observation{Category: api.CategoryUnknown, Message: "too late"}
	tests := map[string]struct {
		seen job.Observation
		as   *job.Observation
		want api.Category
	}{
		"a Job found gone after a cancel was cancelled": {job.Observation{Phase: job.Ended, Category: api.CategoryDeleted}, cancelled, api.CategoryCancelled},
		"a Job found gone by itself was deleted":        {job.Observation{Phase: job.Ended, Category: api.CategoryDeleted}, nil, api.CategoryDeleted},
		"a Job that was faster keeps its exit":          {job.Observation{Phase: job.Ended, Category: api.CategoryApp}, cancelled, api.CategoryApp},
		"a Job that succeeded has succeeded":            {job.Observation{Phase: job.Ended, Succeeded: true}, cancelled, ""},
		"a Job ended for being late says so":            {job.Observation{Phase: job.Ended, Category: api.CategoryCancelled}, late, api.CategoryUnknown},
		"a Job that still runs is left as it is seen":   {job.Observation{Phase: job.Running}, cancelled, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := settled(test.seen, test.as).Category; got != test.want {
				t.Errorf("category is %q, want %q", got, test.want)
			}
		})
	}
}
