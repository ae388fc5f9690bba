package kube

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// silentHandler takes observations and does nothing.
type silentHandler struct{ job.Handler }

func (silentHandler) Observed(job.Ref, job.Observation) {}
func (silentHandler) Discovered(job.Object)             {}
func (silentHandler) Gone(job.Object)                   {}
func (silentHandler) AccessChanged(job.Access)          {}

// TestAJobIsNotFinalizedBeforeItsFinalCondition plays a Job controller that is late, which a real one is only
// under load.
func TestAJobIsNotFinalizedBeforeItsFinalCondition(t *testing.T) {
	installation, run := uuid.New(), uuid.New()
	j := labelled(run, "1", "n")
	j.Labels[manifest.LabelInstallation] = installation.String()
	j.Finalizers = []string{manifest.Finalizer}
	j.Spec.BackoffLimit = new(int32)
	j.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "run-1-x", Namespace: "n", Labels: map[string]string{}}}
	for key, value := range j.Labels {
		pod.Labels[key] = value
	}
	pod.Labels[batchv1.ControllerUidLabel] = string(j.UID)
	pod.Status.Phase = corev1.PodSucceeded
	client := fake.NewClientset(j, pod)
	r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{}, client)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	stopped, ready := make(chan error, 1), make(chan struct{})
	go func() { stopped <- r.Run(ctx, installation, silentHandler{}, ready) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	<-ready

	finalized := make(chan error, 1)
	go func() {
		finalized <- r.Finalize(ctx, job.Object{Ref: job.Ref{RunID: run, Attempt: 1}, UID: string(j.UID)})
	}()
	for waits := false; !waits; runtime.Gosched() {
		select {
		case err := <-finalized:
			t.Fatalf("it was finalized without a final condition: %v", err)
		default:
		}
		r.mu.Lock()
		waits = len(r.jobWaiters) == 1
		r.mu.Unlock()
	}
	finalizers := func() []string {
		read, err := client.BatchV1().Jobs("n").Get(ctx, j.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return read.Finalizers
	}
	if !slices.Contains(finalizers(), manifest.Finalizer) {
		t.Error("the finalizer is off before the Job has ended")
	}

	j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	if _, err := client.BatchV1().Jobs("n").UpdateStatus(ctx, j, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := <-finalized; err != nil {
		t.Fatal(err)
	}
	if left := finalizers(); len(left) > 0 {
		t.Errorf("the Job keeps the finalizers %v after it has ended", left)
	}
}
