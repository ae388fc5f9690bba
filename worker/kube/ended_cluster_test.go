package kube_test

import (
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

// leftRunning is a Job of the installation that runs and that this runtime has not launched.
func (s *site) leftRunning() (*batchv1.Job, job.Object) {
	s.t.Helper()
	a := s.attempt(stubborn)
	created, err := s.client.BatchV1().Jobs(s.namespace).Create(s.ctx(), a.Manifest, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	found := s.untilFound(string(created.UID), false)
	s.eventually("its pod runs", func() bool {
		pods := s.pods()
		return len(pods) == 1 && pods[0].Status.Phase == corev1.PodRunning
	})
	return created, found
}

func TestReleaseEndsWhatStillRunsOfAnAttemptThatIsOver(t *testing.T) {
	s := newSite(t, kube.Options{})
	left, found := s.leftRunning()
	s.release(found.Ref, found.UID)
	s.eventually("the Job and its pod are gone", func() bool { return s.job(left.Name) == nil && len(s.pods()) == 0 })
}

func TestReleaseKeepsAJobThatHasEnded(t *testing.T) {
	s := newSite(t, kube.Options{})
	stop := s.start()
	a := s.attempt("true")
	launched := s.launch(a)
	s.ended(a.Ref)
	stop()
	s.start() // one that has not seen it
	found := s.untilFound(launched.UID, false)
	s.release(found.Ref, found.UID)
	j := s.job(launched.Name)
	if j == nil || j.DeletionTimestamp != nil || len(j.Finalizers) > 0 || j.Spec.TTLSecondsAfterFinished == nil || *j.Spec.TTLSecondsAfterFinished != 600 {
		t.Errorf("the Job after its release: %+v", j)
	}
}

func TestAJobThatIsDisownedRunsOn(t *testing.T) {
	s := newSite(t, kube.Options{})
	left, found := s.leftRunning()
	if err := s.runtime.FinalizeUnknown(s.ctx(), found); err != nil {
		t.Fatal(err)
	}
	j, pods := s.job(left.Name), s.pods()
	if j == nil || j.DeletionTimestamp != nil || len(j.Finalizers) > 0 {
		t.Errorf("the Job after it was disowned: %+v", j)
	}
	if len(pods) != 1 || pods[0].DeletionTimestamp != nil {
		t.Errorf("its pods: %+v", pods)
	}
}

func TestAJobThatWasFoundIsToldToBeGone(t *testing.T) {
	s := newSite(t, kube.Options{})
	left, found := s.leftRunning()
	other, err := kube.New(s.config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Drain(s.ctx(), s.installation, false); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(patience)
	for {
		s.seen.mu.Lock()
		gone, changed := slices.Clone(s.seen.gone), s.seen.changed
		s.seen.mu.Unlock()
		if slices.Contains(gone, found) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("job %s is gone and was not told to be: %v", left.Name, gone)
		}
	}
}
