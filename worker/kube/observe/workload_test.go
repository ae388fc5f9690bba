package observe

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
)

var queuedAt = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// queuedJob is a suspended Job with one pod to be, ten minutes old.
func queuedJob(queue string) *batchv1.Job {
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Name: "j", Namespace: "n", UID: "u", CreationTimestamp: metav1.NewTime(queuedAt), Labels: map[string]string{},
			Annotations: map[string]string{manifest.AnnotationJobContainer: "job"},
		},
		Spec: batchv1.JobSpec{Suspend: new(true), Completions: new(int32(1)), Parallelism: new(int32(1)), BackoffLimit: new(int32(0)),
			PodReplacementPolicy: new(batchv1.Failed)},
	}
	j.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	if queue != "" {
		j.Labels[manifest.LabelKueueQueue] = queue
	}
	return j
}

func condition(kind, reason, message string, status metav1.ConditionStatus) metav1.Condition {
	return metav1.Condition{Type: kind, Reason: reason, Message: message, Status: status}
}

func TestAQueuedJobIsExplainedInTheWordsOfKueue(t *testing.T) {
	const noQuota = "couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor plain, 50m more needed"
	pending := condition("QuotaReserved", "Pending", noQuota, metav1.ConditionFalse)
	reserved := condition("QuotaReserved", "QuotaReserved", "Quota reserved", metav1.ConditionTrue)
	evicted := func(reason, message string) metav1.Condition {
		return condition("Evicted", reason, message, metav1.ConditionTrue)
	}
	for _, test := range []struct {
		name       string
		queue      string
		unreadable bool
		workload   *Workload
		events     []corev1.Event
		want       string
		ends       api.Category
	}{
		{name: "waiting for quota: both queues and why", queue: "batch",
			workload: &Workload{Queue: "batch", ClusterQueue: "small", Conditions: []metav1.Condition{pending}},
			want:     `waits in Kueue's LocalQueue "batch" (ClusterQueue "small"): ` + noQuota},
		{name: "preempted: by whom, and where it waits now", queue: "batch",
			workload: &Workload{Queue: "batch", Conditions: []metav1.Condition{pending,
				evicted("Preempted", "Preempted to accommodate a workload (UID: w, JobUID: j) due to prioritization in the ClusterQueue")}},
			want: `preempted by Kueue: Preempted to accommodate a workload (UID: w, JobUID: j) due to prioritization in the ClusterQueue; ` +
				`waits in Kueue's LocalQueue "batch": ` + noQuota},
		{name: "waiting for an admission check: which, and what it says", queue: "batch",
			workload: &Workload{Queue: "batch", Conditions: []metav1.Condition{reserved},
				Checks: []AdmissionCheck{{"budget", "Pending", "nobody has looked"}, {"a", "Ready", ""}}},
			want: `waits for admission check "budget": nobody has looked`},
		{name: "deactivated by a person: waits, and says so", queue: "batch",
			workload: &Workload{Name: "job-j-12345", Queue: "batch", Conditions: []metav1.Condition{evicted("Deactivated", "The workload is deactivated")}},
			want:     "Workload job-j-12345 was deactivated by a user"},
		{name: "too long on the cluster: ends as deadline", queue: "batch",
			workload: &Workload{Queue: "batch", Conditions: []metav1.Condition{
				evicted("DeactivatedDueToMaximumExecutionTimeExceeded", "The workload is deactivated due to exceeding the maximum execution time")}},
			want: "exceeding the maximum execution time", ends: api.CategoryDeadline},
		{name: "requeued too often: ends", queue: "batch",
			workload: &Workload{Queue: "batch", Conditions: []metav1.Condition{
				evicted("DeactivatedDueToRequeuingLimitExceeded", "The workload is deactivated due to exceeding the maximum number of re-queuing retries")}},
			want: "maximum number of re-queuing retries", ends: api.CategoryUnschedulable},
		{name: "rejected by an admission check: ends", queue: "batch",
			workload: &Workload{Queue: "batch", Conditions: []metav1.Condition{
				evicted("DeactivatedDueToAdmissionCheck", "The workload is deactivated due to Admission check(s): budget, were rejected")}},
			want: "budget, were rejected", ends: api.CategoryInvalid},
		{name: "no Workload although they can be read: said", queue: "batch", want: "made no Workload for it"},
		{name: "suspended by hand where Workloads can be read: not Kueue", want: "whoever suspended it has to resume it"},
		{name: "Workloads cannot be read and there are no events", queue: "batch", unreadable: true, want: `waits for LocalQueue "batch"`},
		{name: "Workloads cannot be read: the newest event of Kueue", queue: "batch", unreadable: true, events: []corev1.Event{
			queueEvent("Stopped", "Preempted to accommodate a workload", 1), queueEvent("Pending", noQuota, 2)},
			want: "Kueue: " + noQuota},
		{name: "Workloads cannot be read: given up in the words of the Job's event", unreadable: true, events: []corev1.Event{
			queueEvent("Stopped", "The workload is deactivated due to exceeding the maximum execution time", 2)},
			want: "exceeding the maximum execution time", ends: api.CategoryDeadline},
		{name: "Workloads cannot be read: given up in the reason of the Workload's event", unreadable: true, events: []corev1.Event{
			queueEvent("EvictedDueToDeactivatedDueToAdmissionCheck", "The workload is deactivated due to …", 2)},
			want: "deactivated", ends: api.CategoryInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Attempt(Snapshot{
				Job: queuedJob(test.queue), Events: test.events, Now: queuedAt.Add(10 * time.Minute),
				Workloads: Workloads{Readable: !test.unreadable, Found: test.workload},
			})
			text, ends := r.Diagnosis, api.Category("")
			if r.GivenUp != nil {
				text, ends = r.GivenUp.Message, r.GivenUp.Category
				if r.GivenUp.Final != (ends == api.CategoryUnschedulable) {
					t.Errorf("another attempt may follow is %v", !r.GivenUp.Final)
				}
			}
			if r.Phase != job.Pending || ends != test.ends || !strings.Contains(text, test.want) {
				t.Errorf("%s, ends as %q: %q\nwant %q: %q", r.Phase, ends, text, test.ends, test.want)
			}
		})
	}
}

func queueEvent(reason, message string, minute int) corev1.Event {
	return corev1.Event{Reason: reason, Message: message, Type: corev1.EventTypeNormal,
		InvolvedObject: corev1.ObjectReference{UID: "w"},
		LastTimestamp:  metav1.NewTime(queuedAt.Add(time.Duration(minute) * time.Minute))}
}

// ranPod is a pod of the Job whose container started a minute after the Job's creation.
func ranPod(phase corev1.PodPhase, code int32) *corev1.Pod {
	started := metav1.NewTime(queuedAt.Add(time.Minute))
	status := corev1.ContainerStatus{Name: "job", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}}
	if phase == corev1.PodFailed || phase == corev1.PodSucceeded {
		status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: code, StartedAt: started, FinishedAt: metav1.NewTime(queuedAt.Add(2 * time.Minute)),
		}}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "p", CreationTimestamp: metav1.NewTime(queuedAt.Add(30 * time.Second))},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "job"}}},
		Status:     corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{status}},
	}
}

func TestAJobThatIsResumedIsPendingUntilItsNewPodRuns(t *testing.T) {
	j := queuedJob("batch")
	j.Spec.Suspend = new(false)
	j.Status.Conditions = []batchv1.JobCondition{{
		Type: batchv1.JobSuspended, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(queuedAt.Add(5 * time.Minute)),
	}}
	stopped := ranPod(corev1.PodFailed, 143)
	stopped.DeletionTimestamp = new(metav1.NewTime(queuedAt.Add(2 * time.Minute)))
	s := Snapshot{Job: j, PastPods: []*corev1.Pod{stopped}, StoppedPods: []types.UID{stopped.UID}, Now: queuedAt.Add(6 * time.Minute)}
	if r := Attempt(s); r.Phase != job.Pending {
		t.Errorf("without its new pod the attempt is %s", r.Phase)
	}
	next := ranPod(corev1.PodRunning, 0)
	next.UID, next.CreationTimestamp = "q", metav1.NewTime(queuedAt.Add(5*time.Minute))
	s.Pods = []*corev1.Pod{next}
	if r := Attempt(s); r.Phase != job.Running {
		t.Errorf("with its new pod the attempt is %s", r.Phase)
	}
}

func TestWhatAQueueStoppedIsNeverDeleted(t *testing.T) {
	j := queuedJob("")
	j.Status.Conditions = []batchv1.JobCondition{{
		Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonPodFailurePolicy,
		Message:            `Container job for pod n/p failed with exit code 7 matching FailJob rule at index 1`,
		LastTransitionTime: metav1.NewTime(queuedAt.Add(2 * time.Minute)),
	}}
	pod := ranPod(corev1.PodFailed, 7)
	r := Attempt(Snapshot{Job: j, Pods: []*corev1.Pod{pod}, StoppedPods: []types.UID{pod.UID}, Now: queuedAt.Add(10 * time.Minute)})
	if r.Phase != job.Ended || r.Category != api.CategoryPreempted {
		t.Errorf("%s as %s: %s, want the end of a preemption", r.Phase, r.Category, r.Message)
	}
}
