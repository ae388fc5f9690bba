package clustertest

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

func TestAGatedJobRunsNothingBeforeItsGrant(t *testing.T) {
	s := newSite(t, kube.Options{Gated: true})
	a := s.attempt("true")
	launched := s.launch(a)
	if !launched.Gated {
		t.Errorf("launched as %+v, want it gated", launched)
	}
	s.until(a.Ref, "the wait for the server", func(o job.Observation) bool {
		return strings.Contains(o.Diagnosis, "until the server has recorded it")
	})
	if again := s.launch(a); !again.Adopted || !again.Gated {
		t.Errorf("launched again as %+v, want it adopted and gated", again)
	}
	if j := s.job(launched.Name); !*j.Spec.Suspend || j.Status.StartTime != nil || len(s.pods()) != 0 {
		t.Errorf("before it is granted: suspended %v, started %v, %d pods", *j.Spec.Suspend,
			j.Status.StartTime, len(s.pods()))
	}
	// A grant for another UID does nothing.
	if err := s.runtime.Grant(s.ctx(), job.Object{Ref: a.Ref, UID: "00000000-0000-0000-0000-000000000000"}); err != nil {
		t.Fatal(err)
	}
	if j := s.job(launched.Name); !*j.Spec.Suspend {
		t.Error("a grant for another UID resumed the Job")
	}
	for range 2 { // it may be repeated
		if err := s.runtime.Grant(s.ctx(), job.Object{Ref: a.Ref, UID: launched.UID}); err != nil {
			t.Fatal(err)
		}
	}
	if end := s.ended(a.Ref); !end.Succeeded {
		t.Errorf("ended as %s", show(end))
	}
	s.finalize(a.Ref, launched.UID)
	if err := s.runtime.Grant(s.ctx(), job.Object{Ref: a.Ref, UID: launched.UID}); err != nil {
		t.Errorf("grant after the end: %v", err)
	}
}

func TestACancelledGatedJobNeverHadAPod(t *testing.T) {
	s := newSite(t, kube.Options{Gated: true})
	a := s.attempt("true")
	launched := s.launch(a)
	if err := s.runtime.Cancel(s.ctx(), a.Ref); err != nil {
		t.Fatal(err)
	}
	end := s.ended(a.Ref)
	if end.Category != api.CategoryCancelled || end.RunningSince != nil || end.Node != "" {
		t.Errorf("ended as %s, want cancelled without a pod", show(end))
	}
	if err := s.runtime.Grant(s.ctx(), job.Object{Ref: a.Ref, UID: launched.UID}); err != nil { // the answer came too late
		t.Fatal(err)
	}
	s.finalize(a.Ref, launched.UID)
	s.eventually("it is gone", func() bool { return s.job(launched.Name) == nil && len(s.pods()) == 0 })
}

func TestAJobThatSomeoneElseResumesIsNotGated(t *testing.T) {
	for name, change := range map[string]func(a job.Attempt){
		"a queue of Kueue":          func(a job.Attempt) { a.Manifest.Labels[manifest.LabelKueueQueue] = "batch" },
		"suspended by the template": func(a job.Attempt) { a.Manifest.Spec.Suspend = new(true) },
		"another controller":        func(a job.Attempt) { a.Manifest.Spec.ManagedBy = new("example.com/elsewhere") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, kube.Options{Gated: true})
			a := s.attempt("true")
			change(a)
			want := a.Manifest.Spec.Suspend
			launched := s.launch(a)
			if launched.Gated {
				t.Errorf("launched as %+v", launched)
			}
			if err := s.runtime.Grant(s.ctx(), job.Object{Ref: a.Ref, UID: launched.UID}); err != nil {
				t.Fatal(err)
			}
			if got := s.job(launched.Name).Spec.Suspend; (want != nil && *want) != (got != nil && *got) {
				t.Errorf("suspended is %v, want as the template has it", got)
			}
			s.finalize(a.Ref, launched.UID)
		})
	}
}

func TestExitCode0OfAnEvictedPodIsASuccessIfThePolicyTrustsIt(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("trap 'exit 0' TERM; echo up; while true; do sleep 0.1; done")
	a.Manifest.Annotations["berth.dev/policy"] = `{"trust_exit_zero":true}`
	launched := s.launch(a)
	s.untilOutput(a.Ref, "its first line", func(text string) bool { return text == "up\n" })
	s.evict()
	if end := s.ended(a.Ref); !end.Succeeded {
		t.Errorf("ended as %s, want success", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestThePolicySetsHowLongACauseMayWait(t *testing.T) {
	s := newSite(t, kube.Options{Deadlines: kube.Deadlines{Unschedulable: time.Hour}})
	a := s.attempt(
		"true",
		func(spec map[string]any) { podSpec(spec)["nodeSelector"] = map[string]any{"berth.dev/test": "none"} },
	)
	a.Manifest.Annotations["berth.dev/policy"] = `{"wait_seconds":{"unschedulable":2}}`
	launched := s.launch(a)
	if end := s.ended(a.Ref); end.Category != api.CategoryUnschedulable ||
		!strings.Contains(end.Message, "gave up after waiting 2s") ||
		!strings.Contains(end.Message, "node selector") {
		t.Errorf("ended as %s, want unschedulable", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}
