package clustertest

import (
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

// leftRunning creates a running Job of the installation that this runtime did not launch.
func (s *site) runningOrphan() (*batchv1.Job, job.Object) {
	s.t.Helper()
	a := s.attempt(stubborn)
	created := s.create(a.Manifest)
	object := s.untilDiscovered(string(created.UID), false)
	s.eventually("its pod runs", func() bool {
		pods := s.pods()
		return len(pods) == 1 && pods[0].Status.Phase == corev1.PodRunning
	})
	return created, object
}

func TestFinalizeDeletesAJobThatStillRuns(t *testing.T) {
	s := newSite(t, kube.Options{})
	left, object := s.runningOrphan()
	s.finalize(object.Ref, object.UID)
	s.eventually("the Job and its pod are gone",
		func() bool { return s.job(left.Name) == nil && len(s.pods()) == 0 })
}

func TestFinalizeKeepsAJobThatHasEnded(t *testing.T) {
	s := newSite(t, kube.Options{})
	stop := s.start()
	a := s.attempt("true")
	launched := s.launch(a)
	s.ended(a.Ref)
	stop()
	s.start() // one that did not observe it
	object := s.untilDiscovered(launched.UID, false)
	s.finalize(object.Ref, object.UID)
	j := s.job(launched.Name)
	if j == nil || j.DeletionTimestamp != nil || len(j.Finalizers) > 0 ||
		j.Spec.TTLSecondsAfterFinished == nil ||
		*j.Spec.TTLSecondsAfterFinished != 600 {
		t.Errorf("the Job after it was finalized: %+v", j)
	}
}

func TestFinalizeUnknownLetsTheJobRunOn(t *testing.T) {
	s := newSite(t, kube.Options{})
	left, object := s.runningOrphan()
	if err := s.runtime.FinalizeUnknown(s.ctx(), object); err != nil {
		t.Fatal(err)
	}
	j, pods := s.job(left.Name), s.pods()
	if j == nil || j.DeletionTimestamp != nil || len(j.Finalizers) > 0 {
		t.Errorf("the Job after it was finalized: %+v", j)
	}
	if len(pods) != 1 || pods[0].DeletionTimestamp != nil {
		t.Errorf("its pods: %+v", pods)
	}
}

func TestADiscoveredJobThatIsDeletedIsReportedAsGone(t *testing.T) {
	s := newSite(t, kube.Options{})
	left, object := s.runningOrphan()
	other, err := kube.New(s.config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Drain(s.ctx(), s.installation, false); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(patience)
	for {
		s.recorder.mu.Lock()
		gone, changed := slices.Clone(s.recorder.gone), s.recorder.changed
		s.recorder.mu.Unlock()
		if slices.Contains(gone, object) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("job %s is gone and was not reported as gone: %v", left.Name, gone)
		}
	}
}
