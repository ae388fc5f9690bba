package kube

import (
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// TestPodsThatDoNotGoAreInsistedOn injects what can not be had on demand: a node that does not answer.
func TestPodsThatDoNotGoAreInsistedOn(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	cancelled, lost := &observe.Outcome{Category: api.CategoryCancelled}, &observe.Outcome{Category: api.CategoryNodeLost}
	for _, test := range []struct {
		name    string
		late    time.Duration // since the pod should have been gone; negative is still within its grace
		planned *observe.Outcome
		grace   int64
		want    string // what is asked for: "", "grace 1", "grace 0"
	}{
		{"within its grace nothing is done", -time.Second, cancelled, 30, ""},
		{"a little late nothing is done", 20 * time.Second, cancelled, 30, ""},
		{"late its grace is taken away", 40 * time.Second, cancelled, 30, "grace 1"},
		{"its grace is taken away once", 40 * time.Second, cancelled, 1, ""},
		{"very late and cancelled it is removed", 11 * time.Minute, cancelled, 1, "grace 0"},
		{"of a node that was given up it is removed at once", 31 * time.Second, lost, 30, "grace 0"},
		{"but not within its grace", -time.Second, lost, 30, ""},
		{"very late and deleted by somebody else it is not: it may still run", 11 * time.Minute, nil, 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			deletion := metav1.NewTime(now.Add(-test.late))
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Name: "p", Namespace: "n", UID: "u", DeletionTimestamp: &deletion, DeletionGracePeriodSeconds: &test.grace, Finalizers: []string{batchv1.JobTrackingFinalizer},
			}}
			client := fake.NewClientset(pod)
			r, err := newRuntime(Config{Namespace: "n"}, Options{}, client)
			if err != nil {
				t.Fatal(err)
			}
			s := observe.Snapshot{Job: &batchv1.Job{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &deletion}}, Pods: []*corev1.Pod{pod}, Now: now}
			next, err := (&watcher{Runtime: r}).insist(t.Context(), s, test.planned)
			if err != nil {
				t.Fatal(err)
			}
			if next <= 0 && test.want != "grace 0" {
				t.Error("nobody looks again")
			}
			var got string
			for _, action := range client.Actions() {
				if deleted, ok := action.(clienttesting.DeleteAction); ok {
					options := deleted.GetDeleteOptions()
					got += map[int64]string{0: "grace 0", 1: "grace 1"}[*options.GracePeriodSeconds]
					if *options.Preconditions.UID != pod.UID {
						t.Error("another pod of that name could be hit")
					}
				}
			}
			if got != test.want {
				t.Errorf("asked for %q, want %q", got, test.want)
			}
		})
	}
}

func TestAWaitIsGivenUpAfterTheDeadlineOfItsCause(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		cause  api.Category
		waited time.Duration
		over   bool
		wait   time.Duration
		policy manifest.Policy
	}{
		{name: "an image has ten minutes", cause: api.CategoryImagePull, waited: 9 * time.Minute, wait: time.Minute},
		{name: "and no more", cause: api.CategoryImagePull, waited: 10 * time.Minute, over: true},
		{name: "a configuration has five", cause: api.CategoryConfig, waited: 5 * time.Minute, over: true},
		{name: "a quota has all the time", cause: api.CategoryQuota, waited: 100 * time.Hour},
		{name: "room on a node has all the time", cause: api.CategoryUnschedulable, waited: 100 * time.Hour},
		{name: "a node that is lost has all the time: the pod may run", cause: api.CategoryNodeLost, waited: 100 * time.Hour},
		{name: "what has no cause is not given up", waited: 100 * time.Hour},
		{name: "the pool can give a quota a deadline", cause: api.CategoryQuota, waited: time.Minute, over: true, policy: manifest.Policy{WaitSeconds: map[string]int64{"quota": 60}}},
		{name: "and an image all the time", cause: api.CategoryImagePull, waited: 100 * time.Hour, policy: manifest.Policy{WaitSeconds: map[string]int64{"image_pull": 0}}},
		{name: "and give up a node that is lost", cause: api.CategoryNodeLost, waited: 31 * time.Second, over: true, policy: manifest.Policy{ForceNodeLost: 30}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := newRuntime(Config{Namespace: "n"}, Options{}, fake.NewClientset())
			if err != nil {
				t.Fatal(err)
			}
			v := observe.Result{Policy: test.policy, Waiting: &observe.Diagnosis{Cause: test.cause, Since: now.Add(-test.waited), Summary: "why"}}
			due, wait := (&watcher{Runtime: r}).due(&tracked{}, observe.Snapshot{Now: now}, v)
			if (due != nil) != test.over || wait != test.wait {
				t.Errorf("due %+v after another %s", due, wait)
			}
			if due != nil && due.Category != test.cause {
				t.Errorf("ends as %s, want %s", due.Category, test.cause)
			}
		})
	}
}

func TestEventsAreAskedForLessOftenTheLongerAnAttemptWaits(t *testing.T) {
	for waited, want := range map[time.Duration]time.Duration{0: 15 * time.Second, time.Minute: 15 * time.Second, 8 * time.Minute: time.Minute, 24 * time.Hour: 2 * time.Minute} {
		if got := goodFor(waited); got != want {
			t.Errorf("after %s an answer is good for %s, want %s", waited, got, want)
		}
	}
}
