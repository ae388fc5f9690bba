package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

func labelled(run uuid.UUID, attempt, namespace string) *batchv1.Job {
	return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Name: "run-" + attempt, Namespace: namespace, UID: "u-1",
		Labels: map[string]string{
			manifest.LabelInstallation: "i",
			manifest.LabelRunID:        run.String(),
			manifest.LabelAttempt:      attempt,
		},
	}}
}

// TestErrLeaseLostPromisesThatNothingWasCreated injects answers that a cluster does not give on demand. On an
// ErrLeaseLost the server lets another worker claim the attempt as if it had never started.
func TestErrLeaseLostPromisesThatNothingWasCreated(t *testing.T) {
	answer := func(code int, reason metav1.StatusReason) error {
		return &apierrors.StatusError{
			ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: int32(code), Reason: reason},
		}
	}
	for name, c := range map[string]struct {
		err     error
		certain bool
	}{
		"429 is a definite refusal": {answer(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests), true},
		"403 is a definite refusal": {answer(http.StatusForbidden, metav1.StatusReasonForbidden), true},
		"no answer leaves it open":  {errors.New("connection reset by peer"), false},
		"500 leaves it open":        {answer(http.StatusInternalServerError, metav1.StatusReasonInternalError), false},
		"502 leaves it open":        {answer(http.StatusBadGateway, metav1.StatusReasonUnknown), false},
		"503 leaves it open":        {answer(http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable), false},
		"504 leaves it open":        {answer(http.StatusGatewayTimeout, metav1.StatusReasonTimeout), false},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			client.PrependReactor(
				"create",
				"jobs",
				func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, c.err },
			)
			r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{}, client)
			if err != nil {
				t.Fatal(err)
			}
			run := uuid.New()
			checks := 0
			a := job.Attempt{
				Ref:        job.Ref{RunID: run, Attempt: 1},
				Manifest:   labelled(run, "1", "n"),
				HoldsLease: func() bool { checks++; return checks == 1 },
			}
			if _, err = r.Launch(t.Context(), a); errors.Is(err, job.ErrLeaseLost) != c.certain ||
				err == nil {
				t.Errorf("after the lease was lost: %v", err)
			}
		})
	}
}

// A client repeats a create by itself after some errors, and then finds the Job that its first try made.
func TestErrLeaseLostIsNotReturnedAfterAJobWithTheNameWasFound(t *testing.T) {
	run := uuid.New()
	client := fake.NewClientset(labelled(run, "1", "n"))
	client.PrependReactor("get", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("connection reset by peer")
	})
	r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{}, client)
	if err != nil {
		t.Fatal(err)
	}
	checks := 0
	a := job.Attempt{
		Ref:        job.Ref{RunID: run, Attempt: 1},
		Manifest:   labelled(run, "1", "n"),
		HoldsLease: func() bool { checks++; return checks == 1 },
	}
	if _, err := r.Launch(t.Context(), a); err == nil || errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("after the lease was lost: %v, want an error that leaves open whether there is a Job", err)
	}
}

// A manifest that an earlier worker made is judged by the worker that creates the Job, and by no other.
func TestAJobThatExistsIsAdoptedThoughRulesWouldRefuseItNow(t *testing.T) {
	refusal := &job.Refused{Category: api.CategoryInvalid, Message: "a rule refuses it"}
	for name, c := range map[string]struct {
		exists  bool
		judge   error
		want    string // in the error
		adopted bool
	}{
		"exists, and is refused":     {exists: true, judge: refusal, adopted: true},
		"exists, and complies":       {exists: true, adopted: true},
		"does not exist, is refused": {judge: refusal, want: "a rule refuses it"},
		"does not exist, complies":   {},
	} {
		t.Run(name, func(t *testing.T) {
			run := uuid.New()
			client := fake.NewClientset()
			if c.exists {
				client = fake.NewClientset(labelled(run, "1", "n"))
			}
			r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{}, client)
			if err != nil {
				t.Fatal(err)
			}
			launched, err := r.Launch(t.Context(), job.Attempt{
				Ref: job.Ref{RunID: run, Attempt: 1}, Manifest: labelled(run, "1", "n"),
				HoldsLease: func() bool { return true }, Judge: func(context.Context) error { return c.judge },
			})
			if (err != nil) != (c.want != "") || err != nil && err.Error() != c.want || launched.Adopted != c.adopted {
				t.Errorf("got %+v, %v", launched, err)
			}
			created := slices.ContainsFunc(client.Actions(), func(a clienttesting.Action) bool {
				return a.Matches("create", "jobs")
			})
			if c.judge != nil && created {
				t.Error("a Job that is refused was created")
			}
		})
	}
}

func TestALaunchWaitsForTheEarlierAttemptInEveryNamespaceServed(t *testing.T) {
	run := uuid.New()
	earlier := labelled(run, "1", "elsewhere")
	for name, c := range map[string]struct {
		namespaces []string
		waits      bool
	}{
		"in another namespace that is served: waits":       {[]string{"n", "elsewhere"}, true},
		"all namespaces are served: waits":                 {[]string{AllNamespaces}, true},
		"in a namespace that is not served: does not wait": {[]string{"n"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{Namespaces: c.namespaces},
				fake.NewClientset(earlier))
			if err != nil {
				t.Fatal(err)
			}
			l := launch{
				Runtime: r, attempt: job.Attempt{Ref: job.Ref{RunID: run, Attempt: 2}},
				manifest: labelled(run, "2", "n"),
			}
			_, err = l.checkOtherJobs(t.Context())
			if got := errors.As(err, &earlierAttemptError{}); got != c.waits {
				t.Errorf("waits for %v", err)
			}
		})
	}
}

func TestATakeoverAdoptsTheJobOfAnEarlierHolderInWhateverNamespace(t *testing.T) {
	run := uuid.New()
	earlier := labelled(run, "1", "elsewhere")
	client := fake.NewClientset(earlier)
	r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{Namespaces: []string{"n", "elsewhere"}}, client)
	if err != nil {
		t.Fatal(err)
	}
	a := job.Attempt{
		Ref: job.Ref{RunID: run, Attempt: 1}, Manifest: labelled(run, "1", "n"), MayExist: true,
		HoldsLease: func() bool { return true },
	}
	launched, err := r.Launch(t.Context(), a)
	if err != nil || !launched.Adopted || launched.Namespace != "elsewhere" {
		t.Errorf("launched %+v, %v", launched, err)
	}
	for _, action := range client.Actions() {
		if action.GetVerb() == "create" {
			t.Errorf("it created %s in %s", action.GetResource().Resource, action.GetNamespace())
		}
	}
	r.Disown(a.Ref)
	if err := r.Adopt(t.Context(), a); err != nil || r.attempt(a.Ref).namespace != "elsewhere" {
		t.Errorf("adopted in %s, %v", r.attempt(a.Ref).namespace, err)
	}
}

func TestAFinalizedJobIsRememberedUntilTheWatchDeletesIt(t *testing.T) {
	r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{}, fake.NewClientset())
	if err != nil {
		t.Fatal(err)
	}
	var handler goneRecorder
	w, err := r.newWatcher(uuid.New(), &handler)
	if err != nil {
		t.Fatal(err)
	}
	defer w.queue.ShutDown()
	r.watcher = w
	watched, gone := labelled(uuid.New(), "1", "n"), labelled(uuid.New(), "1", "n")
	gone.UID = "u-2"
	if err := w.jobCopies[0].GetStore().Add(watched); err != nil {
		t.Fatal(err)
	}
	r.markFinalized(watched)
	r.markFinalized(gone)
	if len(r.discovered) != 1 || !r.discovered[watched.UID].finalized {
		t.Errorf("remembered: %v", r.discovered)
	}
	w.deleted(watched)
	if len(r.discovered) != 0 {
		t.Errorf("remembered after its deletion: %v", r.discovered)
	}
	if len(handler.gone) != 1 || handler.gone[0].UID != string(watched.UID) {
		t.Errorf("reported as gone: %v", handler.gone)
	}
}

// goneRecorder is a Handler that records calls of Gone.
type goneRecorder struct {
	job.Handler
	gone []job.Object
}

func (h *goneRecorder) Gone(object job.Object) { h.gone = append(h.gone, object) }

func TestALaunchWaitsAsLongAsTheAPIServerAsks(t *testing.T) {
	if got := retryAfter(fmt.Errorf("create: %w", apierrors.NewTooManyRequests("slow down", 7))); got.Seconds() != 7 {
		t.Errorf("wait %s, want 7s", got)
	}
}
