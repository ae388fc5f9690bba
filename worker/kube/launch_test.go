package kube

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

func labelled(run uuid.UUID, attempt, namespace string) *batchv1.Job {
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Name: "run-" + attempt, Namespace: namespace, UID: "u-1",
		Labels: map[string]string{manifest.LabelInstallation: "i", manifest.LabelRunID: run.String(), manifest.LabelAttempt: attempt},
	}}
}

// TestWhetherACreationMayHaveWorked injects answers that a cluster here does not give on demand. ErrLeaseLost
// promises that nothing was created, and the server hands the attempt to somebody else on its strength.
func TestWhetherACreationMayHaveWorked(t *testing.T) {
	answer := func(code int, reason metav1.StatusReason) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: int32(code), Reason: reason}}
	}
	for name, c := range map[string]struct {
		err     error
		certain bool
	}{
		"too many requests are turned away":      {answer(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests), true},
		"so is who may not":                      {answer(http.StatusForbidden, metav1.StatusReasonForbidden), true},
		"no answer leaves it open":               {errors.New("connection reset by peer"), false},
		"an internal error leaves it open":       {answer(http.StatusInternalServerError, metav1.StatusReasonInternalError), false},
		"a gateway's word leaves it open":        {answer(http.StatusBadGateway, metav1.StatusReasonUnknown), false},
		"so does a service that is unavailable":  {answer(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable), false},
		"and a gateway that has waited too long": {answer(http.StatusGatewayTimeout, metav1.StatusReasonTimeout), false},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			client.PrependReactor("create", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, c.err })
			r, err := newRuntime(Config{Namespace: "n"}, Options{}, client)
			if err != nil {
				t.Fatal(err)
			}
			run := uuid.New()
			looks := 0
			a := job.Attempt{Ref: job.Ref{RunID: run, Attempt: 1}, Manifest: labelled(run, "1", "n"), HoldsLease: func() bool { looks++; return looks == 1 }}
			if _, err = r.Launch(t.Context(), a); errors.Is(err, job.ErrLeaseLost) != c.certain || err == nil {
				t.Errorf("after the lease was lost: %v", err)
			}
		})
	}
}

func TestAnAttemptWaitsForTheOneBeforeItInAnyNamespace(t *testing.T) {
	run := uuid.New()
	earlier := labelled(run, "1", "elsewhere")
	for name, c := range map[string]struct {
		namespaces []string
		waits      bool
	}{
		"that is served":           {[]string{"n", "elsewhere"}, true},
		"where all are":            {[]string{AllNamespaces}, true},
		"but for those not served": {[]string{"n"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := newRuntime(Config{Namespace: "n"}, Options{Namespaces: c.namespaces}, fake.NewClientset(earlier))
			if err != nil {
				t.Fatal(err)
			}
			l := launch{Runtime: r, attempt: job.Attempt{Ref: job.Ref{RunID: run, Attempt: 2}}, manifest: labelled(run, "2", "n")}
			err = l.earlierEnded(t.Context())
			if got := errors.As(err, &errEarlierRuns{}); got != c.waits {
				t.Errorf("waits for %v", err)
			}
		})
	}
}

func TestAJobThatIsGoneWhenItIsReleasedIsNotRemembered(t *testing.T) {
	r, err := newRuntime(Config{Namespace: "n"}, Options{}, fake.NewClientset())
	if err != nil {
		t.Fatal(err)
	}
	var told hears
	w, err := r.newWatcher(uuid.New(), &told)
	if err != nil {
		t.Fatal(err)
	}
	defer w.queue.ShutDown()
	r.watcher = w
	there, gone := labelled(uuid.New(), "1", "n"), labelled(uuid.New(), "1", "n")
	gone.UID = "u-2"
	if err := w.jobs[0].GetStore().Add(there); err != nil {
		t.Fatal(err)
	}
	r.settled(there)
	r.settled(gone)
	if len(r.reported) != 1 || !r.reported[there.UID].released {
		t.Errorf("remembered: %v", r.reported)
	}
	w.gone(there)
	if len(r.reported) != 0 {
		t.Errorf("remembered of what is gone: %v", r.reported)
	}
	if len(told.gone) != 1 || told.gone[0].UID != string(there.UID) {
		t.Errorf("told to be gone: %v", told.gone)
	}
}

// hears is a Handler that wants to know of what is gone alone.
type hears struct {
	job.Handler
	gone []job.Object
}

func (h *hears) Gone(found job.Object) { h.gone = append(h.gone, found) }
