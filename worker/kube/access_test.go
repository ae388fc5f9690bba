package kube

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// accessSite is a runtime before an API server that forbids some requests.
type accessSite struct {
	*Runtime
	client *fake.Clientset

	mu        sync.Mutex
	forbidden map[string]bool // "VERB NAMESPACE"
	changed   chan struct{}
	access    job.Access
	ready     chan struct{}
}

func (s *accessSite) forbid(now bool, what ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range what {
		s.forbidden[w] = now
	}
}

func (s *accessSite) react(action clienttesting.Action) (bool, runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.forbidden[action.GetVerb()+" "+action.GetNamespace()] {
		return false, nil, nil
	}
	return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "batch", Resource: "jobs"}, "",
		errors.New(`User "w" cannot `+action.GetVerb()+` resource "jobs" in API group "batch"`))
}

// accessHandler notes what it is told about the access.
type accessHandler struct {
	job.Handler
	site *accessSite
}

func (accessHandler) Observed(job.Ref, job.Observation) {}
func (accessHandler) Discovered(job.Object)             {}
func (h accessHandler) AccessChanged(access job.Access) {
	h.site.mu.Lock()
	defer h.site.mu.Unlock()
	h.site.access = access
	close(h.site.changed)
	h.site.changed = make(chan struct{})
}

func newAccessSite(t *testing.T, namespaces []string, forbidden ...string) *accessSite {
	t.Helper()
	s := &accessSite{
		client: fake.NewClientset(), forbidden: map[string]bool{}, changed: make(chan struct{}), ready: make(chan struct{}),
	}
	s.forbid(true, forbidden...)
	s.client.PrependReactor("*", "jobs", s.react)
	s.client.PrependReactor("*", "pods", s.react)
	r, err := newRuntime(cluster.Config{Namespace: namespaces[0]}, Options{
		Namespaces: namespaces,
		Timing:     Timing{Probe: 10 * time.Millisecond, LoseAccess: 30 * time.Millisecond},
	}, s.client)
	if err != nil {
		t.Fatal(err)
	}
	s.Runtime = r
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, uuid.New(), accessHandler{site: s}, s.ready) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-s.ready:
	case <-time.After(20 * time.Second):
		t.Fatal("the runtime never got ready")
	}
	return s
}

// until waits for an access.
func (s *accessSite) until(t *testing.T, what string, wanted func(job.Access) bool) job.Access {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		access, changed := s.access, s.changed
		s.mu.Unlock()
		if wanted(access) {
			return access
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited for %s; the access is %+v", what, access)
		}
	}
}

func works(access job.Access) bool      { return access.Err == nil && len(access.Lost) == 0 }
func reachesNothing(a job.Access) bool  { return a.Err != nil }
func lostIn(access job.Access) []string { return slices.Sorted(maps.Keys(access.Lost)) }
func declines(err error) (*job.Declined, bool) {
	var d *job.Declined
	return d, errors.As(err, &d)
}

func attemptIn(namespace string) job.Attempt {
	run := uuid.New()
	return job.Attempt{
		Ref: job.Ref{RunID: run, Attempt: 1}, Manifest: labelled(run, "1", namespace), HoldsLease: func() bool { return true },
	}
}

func TestANamespaceThatIsForbiddenAtTheStartDoesNotKeepTheOthersFromBeingServed(t *testing.T) {
	s := newAccessSite(t, []string{"a", "b"}, "list b", "watch b")
	access := s.until(t, "the loss of one namespace", func(a job.Access) bool { return len(a.Lost) > 0 })
	if access.Err != nil || !slices.Equal(lostIn(access), []string{"b"}) ||
		!strings.Contains(access.Lost["b"].Error(), "grant the worker's ServiceAccount") {
		t.Errorf("the access is %+v", access)
	}
	if launched, err := s.Launch(t.Context(), attemptIn("a")); err != nil || launched.UID == "" {
		t.Errorf("launch in the namespace that is served: %+v, %v", launched, err)
	}
	_, err := s.Launch(t.Context(), attemptIn("b"))
	if d, ok := declines(err); !ok || d.Namespace != "" || !strings.Contains(d.Message, `no access to namespace "b"`) {
		t.Errorf("launch in the namespace that is lost: %v, want it declined", err)
	}

	s.forbid(false, "list b", "watch b")
	s.until(t, "all namespaces", works)
	if _, err := s.Launch(t.Context(), attemptIn("b")); err != nil {
		t.Errorf("launch in the namespace that is back: %v", err)
	}
}

func TestAWorkerThatMayNotCreateJobsDeclinesThemUntilItMay(t *testing.T) {
	s := newAccessSite(t, []string{"a"}, "create a")
	// The first launches find it out; each returns as soon as the access counts as lost.
	if _, err := s.Launch(t.Context(), attemptIn("a")); err == nil {
		t.Fatal("launched what is forbidden")
	} else if _, ok := declines(err); !ok {
		t.Errorf("launch: %v, want it declined", err)
	}
	access := s.until(t, "the loss", reachesNothing)
	if !strings.Contains(access.Err.Error(), "cannot create Jobs since") {
		t.Errorf("the access is lost for %v", access.Err)
	}
	s.client.ClearActions()
	if _, err := s.Launch(t.Context(), attemptIn("a")); err == nil {
		t.Error("launched what is forbidden")
	}
	if a := attemptIn("a"); s.Unobserved(a.Ref) != 0 {
		t.Error("what can be observed counts as unobserved because nothing can be created")
	}

	s.forbid(false, "create a")
	s.until(t, "the access", works)
	if _, err := s.Launch(t.Context(), attemptIn("a")); err != nil {
		t.Errorf("launch once it is permitted: %v", err)
	}
}

func TestAnAttemptInALostNamespaceIsUnobserved(t *testing.T) {
	s := newAccessSite(t, []string{"a", "b"})
	a, b := attemptIn("a"), attemptIn("b")
	for _, attempt := range []job.Attempt{a, b} {
		if _, err := s.Launch(t.Context(), attempt); err != nil {
			t.Fatal(err)
		}
	}
	s.forbid(true, "list b")
	s.until(t, "the loss", func(a job.Access) bool { return len(a.Lost) == 1 })
	if got := s.Unobserved(b.Ref); got < 30*time.Millisecond {
		t.Errorf("unobserved for %s", got)
	}
	if got := s.Unobserved(a.Ref); got != 0 {
		t.Errorf("the attempt in the other namespace is unobserved for %s", got)
	}
	s.forbid(false, "list b")
	s.until(t, "the access", works)
	if got := s.Unobserved(b.Ref); got != 0 {
		t.Errorf("unobserved for %s after the access is back", got)
	}
}

// A create whose answer says nothing may have been carried out: only the API server knows, so that the launch goes on.
func TestALaunchIsNotDeclinedIfItsJobMayExist(t *testing.T) {
	s := newAccessSite(t, []string{"a"})
	var creates atomic.Int32
	s.client.PrependReactor("create", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		creates.Add(1)
		return true, nil, &cluster.ForeignError{Status: 404, Host: "proxy"}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := s.Launch(ctx, attemptIn("a")); done <- err }()
	access := s.until(t, "the loss", reachesNothing)
	if !strings.Contains(access.Err.Error(), "a proxy or load balancer answers") {
		t.Errorf("the access is lost for %v", access.Err)
	}
	select {
	case err := <-done:
		t.Errorf("the launch ended with %v", err)
	default:
	}
	if _, err := s.Launch(t.Context(), attemptIn("a")); err == nil {
		t.Error("launched")
	} else if _, ok := declines(err); !ok {
		t.Errorf("a launch that has created nothing: %v, want it declined", err)
	}
	cancel()
	if err := <-done; err == nil || errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("the launch ended with %v, want an error that leaves open whether there is a Job", err)
	}
}

func TestALaunchInANamespaceOfAnotherWorkerIsDeclined(t *testing.T) {
	s := newAccessSite(t, []string{"a"})
	_, err := s.Launch(t.Context(), attemptIn("elsewhere"))
	if d, ok := declines(err); !ok || d.Namespace != "elsewhere" {
		t.Errorf("launch: %v, want it declined for its namespace", err)
	}
}
