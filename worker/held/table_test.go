package held

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// world is a table with one attempt of epoch 4, whose lease lasts 30 s, and a clock.
type world struct {
	*Table
	now     time.Time
	claim   api.Claim
	attempt *Attempt
}

func newWorld(edit ...func(*api.Claim)) *world {
	w := &world{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.Table = NewTable(func() time.Time { return w.now })
	w.claim = api.Claim{AttemptID: uuid.New(), RunID: uuid.New(), Attempt: 1, Epoch: 4, LeaseSeconds: 30}
	for _, f := range edit {
		f(&w.claim)
	}
	w.attempt = w.Add(w.claim, w.now)
	return w
}

func (w *world) stage() Stage {
	stage, _ := w.Stage(w.attempt)
	return stage
}

func (w *world) launched(uid string) Action {
	w.StartLaunching(w.attempt)
	return w.Launched(w.attempt, job.Launched{UID: uid})
}

func ended(category api.Category) job.Observation {
	return job.Observation{Phase: job.Ended, Category: category}
}

func TestAnAttemptThatComesBackUnderANewerEpochReplacesTheOlder(t *testing.T) {
	w := newWorld()
	if again := w.Add(w.claim, w.now); again != nil {
		t.Error("the same claim was added twice")
	}
	w.claim.Epoch++
	second := w.Add(w.claim, w.now)
	if action := w.Apply(w.attempt, LeaseLost); action != Nothing {
		t.Errorf("an answer about the older epoch asks for %q", action)
	}
	if w.Find(second.Ref) != second || w.Len() != 1 || w.stage() != Released {
		t.Error("the newer epoch was released together with the older")
	}
}

func TestAJobMayBeCreatedOnlyWhileLaunchingAndTheLeaseIsHeldWithAMargin(t *testing.T) {
	w := newWorld()
	lease := []api.AttemptLease{{AttemptID: w.attempt.ID, Epoch: 4}}
	renewed := func(epoch int64, until time.Duration) {
		lease[0].Epoch = epoch
		w.Renewed(lease, w.now.Add(until))
	}
	steps := []struct {
		name string
		do   func()
		want bool
	}{
		{"while preparing", func() {}, false},
		{"once launching", func() { w.StartLaunching(w.attempt) }, true},
		{"within the margin", func() { w.now = w.now.Add(25 * time.Second) }, false},
		{"renewed", func() { renewed(4, 30*time.Second) }, true},
		{"an older epoch renewed", func() { w.now = w.now.Add(time.Minute); renewed(3, time.Hour) }, false},
		{"renewed again", func() { renewed(4, time.Minute) }, true},
		{"the worker stops", w.Close, false},
	}
	for _, step := range steps {
		step.do()
		if got := w.MayCreate(w.attempt); got != step.want {
			t.Errorf("%s: may create is %v, want %v", step.name, got, step.want)
		}
	}
}

func TestNoJobIsCreatedForAnAttemptThatIsToEnd(t *testing.T) {
	w := newWorld()
	w.StartLaunching(w.attempt)
	if _, changed := w.Cancel(w.attempt); !changed || w.MayCreate(w.attempt) {
		t.Errorf("after a cancel: changed is %v, may create is %v", changed, w.MayCreate(w.attempt))
	}
	if _, changed := w.Cancel(w.attempt); changed {
		t.Error("a second cancel is news")
	}
}

func TestCertainlyNotCreatedIsTrueOnlyForTheFirstLaunchOfAnAttempt(t *testing.T) {
	w := newWorld()
	if !w.StartLaunching(w.attempt) {
		t.Error("the first launch is not certain that nothing was created")
	}
	if w.StartLaunching(w.attempt) {
		t.Error("a second launch is certain that the first created nothing")
	}

	restored := newWorld(func(c *api.Claim) { c.Manifest = json.RawMessage(`{}`) })
	if stage := restored.stage(); stage != Launching {
		t.Errorf("an attempt whose manifest was reported starts as %s, want launching", stage)
	}
	if restored.StartLaunching(restored.attempt) {
		t.Error("an earlier holder may have created the Job")
	}
}

func TestAnOutcomeIsUnrecordedUntilTheServerHasIt(t *testing.T) {
	w := newWorld()
	w.launched("u1")
	w.Observe(w.attempt, job.Observation{Phase: job.Running}, 0)
	if w.Unrecorded() {
		t.Error("an outcome is unrecorded while the attempt runs")
	}
	w.Observe(w.attempt, ended(api.CategoryApp), 0)
	if !w.Unrecorded() {
		t.Error("no outcome is unrecorded after the end")
	}
	report := api.Report{Kind: api.ReportKindEnded}
	_, action, held := w.Answer(w.attempt, report, api.ReportResult{Status: api.ReportResultStatusAccepted})
	if action != Finalize || !held || w.Unrecorded() || w.Len() != 0 {
		t.Errorf("after the outcome was recorded: action %q, unrecorded %v, %d held", action, w.Unrecorded(),
			w.Len())
	}
}

func TestTheFirstEndCounts(t *testing.T) {
	w := newWorld()
	w.launched("u1")
	w.Observe(w.attempt, ended(api.CategoryOOM), 0)
	if _, isEnd := w.Observe(w.attempt, ended(api.CategoryDeleted), 0); isEnd {
		t.Error("a second end was taken")
	}
	w.End(w.attempt, api.CategoryUnknown, "late")
	if got := w.attempt.facts.observation.Category; got != api.CategoryOOM {
		t.Errorf("category is %s, want oom", got)
	}
}

func TestAnEndIsReportedAfterItsDelayOrOnceItIsAllowed(t *testing.T) {
	w := newWorld()
	w.launched("u1")
	w.Observe(w.attempt, ended(api.CategoryApp), time.Second)
	if got := kindsOf(w.Collect(10)); got != "submitted" {
		t.Errorf("collected %q before the delay is over, want submitted", got)
	}
	w.AllowEnd(w.attempt)
	if got := kindsOf(w.Collect(10)); got != "submitted ended" {
		t.Errorf("collected %q once the end is allowed, want submitted ended", got)
	}
}

func TestCollectTakesNoMoreThanItsLimitAndLosesNothing(t *testing.T) {
	w := newWorld()
	w.launched("u1")
	w.Observe(w.attempt, job.Observation{Phase: job.Running}, 0)
	first := w.Collect(1)
	if got := kindsOf(first); got != "submitted" {
		t.Errorf("collected %q, want submitted", got)
	}
	w.Answer(w.attempt, first[0].Report, api.ReportResult{Status: api.ReportResultStatusAccepted})
	if got := kindsOf(w.Collect(1)); got != "running" {
		t.Errorf("then collected %q, want running", got)
	}
}

func TestLeasesOfAttemptsThatAreEndingAreRenewed(t *testing.T) {
	w := newWorld()
	w.Cancel(w.attempt)
	if n := len(w.Leases()); n != 1 {
		t.Errorf("%d leases to renew, want 1", n)
	}
}

func TestAnOutcomeIsReportedInFullOnlyOnceEvenIfTheServerGivesNoReason(t *testing.T) {
	w := newWorld()
	w.launched("u1")
	w.Observe(w.attempt, ended(api.CategoryApp), 0)
	report := api.Report{Kind: api.ReportKindEnded}
	refused := api.ReportResult{Status: api.ReportResultStatusInvalid}
	if verdict, _, _ := w.Answer(w.attempt, report, refused); verdict != Shortened {
		t.Errorf("the first refusal means %q, want shortened", verdict)
	}
	if verdict, _, _ := w.Answer(w.attempt, report, refused); verdict != Verdict(OutcomeRefused) {
		t.Errorf("the second refusal means %q, want outcome refused", verdict)
	}
}

func TestTheLeaseOfAnAttemptThatCannotBeObservedIsReleasedOnceAndRenewedLater(t *testing.T) {
	w := newWorld()
	blind := true
	judge := func(job.Ref, time.Time) bool { return blind }
	check := func(what string, wantRenew, wantRelease int) {
		t.Helper()
		renew, release := w.LeasesObserved(judge)
		if len(renew) != wantRenew || len(release) != wantRelease {
			t.Errorf("%s: %d leases are renewed and %d released, want %d and %d",
				what, len(renew), len(release), wantRenew, wantRelease)
		}
		w.Released(release)
	}
	check("nothing to observe yet", 1, 0)
	w.StartLaunching(w.attempt)
	check("unobserved", 0, 1)
	if w.MayCreate(w.attempt) {
		t.Error("a Job may be created without the lease")
	}
	check("released before", 0, 0)
	blind = false
	check("observed again", 1, 0)
	w.Renewed(w.Leases(), w.now.Add(time.Minute))
	if !w.MayCreate(w.attempt) {
		t.Error("no Job may be created although the lease is back")
	}
	blind = true
	check("unobserved again", 0, 1)
	w.Observe(w.attempt, ended(api.CategoryApp), 0)
	check("the end is known", 1, 0)
}

func kindsOf(batch []DueReport) string {
	text := ""
	for i, d := range batch {
		if i > 0 {
			text += " "
		}
		text += string(d.Report.Kind)
	}
	return text
}

func TestAJobThatWeEndedAndIsGoneEndsAsPlanned(t *testing.T) {
	cancelled := &job.Observation{Category: api.CategoryCancelled, Message: "cancelled"}
	late := &job.Observation{Category: api.CategoryUnknown, Message: "too late"}
	tests := map[string]struct {
		observed job.Observation
		planned  *job.Observation
		want     api.Category
	}{
		"a Job that is gone after a cancel was cancelled": {
			ended(api.CategoryDeleted), cancelled, api.CategoryCancelled,
		},
		"a Job that is gone without a cancel was deleted": {
			ended(api.CategoryDeleted), nil, api.CategoryDeleted,
		},
		"a Job that ended before the cancel keeps its outcome": {
			ended(api.CategoryApp), cancelled, api.CategoryApp,
		},
		"a Job that succeeded before the cancel succeeded": {
			job.Observation{Phase: job.Ended, Succeeded: true}, cancelled, "",
		},
		"a Job that was ended for being late says so": {
			ended(api.CategoryCancelled), late, api.CategoryUnknown,
		},
		"a Job that still runs has no outcome": {job.Observation{Phase: job.Running}, cancelled, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := endAs(test.observed, test.planned).Category; got != test.want {
				t.Errorf("category is %q, want %q", got, test.want)
			}
		})
	}
}

func TestATakeoverWithoutAManifestAssumesThatThereIsAJob(t *testing.T) {
	w := newWorld(func(c *api.Claim) { c.Takeover, c.ManifestFirst = true, new(true) })
	if stage, jobMayExist := w.Stage(w.attempt); stage != Launching || !jobMayExist {
		t.Errorf("it is %s, a Job may exist: %t", stage, jobMayExist)
	}
	w.Prepare(w.attempt, Prepared{Manifest: json.RawMessage(`{}`)})
	if certainlyNotCreated := w.StartLaunching(w.attempt); certainlyNotCreated {
		t.Error("it would be handed back")
	}
	if reports := w.attempt.due(); len(reports) > 0 {
		t.Errorf("due before the Job is found or created are %+v", reports)
	}
}
