package clustertest

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

// put creates a Job of the attempt as an older release would, with the finalizers.
func (s *site) put(a job.Attempt, finalizers ...string) *batchv1.Job {
	s.t.Helper()
	j := a.Manifest.DeepCopy()
	j.Finalizers = finalizers
	created := s.create(j)
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
	s.eventually(name+" has the finalizers "+strings.Join(want, " and "), func() bool {
		j := s.job(name)
		return j != nil && slices.Equal(j.Finalizers, want)
	})
}

func TestSweepReplacesLegacyFinalizersAndNoOthers(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.start()() // the first runtime does not know the legacy finalizer
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
	s.finalizersBecome(late.Name, manifest.Finalizer) // an older worker creates Jobs until it is replaced

	// A Job that is being deleted cannot gain a finalizer: it keeps the legacy one until it is finalized.
	s.eventually("one Job is counted", func() bool { return s.gauge("berth_finalizer_legacy_objects") == 1 })
	s.eventually("its deletion is counted as overdue",
		func() bool { return s.gauge("berth_objects_terminating_seconds") > 0 })
	if j := s.job(going.Name); !slices.Equal(j.Finalizers, []string{legacyFinalizer, foreignFinalizer}) {
		t.Errorf("a Job that is being deleted has %v", j.Finalizers)
	}
	object := s.untilDiscovered(string(going.UID), true)
	if err := s.runtime.Finalize(s.ctx(), object); err != nil {
		t.Fatal(err)
	}
	if j := s.job(going.Name); j == nil || !slices.Equal(j.Finalizers, []string{foreignFinalizer}) {
		t.Errorf("after its finalization it has %v", j)
	}
	if j := s.job(other.Name); !slices.Equal(j.Finalizers, []string{legacyFinalizer}) {
		t.Errorf("the Job of another installation was touched: %v", j.Finalizers)
	}
}

// finalizerOf is the finalizer that a runtime with the options writes.
func finalizerOf(options kube.Options) string {
	if options.Finalizer != "" {
		return options.Finalizer
	}
	return manifest.Finalizer
}

func TestAnUpgradeAndADowngradeLoseNoOutcome(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after kube.Options
	}{
		{
			"an upgrade to this release",
			kube.Options{Finalizer: legacyFinalizer},
			kube.Options{LegacyFinalizers: []string{legacyFinalizer}},
		},
		{
			"a downgrade to the release before",
			kube.Options{LegacyFinalizers: []string{legacyFinalizer}},
			kube.Options{Finalizer: legacyFinalizer, LegacyFinalizers: []string{manifest.Finalizer}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, test.before)
			stop := s.start()
			runs, ended := s.attempt("sleep 600"), s.attempt("exit 4")
			for _, a := range []job.Attempt{runs, ended} {
				a.Manifest.Finalizers = []string{finalizerOf(test.before)}
			}
			s.launch(runs)
			launched := s.launch(ended)
			s.running(runs.Ref)
			s.ended(ended.Ref)
			stop()

			s.options.Finalizer, s.options.LegacyFinalizers = test.after.Finalizer, test.after.LegacyFinalizers
			s.start()
			for _, a := range []job.Attempt{runs, ended} {
				if err := s.runtime.Adopt(s.ctx(), a); err != nil {
					t.Fatal(err)
				}
			}
			if end := s.ended(ended.Ref); end.ExitCode == nil || *end.ExitCode != 4 {
				t.Errorf("ended as %s, want exit code 4", show(end))
			}
			s.finalizersBecome(runs.Manifest.Name, finalizerOf(test.after))
			s.deleteJob(runs.Manifest.Name, metav1.DeletePropagationForeground)
			end := s.ended(runs.Ref)
			if end.Category != api.CategoryDeleted {
				t.Errorf("ended as %s, want deleted", show(end))
			}
			s.finalize(runs.Ref, end.UID)
			s.finalize(ended.Ref, launched.UID)
			s.eventually("the deleted Job is gone, the other has no finalizer", func() bool {
				left := s.job(launched.Name)
				return s.job(runs.Manifest.Name) == nil && left != nil && len(left.Finalizers) == 0
			})
		})
	}
}

func TestDrainTakesOffAllOurFinalizersAndNoOthers(t *testing.T) {
	for name, keep := range map[string]bool{"ending the Jobs": false, "keeping the Jobs": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(
				t,
				kube.Options{
					LegacyFinalizers: []string{legacyFinalizer},
					Timing:           kube.Timing{Sweep: time.Hour},
				},
			)
			running := s.put(s.attempt("sleep 600"), legacyFinalizer)
			shared := s.put(s.attempt("sleep 600"), foreignFinalizer, manifest.Finalizer)
			s.eventually("both run", func() bool { return len(s.pods()) == 2 })
			if _, err := s.runtime.Drain(s.ctx(), s.installation, keep); err != nil {
				t.Fatal(err)
			}
			j := s.job(shared.Name)
			if j == nil || slices.Contains(j.Finalizers, manifest.Finalizer) ||
				!slices.Contains(j.Finalizers, foreignFinalizer) ||
				(j.DeletionTimestamp != nil) == keep {
				t.Errorf("the Job with a foreign finalizer: %v", j)
			}
			if j := s.job(running.Name); (j == nil) == keep || (j != nil && len(j.Finalizers) > 0) {
				t.Errorf("the Job with only our finalizer: %v", j)
			}
		})
	}
}
