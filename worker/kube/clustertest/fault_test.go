package clustertest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

// faulty is a network that loses answers, and an API server that fails, in front of the real one.
type faulty struct {
	next http.RoundTripper
	// before may answer instead of the API server; after may lose its answer.
	before func(*http.Request) (*http.Response, error)
	after  func(*http.Request) error
}

func (f *faulty) RoundTrip(request *http.Request) (*http.Response, error) {
	if f.before != nil {
		if response, err := f.before(request); response != nil || err != nil {
			return response, err
		}
	}
	response, err := f.next.RoundTrip(request)
	if err == nil && f.after != nil {
		if err := f.after(request); err != nil {
			response.Body.Close()
			return nil, err
		}
	}
	return response, err
}

// startBehind puts the fault between the runtime and the API server.
func (s *site) startBehind(f *faulty) {
	s.config.REST = restCopy(s.config.REST,
		func(next http.RoundTripper) http.RoundTripper { f.next = next; return f })
	s.start()
}

func creates(request *http.Request) bool {
	return request.Method == http.MethodPost && strings.HasSuffix(request.URL.Path, "/jobs")
}

var errLost = errors.New("the answer was lost")

func TestALostAnswerToCreateLeadsToNoSecondJob(t *testing.T) {
	s := newSite(t, kube.Options{})
	var lost atomic.Int32
	s.startBehind(&faulty{after: func(request *http.Request) error {
		if creates(request) && lost.Add(1) <= 2 {
			return errLost
		}
		return nil
	}})
	a := s.attempt("true")
	launched := s.launch(a)
	if !launched.Adopted || lost.Load() < 2 {
		t.Errorf("launched %+v after %d creates", launched, lost.Load())
	}
	s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	if pods := s.pods(); len(pods) != 1 {
		t.Errorf("%d pods ran, want 1", len(pods))
	}
}

func TestALeaseLostAfterALostAnswerLeavesOpenWhetherThereIsAJob(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.startBehind(&faulty{after: func(request *http.Request) error {
		if creates(request) {
			return errLost
		}
		return nil
	}})
	a := s.attempt("true")
	var asked int
	a.HoldsLease = func() bool { asked++; return asked == 1 }
	_, err := s.runtime.Launch(s.ctx(), a)
	var refused *job.Refused
	if err == nil || errors.Is(err, job.ErrLeaseLost) || errors.As(err, &refused) {
		t.Errorf("launch: %v, want an error that leaves open whether there is a Job", err)
	}
	if s.job(a.Manifest.Name) == nil {
		t.Error("the test proves nothing: there is no Job")
	}
}

func TestALaunchWaitsOutAFailingAPIServer(t *testing.T) {
	for name, status := range map[string]int{"429": 429, "500": 500, "503": 503, "401": 401, "403": 403} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, kube.Options{})
			var calls atomic.Int32
			s.startBehind(&faulty{before: func(request *http.Request) (*http.Response, error) {
				if !creates(request) || calls.Add(1) > 2 {
					return nil, nil
				}
				body := `{"kind":"Status","apiVersion":"v1","status":"Failure","code":` + name + `}`
				return &http.Response{
					StatusCode: status,
					Header:     http.Header{"Content-Type": {"application/json"}},
					Body:       io.NopCloser(strings.NewReader(body)),
					Request:    request,
				}, nil
			}})
			a := s.attempt("true")
			launched := s.launch(a)
			if launched.Adopted || calls.Load() < 3 {
				t.Errorf("launched %+v after %d creates", launched, calls.Load())
			}
			s.ended(a.Ref)
			s.finalize(a.Ref, launched.UID)
		})
	}
}

// jobQuota limits the number of Jobs in the namespace.
func (s *site) jobQuota(n string) {
	s.t.Helper()
	hard := corev1.ResourceList{"count/jobs.batch": resource.MustParse(n)}
	quotas := s.client.CoreV1().ResourceQuotas(s.namespace)
	current, err := quotas.Get(s.ctx(), "jobs", metav1.GetOptions{})
	if err == nil {
		current.Spec.Hard = hard
		_, err = quotas.Update(s.ctx(), current, metav1.UpdateOptions{})
	} else {
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Name: "jobs"},
			Spec:       corev1.ResourceQuotaSpec{Hard: hard},
		}
		_, err = quotas.Create(s.ctx(), quota, metav1.CreateOptions{})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.eventually("the quota is in force", func() bool {
		q, err := quotas.Get(s.ctx(), "jobs", metav1.GetOptions{})
		return err == nil && q.Status.Hard["count/jobs.batch"] == hard["count/jobs.batch"]
	})
}

func TestALaunchReportsAndWaitsOutAQuotaForJobs(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.jobQuota("0")
	a := s.attempt("true")
	done := make(chan error, 1)
	go func() { _, err := s.runtime.Launch(s.ctx(), a); done <- err }()
	observed := s.until(a.Ref, "a diagnosis", func(o job.Observation) bool { return o.Diagnosis != "" })
	if observed.Phase != job.Pending || !strings.Contains(observed.Diagnosis, "exceeded quota") {
		t.Errorf("waits as %s", show(observed))
	}
	s.jobQuota("5")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.ended(a.Ref)
}

func TestALaunchPastItsDeadlineIsRefusedWithTheReason(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.jobQuota("0")
	a := s.attempt("true")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := s.runtime.Launch(ctx, a)
	var refused *job.Refused
	if !errors.As(err, &refused) || refused.Category != api.CategoryQuota ||
		!strings.Contains(refused.Message, "exceeded quota") {
		t.Errorf("launch: %v, want it refused for the quota", err)
	}
}

func TestACancelStopsAWaitingLaunch(t *testing.T) {
	s := newSite(t, kube.Options{})
	s.jobQuota("0")
	a := s.attempt("true")
	done := make(chan error, 1)
	go func() { _, err := s.runtime.Launch(s.ctx(), a); done <- err }()
	s.until(a.Ref, "a diagnosis", func(o job.Observation) bool { return o.Diagnosis != "" })
	if err := s.runtime.Cancel(s.ctx(), a.Ref); err != nil {
		t.Fatal(err)
	}
	err := <-done
	var refused *job.Refused
	if !errors.As(err, &refused) || refused.Category != api.CategoryCancelled {
		t.Errorf("launch: %v, want it cancelled", err)
	}
	if j := s.job(a.Manifest.Name); j != nil {
		t.Errorf("there is a Job: %v", j)
	}
}

func TestACancelAfterALostAnswerFindsTheJob(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(stubborn)
	s.startBehind(&faulty{after: func(request *http.Request) error {
		if !creates(request) {
			return nil
		}
		if err := s.runtime.Cancel(request.Context(), a.Ref); err != nil {
			t.Error(err)
		}
		return errLost
	}})
	launched, err := s.runtime.Launch(s.ctx(), a)
	if err != nil || launched.UID == "" {
		t.Fatalf("launch: %+v, %v; want the existing Job", launched, err)
	}
	if end := s.ended(a.Ref); end.Category != api.CategoryCancelled {
		t.Errorf("ended as %s, want cancelled", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestFinalizeFromAnOldCopyKeepsForeignFinalizersWithOnePatch(t *testing.T) {
	s := newSite(t, kube.Options{})
	var raced atomic.Int32
	other := s.client
	s.startBehind(&faulty{before: func(request *http.Request) (*http.Response, error) {
		if request.Method == http.MethodPatch && strings.Contains(request.URL.Path, "/jobs/") &&
			raced.Add(1) == 1 {
			// Another client adds a finalizer between our read and our patch.
			name := request.URL.Path[strings.LastIndex(request.URL.Path, "/")+1:]
			patch := []byte(`[{"op":"add","path":"/metadata/finalizers/-","value":"example.com/late"}]`)
			jobs := other.BatchV1().Jobs(s.namespace)
			if _, err := jobs.Patch(s.t.Context(), name, types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
				s.t.Error(err)
			}
		}
		return nil, nil
	}})
	a := s.attempt("true")
	launched := s.launch(a)
	s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	if j := s.job(launched.Name); !slices.Equal(j.Finalizers, []string{"example.com/late"}) ||
		slices.Contains(j.Finalizers, manifest.Finalizer) {
		t.Errorf("finalizers after finalize: %v", j.Finalizers)
	}
	if raced.Load() != 1 {
		t.Errorf("%d patches, want 1", raced.Load())
	}
}

// TestFinalizeLeavesAnotherJobOfTheSameNameAlone replaces the Job between the worker's look and its patch.
func TestFinalizeLeavesAnotherJobOfTheSameNameAlone(t *testing.T) {
	s := newSite(t, kube.Options{})
	var replaced atomic.Bool
	s.startBehind(&faulty{before: func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodPatch || !strings.Contains(request.URL.Path, "/jobs/") || replaced.Swap(true) {
			return nil, nil
		}
		name := request.URL.Path[strings.LastIndex(request.URL.Path, "/")+1:]
		jobs, old := s.client.BatchV1().Jobs(s.namespace), s.job(name)
		if _, err := jobs.Patch(s.t.Context(), name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
			s.t.Error(err)
		}
		if err := jobs.Delete(s.t.Context(), name, *metav1.NewDeleteOptions(0)); err != nil {
			s.t.Error(err)
		}
		s.eventually("the Job to be gone", func() bool { return s.job(name) == nil })
		old.ObjectMeta = metav1.ObjectMeta{Name: name, Finalizers: []string{manifest.Finalizer}}
		old.Spec.Selector, old.Spec.Template.Labels, old.Spec.Suspend = nil, nil, new(true)
		s.create(old)
		return nil, nil
	}})
	a := s.attempt("true")
	launched := s.launch(a)
	s.ended(a.Ref)
	s.finalize(a.Ref, launched.UID)
	if j := s.job(launched.Name); j == nil || string(j.UID) == launched.UID || !slices.Contains(j.Finalizers, manifest.Finalizer) {
		t.Errorf("the other Job is %+v", j)
	}
}

func TestAnOutageOfTheAPIServerLosesNothing(t *testing.T) {
	s := newSite(t, kube.Options{})
	var out atomic.Bool
	s.startBehind(&faulty{before: func(*http.Request) (*http.Response, error) {
		if out.Load() {
			return nil, errLost
		}
		return nil, nil
	}})
	a := s.attempt("echo before; sleep 3; echo after; exit 6")
	launched := s.launch(a)
	s.untilOutput(a.Ref, "the first line", func(text string) bool { return text == "before\n" })
	out.Store(true)
	s.eventually("the Job has failed", func() bool { return s.job(launched.Name).Status.Failed == 1 })
	out.Store(false)
	if end := s.ended(a.Ref); end.Category != api.CategoryApp || *end.ExitCode != 6 {
		t.Errorf("ended as %s", show(end))
	}
	s.finalize(a.Ref, launched.UID)
	if text, _ := s.recorder.text(a.Ref); text != "before\nafter\n" {
		t.Errorf("output %q", text)
	}
}
