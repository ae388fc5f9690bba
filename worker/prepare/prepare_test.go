package prepare

import (
	"errors"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

func TestTheLowestDeadlineCounts(t *testing.T) {
	seconds := func(n int64) *int64 { return &n }
	minute := time.Minute
	tests := map[string]struct {
		manifest *int64
		left     *int64
		timeout  *time.Duration
		want     *int64
	}{
		"without limits a Job has no deadline": {},
		"the deadline of the manifest stays": {
			manifest: seconds(30), left: seconds(90), timeout: &minute, want: seconds(30),
		},
		"what is left of the run's timeout lowers it": {
			manifest: seconds(30), left: seconds(10), want: seconds(10),
		},
		"the template's timeout is the deadline without another": {timeout: &minute, want: seconds(60)},
		"a timeout that has passed leaves one second":            {left: seconds(-5), want: seconds(1)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := &batchv1.Job{Spec: batchv1.JobSpec{ActiveDeadlineSeconds: test.manifest}}
			limitDeadline(j, test.left, test.timeout)
			got := j.Spec.ActiveDeadlineSeconds
			if (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
				t.Errorf("deadline is %v, want %v", got, test.want)
			}
		})
	}
}

func TestTheEarlierStartDeadlineCounts(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	soon, late, minute := now.Add(time.Second), now.Add(time.Hour), time.Minute
	tests := map[string]struct {
		run      *time.Time
		template *time.Duration
		want     time.Time
	}{
		"neither is never":                  {want: time.Time{}},
		"the run's alone":                   {run: &late, want: late},
		"the template's counts from now":    {template: &minute, want: now.Add(time.Minute)},
		"the run's if it is earlier":        {run: &soon, template: &minute, want: soon},
		"the template's if that is earlier": {run: &late, template: &minute, want: now.Add(time.Minute)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := earliest(test.run, test.template, now); !got.Equal(test.want) {
				t.Errorf("start by %s, want %s", got, test.want)
			}
		})
	}
}

func TestLimitsAreRoundedUpToSeconds(t *testing.T) {
	timeout := 1500 * time.Millisecond
	l := limitsOf(&manifest.Finished{Timeout: &timeout})
	if l.TimeoutSeconds == nil || *l.TimeoutSeconds != 2 || l.InfrastructureRetries != nil {
		t.Errorf("limits are %+v, want a timeout of 2 s", l)
	}
}

func TestARestoredManifestIsSentAsItIs(t *testing.T) {
	uid := "u1"
	c := api.Claim{
		Attempt: 2,
		JobUID:  &uid,
		Manifest: []byte(`{"metadata":{"name":"a-2","namespace":"jobs","annotations":{"` +
			manifest.AnnotationJobContainer + `":"main","` + manifest.AnnotationStreamOutput + `":"false"}}}`),
	}
	p, err := Restore(c)
	if err != nil {
		t.Fatal(err)
	}
	want := job.Launched{Namespace: "jobs", Name: "a-2", UID: "u1"}
	if string(p.Manifest) != string(c.Manifest) || !p.Restored || p.Job() != want {
		t.Errorf("restored %+v, with Job %+v", p, p.Job())
	}
	if a := p.Attempt; a.Container != "main" || a.StreamOutput || a.Ref.Attempt != 2 {
		t.Errorf("attempt is %+v, want container main without output", a)
	}
}

func TestAStoredManifestThatCannotBeReadEndsTheAttempt(t *testing.T) {
	_, err := Restore(api.Claim{Manifest: []byte(`{"metadata": 1}`)})
	var refused *job.Refused
	if !errors.As(err, &refused) || refused.Category != api.CategoryInvalid {
		t.Errorf("error is %v, want a refusal as invalid", err)
	}
}

func TestRenderInputMustBeAnObject(t *testing.T) {
	tests := map[string]struct {
		raw  string
		want string // in the error; empty if there is none
	}{
		"nothing is an empty object": {"", ""},
		"null is an empty object":    {"null", ""},
		"an object is taken":         {`{"a": 1}`, ""},
		"a list is refused":          {`[1]`, "run: want a JSON object, got [1]"},
		"broken JSON is refused":     {`{`, "run: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decodeObject("run", []byte(test.raw))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %q", err, test.want)
			}
		})
	}
}
