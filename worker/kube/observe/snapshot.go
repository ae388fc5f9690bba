package observe

import (
	"cmp"
	"slices"
	"strings"
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
	// Planned is the outcome for which this process has the Job deleted; nil for none.
	Planned *Outcome
	// Workloads is what Kueue says of the Job.
	Workloads Workloads
	// AskedIndexes is how many indexes the manifest of an Indexed Job has; 0 if it is not known.
	AskedIndexes int32
	// Events of the object that an earlier Result.Events asked for.
	Events []corev1.Event
	Now    time.Time

	// trustExitZero is the policy that exit code 0 is a success even of a pod that was told to stop.
	trustExitZero bool
	// sorted are all pods, newest first, once Attempt has sorted them.
	sorted []*corev1.Pod
	// rescheduleDeleted is the policy that a pod which a user deleted counts as evicted.
	rescheduleDeleted bool
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
	if s.sorted != nil {
		return s.sorted
	}
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

// shownPod is the pod that stands for the attempt while it runs: its newest. Of a Job of several pods it is a
// running one, the first by name, so that it changes rarely.
func (s Snapshot) shownPod() *corev1.Pod {
	if s.shape() == manifest.OnePod {
		return s.NewestPod()
	}
	var shown *corev1.Pod
	for _, pod := range s.allPods() {
		if shown == nil || cmp.Or(standing(pod)-standing(shown), strings.Compare(pod.Name, shown.Name)) < 0 {
			shown = pod
		}
	}
	return shown
}

// standing orders pods: running ones, ended ones, and ones that have not started.
func standing(pod *corev1.Pod) int {
	switch {
	case !podstatus.AnyStarted(pod):
		return 2
	case podstatus.Terminal(pod):
		return 1
	}
	return 0
}

// node is where the attempt runs; of a Job of several pods it is where the one ran because of which it failed.
func (s Snapshot) node(shown *corev1.Pod) string {
	if s.shape() == manifest.OnePod {
		return shown.Spec.NodeName
	}
	if condition := s.finalCondition(); condition != nil && condition.Type == batchv1.JobFailed {
		if pod := s.blamed(*condition); pod != nil {
			return pod.Spec.NodeName
		}
	}
	return ""
}

// image is the image of the job container, with its digest, as the node ran it; empty before it is pulled. All pods of a
// Job ask for the same one.
func (s Snapshot) image(pod *corev1.Pod) string {
	status := podstatus.Container(pod, s.jobContainer())
	if status == nil {
		return ""
	}
	return strings.TrimPrefix(status.ImageID, "docker-pullable://")
}

// runningSince is when the job container of the pod started; of several pods, when the first one did.
func (s Snapshot) runningSince(pod *corev1.Pod) *time.Time {
	if s.shape() == manifest.OnePod {
		return podstatus.StartedAt(podstatus.Container(pod, s.jobContainer()))
	}
	var first *time.Time
	for _, pod := range s.allPods() {
		at := podstatus.StartedAt(podstatus.Container(pod, s.jobContainer()))
		if at != nil && (first == nil || at.Before(*first)) {
			first = at
		}
	}
	return first
}

// suspended reports whether the Job is suspended and its pods have stopped.
func (s Snapshot) suspended() bool {
	return s.Job != nil && isSuspended(s.Job) && !podstatus.AnyActive(s.Pods)
}

// runsNow reports whether the pod that has started stands for a Job that runs. A Job that is resumed has none that does
// until its new pod starts, and may take long to get one.
func (s Snapshot) runsNow() bool {
	resumed := s.suspendedCondition()
	if resumed == nil {
		return true
	}
	started := func(pod *corev1.Pod) bool {
		return podstatus.StartedAt(podstatus.Container(pod, s.jobContainer())) != nil
	}
	for _, pod := range s.Pods {
		if !podstatus.Terminal(pod) && started(pod) {
			return true
		}
	}
	// Between two of several pods none may be active.
	return slices.ContainsFunc(s.allPods(), func(pod *corev1.Pod) bool {
		return started(pod) && !pod.CreationTimestamp.Before(&resumed.LastTransitionTime)
	})
}

// suspendedCondition says since when the Job is suspended or, with status False, when it was resumed; nil if it never was
// suspended.
func (s Snapshot) suspendedCondition() *batchv1.JobCondition {
	if s.Job == nil {
		return nil
	}
	for i, condition := range s.Job.Status.Conditions {
		if condition.Type == batchv1.JobSuspended {
			return &s.Job.Status.Conditions[i]
		}
	}
	return nil
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

// lingering returns the outcome of the job container if its pod runs on without it. Under OnFailure a container
// that failed is about to be restarted.
func (s Snapshot) lingering(pod *corev1.Pod) *Outcome {
	if s.Deleting() || s.shape() != manifest.OnePod || pod == nil || pod.DeletionTimestamp != nil ||
		podstatus.Terminal(pod) {
		return nil
	}
	status := podstatus.Container(pod, s.jobContainer())
	if status == nil || status.State.Terminated == nil || (!s.SinglePod() && status.State.Terminated.ExitCode != 0) {
		return nil
	}
	outcome := s.containerOutcome(*status)
	return &outcome
}

// shape is how many pods the Job has. That of a Job which is gone is read from its pods.
func (s Snapshot) shape() manifest.Shape {
	if s.Job != nil {
		return manifest.ShapeOf(&s.Job.Spec)
	}
	for _, pod := range s.allPods() {
		if shape := pod.Annotations[manifest.AnnotationShape]; shape != "" {
			return manifest.Shape(shape)
		}
	}
	return manifest.OnePod
}

// SinglePod reports whether the Job is one pod that is never restarted or replaced. The end of that pod is the
// end of the Job.
func (s Snapshot) SinglePod() bool {
	if s.Job == nil {
		return false
	}
	spec := s.Job.Spec
	one := func(n *int32) bool { return n == nil || *n == 1 }
	return one(spec.Completions) && one(spec.Parallelism) && !manifest.ReplacesPods(&spec)
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
