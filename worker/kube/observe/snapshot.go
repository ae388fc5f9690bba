package observe

import (
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// Snapshot is everything known of an attempt at one moment.
type Snapshot struct {
	// JobName is namespace/name of the Job, for messages.
	JobName string
	// Job is nil if it is not in the cluster.
	Job *batchv1.Job
	// Pods are in the cluster now.
	Pods []*corev1.Pod
	// PastPods were deleted; they are kept as they were last seen.
	PastPods []*corev1.Pod
	// StoppedPods were seen being deleted while they still ran. A terminal pod no longer shows that.
	StoppedPods []types.UID
	// Events of the object that an earlier Result.Events asked for.
	Events []corev1.Event
	Now    time.Time

	// trustExitZero is the policy that exit code 0 is a success even of a pod that was told to stop.
	trustExitZero bool
}

// jobContainer is the name of the container whose exit is the attempt's.
func (s Snapshot) jobContainer() string {
	if s.Job != nil {
		if name := s.Job.Annotations[manifest.AnnotationJobContainer]; name != "" {
			return name
		}
		if containers := s.Job.Spec.Template.Spec.Containers; len(containers) > 0 {
			return containers[0].Name
		}
	}
	for _, pod := range s.allPods() {
		if name := pod.Annotations[manifest.AnnotationJobContainer]; name != "" {
			return name
		}
		if len(pod.Spec.Containers) > 0 {
			return pod.Spec.Containers[0].Name
		}
	}
	return ""
}

// allPods are the present and the past pods, newest first.
func (s Snapshot) allPods() []*corev1.Pod {
	pods := slices.Concat(s.Pods, s.PastPods)
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
		return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	})
	return pods
}

// NewestPod returns the attempt's newest pod, present or past; nil if none was ever seen.
func (s Snapshot) NewestPod() *corev1.Pod {
	if pods := s.allPods(); len(pods) > 0 {
		return pods[0]
	}
	return nil
}

// podNamed finds a pod by namespace/name.
func (s Snapshot) podNamed(key string) *corev1.Pod {
	for _, pod := range s.allPods() {
		if key == pod.Namespace+"/"+pod.Name {
			return pod
		}
	}
	return nil
}

// suspended reports whether the Job is suspended and its pods have stopped.
func (s Snapshot) suspended() bool {
	return s.Job != nil && isSuspended(s.Job) && !podstatus.AnyActive(s.Pods)
}

func isSuspended(j *batchv1.Job) bool { return j.Spec.Suspend != nil && *j.Spec.Suspend }

// Deleting reports whether the Job is being deleted or is gone.
func (s Snapshot) Deleting() bool { return s.Job == nil || s.Job.DeletionTimestamp != nil }

// strayPods are the pods that no garbage collector stops before the Job is gone, which our finalizer
// prevents.
func (s Snapshot) strayPods() []*corev1.Pod {
	inForeground := s.Job != nil && slices.Contains(s.Job.Finalizers, metav1.FinalizerDeleteDependents)
	if !s.Deleting() || inForeground {
		return nil
	}
	var stray []*corev1.Pod
	for _, pod := range s.Pods {
		if pod.DeletionTimestamp == nil {
			stray = append(stray, pod)
		}
	}
	return stray
}

// lingering returns the outcome of the job container if its pod runs on without it.
func (s Snapshot) lingering(pod *corev1.Pod) *Outcome {
	if s.Deleting() || !s.SinglePod() ||
		pod == nil || pod.DeletionTimestamp != nil || podstatus.Terminal(pod) {
		return nil
	}
	status := podstatus.Container(pod, s.jobContainer())
	if status == nil || status.State.Terminated == nil {
		return nil
	}
	outcome := s.containerOutcome(*status)
	return &outcome
}

// SinglePod reports whether the Job is one pod that is never restarted. The outcome of that pod is the Job's.
func (s Snapshot) SinglePod() bool {
	if s.Job == nil {
		return false
	}
	spec := s.Job.Spec
	one := func(n *int32) bool { return n == nil || *n == 1 }
	return one(spec.Completions) && one(spec.Parallelism) &&
		spec.BackoffLimit != nil && *spec.BackoffLimit == 0 &&
		spec.Template.Spec.RestartPolicy == corev1.RestartPolicyNever
}

// JobStopped reports whether the Job itself says that none of its pods runs. The Job controller sets a final
// condition only after all pods have ended.
func JobStopped(j *batchv1.Job) bool {
	if (Snapshot{Job: j}).finalCondition() != nil {
		return true
	}
	return j.DeletionTimestamp != nil && j.Status.Active == 0 &&
		(j.Status.Terminating == nil || *j.Status.Terminating == 0)
}
