package kube_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

const (
	legacyFinalizer  = "legacy.example.com/hold"
	foreignFinalizer = "foreign.example.com/hold"
)

// put creates a Job of the attempt as an older release would have, held by the given names.
func (s *site) put(a job.Attempt, finalizers ...string) *batchv1.Job {
	s.t.Helper()
	made := a.Manifest.DeepCopy()
	made.Finalizers = finalizers
	created, err := s.client.BatchV1().Jobs(s.namespace).Create(s.ctx(), made, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return created
}

func (s *site) deleteJob(name string, propagation metav1.DeletionPropagation) {
	s.t.Helper()
	if err := s.client.BatchV1().Jobs(s.namespace).Delete(s.ctx(), name, metav1.DeleteOptions{PropagationPolicy: &propagation}); err != nil {
		s.t.Fatal(err)
	}
}

// gauge is the value of a metric without labels.
func (s *site) gauge(name string) float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	s.t.Fatalf("there is no metric %s", name)
	return 0
}

func (s *site) finalizersBecome(name string, want ...string) {
	s.t.Helper()
	s.eventually(name+" is held by "+strings.Join(want, " and "), func() bool {
		j := s.job(name)
		return j != nil && slices.Equal(j.Finalizers, want)
	})
}

func TestNamesOfOlderReleasesAreSweptAndNoneElseIs(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.start()() // the first one does not know the old name
	idle := func(spec map[string]any) { spec["suspend"] = true }
	held := s.put(s.attempt("true", idle), legacyFinalizer)
	both := s.put(s.attempt("true", idle), foreignFinalizer, legacyFinalizer, manifest.Finalizer)
	going := s.put(s.attempt("true", idle), legacyFinalizer, foreignFinalizer)
	s.deleteJob(going.Name, metav1.DeletePropagationBackground)
	elsewhere := s.attempt("true", idle)
	elsewhere.Manifest.Labels[manifest.LabelInstallation] = uuid.NewString()
	other := s.put(elsewhere, legacyFinalizer)

	s.options.LegacyFinalizers = []string{legacyFinalizer}
	s.options.Timing.Sweep = time.Second
	s.start()
	s.finalizersBecome(held.Name, manifest.Finalizer)
	s.finalizersBecome(both.Name, foreignFinalizer, manifest.Finalizer)
	late := s.put(s.attempt("true", idle), legacyFinalizer)
	s.finalizersBecome(late.Name, manifest.Finalizer) // one that an older worker makes while it is replaced

	// What can not gain ours keeps its own, is counted, and goes with its release.
	s.eventually("one Job is counted", func() bool { return s.gauge("berth_finalizer_legacy_objects") == 1 })
	s.eventually("it is seen to be going", func() bool { return s.gauge("berth_objects_terminating_seconds") > 0 })
	if j := s.job(going.Name); !slices.Equal(j.Finalizers, []string{legacyFinalizer, foreignFinalizer}) {
		t.Errorf("a Job that is being deleted has %v", j.Finalizers)
	}
	found := s.untilFound(string(going.UID), true)
	if err := s.runtime.Finalize(s.ctx(), found); err != nil {
		t.Fatal(err)
	}
	if j := s.job(going.Name); j == nil || !slices.Equal(j.Finalizers, []string{foreignFinalizer}) {
		t.Errorf("after its release it has %v", j)
	}
	if j := s.job(other.Name); !slices.Equal(j.Finalizers, []string{legacyFinalizer}) {
		t.Errorf("the Job of another installation was touched: %v", j.Finalizers)
	}
}

func TestAnUpgradeAndItsWayBackLoseNoOutcome(t *testing.T) {
	for _, test := range []struct {
		name            string
		before, after   func(*kube.Runtime)
		writes, becomes string
	}{
		{name: "to this release", writes: legacyFinalizer, becomes: manifest.Finalizer,
			before: func(r *kube.Runtime) { r.SpeakAs(t, legacyFinalizer) },
			after:  func(r *kube.Runtime) { r.SpeakAs(t, manifest.Finalizer, legacyFinalizer) }},
		{name: "back to the one before", writes: manifest.Finalizer, becomes: legacyFinalizer,
			before: func(r *kube.Runtime) { r.SpeakAs(t, manifest.Finalizer, legacyFinalizer) },
			after:  func(r *kube.Runtime) { r.SpeakAs(t, legacyFinalizer, manifest.Finalizer) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, kube.Options{})
			s.adapt = test.before
			stop := s.start()
			runs, ended := s.attempt("sleep 600"), s.attempt("exit 4")
			for _, a := range []job.Attempt{runs, ended} {
				a.Manifest.Finalizers = []string{test.writes}
			}
			s.launch(runs)
			launched := s.launch(ended)
			s.running(runs.Ref)
			s.ended(ended.Ref)
			stop()

			s.adapt = test.after
			s.start()
			for _, a := range []job.Attempt{runs, ended} {
				if err := s.runtime.Adopt(s.ctx(), a); err != nil {
					t.Fatal(err)
				}
			}
			if end := s.ended(ended.Ref); end.ExitCode == nil || *end.ExitCode != 4 {
				t.Errorf("ended as %s, want exit code 4", show(end))
			}
			s.finalizersBecome(runs.Manifest.Name, test.becomes)
			s.deleteJob(runs.Manifest.Name, metav1.DeletePropagationForeground)
			end := s.ended(runs.Ref)
			if end.Category != api.CategoryDeleted {
				t.Errorf("ended as %s, want deleted", show(end))
			}
			s.release(runs.Ref, end.UID)
			s.release(ended.Ref, launched.UID)
			s.eventually("the deleted Job is gone, the other held by nobody", func() bool {
				left := s.job(launched.Name)
				return s.job(runs.Manifest.Name) == nil && left != nil && len(left.Finalizers) == 0
			})
		})
	}
}

func TestADrainTakesEveryNameOfOursAndNoneElse(t *testing.T) {
	for name, keep := range map[string]bool{"ending the Jobs": false, "keeping the Jobs": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, kube.Options{LegacyFinalizers: []string{legacyFinalizer}, Timing: kube.Timing{Sweep: time.Hour}})
			running := s.put(s.attempt("sleep 600"), legacyFinalizer)
			shared := s.put(s.attempt("sleep 600"), foreignFinalizer, manifest.Finalizer)
			s.eventually("both run", func() bool { return len(s.pods()) == 2 })
			if err := s.runtime.Drain(s.ctx(), s.installation, keep); err != nil {
				t.Fatal(err)
			}
			j := s.job(shared.Name)
			if j == nil || slices.Contains(j.Finalizers, manifest.Finalizer) || !slices.Contains(j.Finalizers, foreignFinalizer) || (j.DeletionTimestamp != nil) == keep {
				t.Errorf("the Job that somebody else holds: %v", j)
			}
			if j := s.job(running.Name); (j == nil) == keep || (j != nil && len(j.Finalizers) > 0) {
				t.Errorf("the Job that only we held: %v", j)
			}
		})
	}
}
