package dryrun_test

import (
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/worker/kube/dryrun"
)

func aJob(change func(*batchv1.Job)) *batchv1.Job {
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "etl-1", Namespace: "jobs", Labels: map[string]string{"team": "data"}},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"team": "data"}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "job", Image: "etl", Env: []corev1.EnvVar{{Name: "DATE", Value: "2026-01-01"}},
			}}},
		}},
	}
	if change != nil {
		change(j)
	}
	return j
}

// compare lists changes as "kind pointer after".
func compare(t *testing.T, answered *batchv1.Job) ([]string, dryrun.Changes) {
	t.Helper()
	changes, err := dryrun.Compare(aJob(nil), answered)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range changes.List {
		lines = append(lines, string(c.Kind)+" "+c.Pointer+" "+string(c.After))
	}
	return lines, changes
}

func TestWhatEveryObjectGetsIsNoChange(t *testing.T) {
	lines, changes := compare(t, aJob(func(j *batchv1.Job) {
		j.UID, j.ResourceVersion, j.Generation = "u1", "7", 1
		j.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "berth-worker"}}
		j.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"batch.kubernetes.io/controller-uid": "u1"}}
		for _, key := range []string{"batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "job-name"} {
			j.Spec.Template.Labels[key] = "x"
		}
		j.Spec.Suspend, j.Spec.Completions = ptr.To(false), ptr.To(int32(1))
		pod := &j.Spec.Template.Spec
		pod.DNSPolicy, pod.SecurityContext = corev1.DNSClusterFirst, &corev1.PodSecurityContext{}
		pod.Volumes = []corev1.Volume{{Name: "kube-api-access-x7k2p"}}
		pod.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "kube-api-access-x7k2p", MountPath: "/var/run"}}
	}))
	if len(lines) != 0 || changes.Defaults != 6 {
		t.Errorf("%d defaults, and the changes %q", changes.Defaults, lines)
	}
}

func TestWhatAdmissionChangesIsListed(t *testing.T) {
	lines, _ := compare(t, aJob(func(j *batchv1.Job) {
		j.Labels["kueue.x-k8s.io/queue-name"] = "team"
		pod := &j.Spec.Template.Spec
		pod.Containers[0].Image = "mirror/etl"
		pod.Containers = append(pod.Containers, corev1.Container{Name: "proxy", Image: "proxy:1"})
		pod.Volumes = []corev1.Volume{{Name: "certificates"}}
	}))
	want := []string{
		`added /metadata/labels/kueue.x-k8s.io~1queue-name "team"`,
		`replaced /spec/template/spec/containers/0/image "mirror/etl"`,
		`added /spec/template/spec/containers/1 {"image":"proxy:1","name":"proxy","resources":{}}`,
		`added /spec/template/spec/volumes [{"name":"certificates"}]`,
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestValuesThatAWebhookPutsIntoTheEnvironmentAreHidden(t *testing.T) {
	lines, _ := compare(t, aJob(func(j *batchv1.Job) {
		pod := &j.Spec.Template.Spec
		pod.Containers[0].Env = append([]corev1.EnvVar{{Name: "TOKEN", Value: "geheim"}}, pod.Containers[0].Env...)
		pod.InitContainers = []corev1.Container{{Name: "init", Env: []corev1.EnvVar{{Name: "DATE", Value: "geheim"}}}}
	}))
	text := strings.Join(lines, "\n")
	if strings.Contains(text, "geheim") || strings.Count(text, "(hidden)") != 2 || strings.Contains(text, "2026-01-01") {
		t.Errorf("got %s", text)
	}
}

func TestChangesAreBounded(t *testing.T) {
	lines, changes := compare(t, aJob(func(j *batchv1.Job) {
		for i := range 400 {
			j.Labels[strings.Repeat("x", i+1)] = "y"
		}
		j.Annotations = map[string]string{"large": strings.Repeat("z", 100_000)}
	}))
	if len(lines) != 300 || changes.LeftOut != 101 || !strings.Contains(lines[0], "bytes)") {
		t.Errorf("%d changes, %d left out, the first is %.100s", len(lines), changes.LeftOut, lines[0])
	}
}

func TestThePodIsTheOneThatTheJobControllerMakes(t *testing.T) {
	pod := dryrun.PodOf(aJob(func(j *batchv1.Job) {
		j.UID = types.UID("u1")
		j.Spec.Template.Labels["batch.kubernetes.io/job-name"] = "etl-1"
	}))
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.UID != "u1" || owner.Kind != "Job" || owner.APIVersion != "batch/v1" {
		t.Errorf("the owner is %+v", owner)
	}
	if pod.Namespace != "jobs" || pod.GenerateName != "etl-1-" || pod.Labels["batch.kubernetes.io/job-name"] != "etl-1" ||
		pod.Finalizers[0] != batchv1.JobTrackingFinalizer || len(pod.Spec.Containers[0].Env) != 1 {
		t.Errorf("the pod is %+v", pod)
	}

	pod = dryrun.PodOf(aJob(func(j *batchv1.Job) {
		j.Spec.CompletionMode, j.Spec.Completions = ptr.To(batchv1.IndexedCompletion), ptr.To(int32(3))
	}))
	if pod.Spec.Hostname != "etl-1-0" || pod.GenerateName != "etl-1-0-" ||
		pod.Annotations[batchv1.JobCompletionIndexAnnotation] != "0" || pod.Spec.Containers[0].Env[1].Name != "JOB_COMPLETION_INDEX" {
		t.Errorf("the pod of an index is %+v", pod)
	}
}
