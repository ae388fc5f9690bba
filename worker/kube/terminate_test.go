package kube

import (
	"errors"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// TestPodsThatDoNotStopAreEscalated injects what no cluster does on demand: a node that does not answer.
func TestPodsThatDoNotStopAreEscalated(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	cancelled, lost := &observe.Outcome{Category: api.CategoryCancelled}, &observe.Outcome{
		Category: api.CategoryNodeLost,
	}
	for _, test := range []struct {
		name    string
		late    time.Duration // since the end of the grace period; negative is within it
		planned *observe.Outcome
		grace   int64
		want    string // deletion that is requested: "", "grace 1", "grace 0"
	}{
		{"within the grace period: nothing", -time.Second, cancelled, 30, ""},
		{"a little late: nothing", 20 * time.Second, cancelled, 30, ""},
		{"late: deleted with a short grace period", 40 * time.Second, cancelled, 30, "grace 1"},
		{"late with a short grace period already: nothing", 40 * time.Second, cancelled, 1, ""},
		{"very late and cancelled: removed by force", 11 * time.Minute, cancelled, 1, "grace 0"},
		{"late and the node was given up: removed by force", 31 * time.Second, lost, 30, "grace 0"},
		{"within the grace period of a node that was given up: nothing", -time.Second, lost, 30, ""},
		{"very late and deleted by someone else: not removed, it may still run", 11 * time.Minute, nil, 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			deletion := metav1.NewTime(now.Add(-test.late))
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Name: "p", Namespace: "n", UID: "u",
				DeletionTimestamp: &deletion, DeletionGracePeriodSeconds: &test.grace,
				Finalizers: []string{batchv1.JobTrackingFinalizer},
			}}
			client := fake.NewClientset(pod)
			r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{}, client)
			if err != nil {
				t.Fatal(err)
			}
			s := observe.Snapshot{
				Job:  &batchv1.Job{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &deletion}},
				Pods: []*corev1.Pod{pod},
				Now:  now,
			}
			next, err := (&watcher{Runtime: r}).escalate(t.Context(), s, test.planned)
			if err != nil {
				t.Fatal(err)
			}
			if next <= 0 && test.want != "grace 0" {
				t.Error("no time is set for the next check")
			}
			var got string
			for _, action := range client.Actions() {
				if deleted, ok := action.(clienttesting.DeleteAction); ok {
					options := deleted.GetDeleteOptions()
					got += map[int64]string{0: "grace 0", 1: "grace 1"}[*options.GracePeriodSeconds]
					if *options.Preconditions.UID != pod.UID {
						t.Error("the deletion may hit another pod of that name")
					}
				}
			}
			if got != test.want {
				t.Errorf("requested %q, want %q", got, test.want)
			}
		})
	}
}

func TestAWaitEndsAtTheDeadlineOfItsCause(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		cause  api.Category
		waited time.Duration
		over   bool
		wait   time.Duration
		policy manifest.Policy
	}{
		{name: "image_pull before 10 minutes: waits", cause: api.CategoryImagePull, waited: 9 * time.Minute, wait: time.Minute},
		{name: "image_pull after 10 minutes: ends", cause: api.CategoryImagePull, waited: 10 * time.Minute, over: true},
		{name: "config after 5 minutes: ends", cause: api.CategoryConfig, waited: 5 * time.Minute, over: true},
		{name: "quota: waits for ever", cause: api.CategoryQuota, waited: 100 * time.Hour},
		{name: "unschedulable: waits for ever", cause: api.CategoryUnschedulable, waited: 100 * time.Hour},
		{name: "node_lost: waits for ever, the pod may run", cause: api.CategoryNodeLost, waited: 100 * time.Hour},
		{name: "no cause: waits for ever", waited: 100 * time.Hour},
		{name: "quota with a deadline of the pool: ends", cause: api.CategoryQuota, waited: time.Minute, over: true,
			policy: manifest.Policy{WaitSeconds: map[string]int64{"quota": 60}}},
		{name: "image_pull without a deadline by the pool's policy: waits for ever", cause: api.CategoryImagePull, waited: 100 * time.Hour,
			policy: manifest.Policy{WaitSeconds: map[string]int64{"image_pull": 0}}},
		{name: "node_lost with force by the pool's policy: ends", cause: api.CategoryNodeLost, waited: 31 * time.Second, over: true,
			policy: manifest.Policy{ForceNodeLost: 30}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{}, fake.NewClientset())
			if err != nil {
				t.Fatal(err)
			}
			observed := observe.Result{
				Policy:  test.policy,
				Waiting: &observe.Diagnosis{Cause: test.cause, Since: now.Add(-test.waited), Summary: "why"},
			}
			w, a := &watcher{Runtime: r}, &attempt{waits: waits{}}
			w.due(a, now.Add(-test.waited), observed) // first seen
			due, wait := w.due(a, now, observed)
			if (due != nil) != test.over || wait != test.wait {
				t.Errorf("outcome %+v, next check after %s", due, wait)
			}
			if due != nil && due.Category != test.cause {
				t.Errorf("ends as %s, want %s", due.Category, test.cause)
			}
		})
	}
}

func TestEventsAreFetchedLessOftenTheLongerAnAttemptWaits(t *testing.T) {
	for waited, want := range map[time.Duration]time.Duration{
		0: 15 * time.Second, time.Minute: 15 * time.Second, 8 * time.Minute: time.Minute, 24 * time.Hour: 2 * time.Minute,
	} {
		if got := eventsMaxAge(waited); got != want {
			t.Errorf("after %s events are used for %s, want %s", waited, got, want)
		}
	}
}

func TestAJobIsDeletedAlthoughAWebhookThatIsAwayRefusesThePatch(t *testing.T) {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "j", Namespace: "n", UID: "u"}}
	client := fake.NewClientset(j)
	away := apierrors.NewInternalError(errors.New(`failed calling webhook "vjob.kb.io": connection refused`))
	client.PrependReactor("patch", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, away })
	r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{}, client)
	if err != nil {
		t.Fatal(err)
	}
	w, a := &watcher{Runtime: r}, &attempt{namespace: "n", name: "j"}
	planned := observe.Outcome{Category: api.CategoryCancelled, Message: "cancelled"}
	if err := w.deleteFor(t.Context(), a, j, planned); err != nil {
		t.Fatal(err)
	}
	if _, err := client.BatchV1().Jobs("n").Get(t.Context(), "j", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Job is still there (%v)", err)
	}
	s := observe.Snapshot{JobName: "n/j", Planned: &planned, Now: time.Now()}
	if got := observe.Attempt(s); got.Category != api.CategoryCancelled {
		t.Errorf("the Job that is gone ended as %s, want cancelled", got.Category)
	}
	if hint := cluster.ClassifyCreateError(away); hint.Final || !strings.Contains(hint.Hint, "webhook") {
		t.Errorf("a webhook that is away means %+v", hint)
	}
}
