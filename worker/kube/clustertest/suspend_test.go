package clustertest

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

// suspend suspends or resumes a Job, as Kueue does.
func (s *site) suspend(name, whether string) {
	s.t.Helper()
	patch := []byte(`{"spec":{"suspend":` + whether + `}}`)
	if _, err := s.client.BatchV1().Jobs(s.namespace).Patch(s.ctx(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func TestASuspendedJobIsPendingAndRunsAfterItsResumption(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(`trap "exit 143" TERM; echo up; while true; do sleep 0.1; done`)
	launched := s.launch(a)
	s.running(a.Ref)
	s.suspend(launched.Name, "true")
	s.until(a.Ref, "it to wait, or to end", func(o job.Observation) bool { return o.Phase != job.Running })
	s.eventually("the pod is gone", func() bool { return len(s.pods()) == 0 })
	if observed, _ := s.recorder.observation(a.Ref); observed.Phase != job.Pending ||
		observed.Diagnosis == "" {
		t.Fatalf("the suspended attempt is %s", show(observed))
	}
	s.suspend(launched.Name, "false")
	s.running(a.Ref)
	if err := s.runtime.Cancel(s.ctx(), a.Ref); err != nil {
		t.Fatal(err)
	}
	if end := s.ended(a.Ref); end.Category != api.CategoryCancelled {
		t.Errorf("ended as %s, want cancelled", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}
