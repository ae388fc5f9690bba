package kube

import (
	"testing"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// withFailurePolicy adds the rules that Berth gives to a plain Job.
func withFailurePolicy(j *batchv1.Job) *batchv1.Job {
	j.Annotations = map[string]string{manifest.AnnotationJobContainer: "job"}
	j.Spec.PodFailurePolicy = &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
		{Action: batchv1.PodFailurePolicyActionFailJob, OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
			{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}},
		{Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
			ContainerName: new("job"), Operator: batchv1.PodFailurePolicyOnExitCodesOpNotIn, Values: []int32{0, 137, 143}}},
	}}
	return j
}

func TestAJobThatAWebhookPutsIntoAQueueIsMadeAnewWithoutTheRuleOnExitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		queue   func(*batchv1.Job)
		creates int // for two Jobs
		rules   int
	}{
		"a default LocalQueue": {func(j *batchv1.Job) {
			j.Labels[manifest.LabelKueueQueue], j.Spec.Suspend = "default", new(true)
		}, 3, 1},
		"managed without a queue name": {func(j *batchv1.Job) { j.Spec.Suspend = new(true) }, 3, 1},
		"no queue":                     {func(*batchv1.Job) {}, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			creates := 0
			client.PrependReactor("create", "jobs", func(a clienttesting.Action) (bool, runtime.Object, error) {
				creates++
				created := a.(clienttesting.CreateAction).GetObject().(*batchv1.Job)
				created.UID = types.UID(uuid.NewString())
				test.queue(created)
				return false, nil, nil
			})
			r, err := newRuntime(cluster.Config{Namespace: "n"}, Options{}, client)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				run := uuid.New()
				m := withFailurePolicy(labelled(run, "1", "n"))
				m.Name = run.String()
				launched, err := r.Launch(t.Context(), job.Attempt{
					Ref: job.Ref{RunID: run, Attempt: 1}, Manifest: m, HoldsLease: func() bool { return true },
				})
				if err != nil {
					t.Fatal(err)
				}
				j, err := client.BatchV1().Jobs("n").Get(t.Context(), m.Name, metav1.GetOptions{})
				if err != nil || string(j.UID) != launched.UID || len(j.Spec.PodFailurePolicy.Rules) != test.rules {
					t.Errorf("launched as %s, there is %+v (%v)", launched.UID, j, err)
				}
				if len(m.Spec.PodFailurePolicy.Rules) != 2 {
					t.Error("the caller's manifest was changed")
				}
			}
			if creates != test.creates {
				t.Errorf("%d creates for two Jobs, want %d: the namespace is remembered", creates, test.creates)
			}
		})
	}
}
