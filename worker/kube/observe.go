package kube

import (
	"encoding/json"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/finalizer"
)

// snapshot is all that is known of an attempt at one moment.
type snapshot struct {
	job     *batchv1.Job   // nil where it is not in the cluster
	pods    []*corev1.Pod  // in the cluster now
	past    []*corev1.Pod  // gone, as they were last seen
	stopped []types.UID    // pods that are known to have been told to stop while they ran
	events  []corev1.Event // of the object that look asked for
	now     time.Time
	// trustExitZero is the template's word that exit code 0 is success even of a pod that was told to go.
	trustExitZero bool
}

// view is what a snapshot means: for the worker, and for what the runtime has to do next.
type view struct {
	job.Observation
	// waiting explains a pending attempt; nil where there is nothing to say.
	waiting *Diagnosis
	// ask is the UID of the object whose events may explain why nothing happens.
	ask string
	// strays are pods that nobody but us will stop: their Job is gone, or goes away in the background.
	strays []*corev1.Pod
	// outlived is the end of the job container while other containers of its pod run on.
	outlived *end
	// output is there to be followed.
	output bool
	// unsettled asks to look again soon.
	unsettled bool
	// policy is how the template wants the attempt looked after; where it can not be read, the usual way and
	// problem says why.
	policy  manifest.Policy
	problem error
}

// end is how an attempt ended.
type end struct {
	Succeeded bool         `json:"succeeded,omitempty"`
	Category  api.Category `json:"category,omitempty"`
	ExitCode  *int32       `json:"exitCode,omitempty"`
	Message   string       `json:"message,omitempty"`
	At        *time.Time   `json:"at,omitempty"`
}

// Observe says what a Job and its pods look like; no Job means that it is not in the cluster any more. It is
// a pure function: what comes of it depends on nothing else.
func Observe(j *batchv1.Job, pods []*corev1.Pod, now time.Time) job.Observation {
	return look(snapshot{job: j, pods: pods, now: now}).Observation
}

func look(s snapshot) view {
	var v view
	if s.job != nil {
		v.UID = string(s.job.UID)
		v.policy, v.problem = manifest.PolicyOf(s.job.Annotations)
		s.trustExitZero = v.policy.TrustExitZero
	}
	pod := s.newestPod()
	if pod != nil {
		v.Node = pod.Spec.NodeName
		v.RunningSince = startedAt(pod, s.container())
		v.output = v.RunningSince != nil || (v.policy.AllLogs && anyStarted(pod))
	}
	v.strays = s.strays()
	if e, ended := s.ending(); ended {
		v.end(e)
		return v
	}
	v.Phase = job.Pending
	if v.RunningSince != nil && pod != nil && pod.Status.Phase != corev1.PodPending && !s.suspended() {
		v.Phase = job.Running
	}
	if v.unsettled = s.unsettled(); v.unsettled {
		return v
	}
	v.outlived = s.outlived(pod)
	v.waiting, v.ask = s.explain(pod, v.Phase)
	if v.waiting != nil {
		v.Diagnosis = v.waiting.Summary
	}
	return v
}

func (v *view) end(e end) {
	v.Phase, v.Succeeded, v.Category = job.Ended, e.Succeeded, e.Category
	v.ExitCode, v.Message, v.EndedAt = e.ExitCode, e.Message, e.At
}

// container is the name of the job container.
func (s snapshot) container() string {
	if s.job != nil {
		if name := s.job.Annotations[manifest.AnnotationJobContainer]; name != "" {
			return name
		}
		if containers := s.job.Spec.Template.Spec.Containers; len(containers) > 0 {
			return containers[0].Name
		}
	}
	for _, pod := range s.all() {
		if name := pod.Annotations[manifest.AnnotationJobContainer]; name != "" {
			return name
		}
		if len(pod.Spec.Containers) > 0 {
			return pod.Spec.Containers[0].Name
		}
	}
	return ""
}

// all are the pods that are there and those that were, newest first.
func (s snapshot) all() []*corev1.Pod {
	pods := append(slices.Clone(s.pods), s.past...)
	slices.SortStableFunc(pods, func(a, b *corev1.Pod) int {
		return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	})
	return pods
}

func (s snapshot) newestPod() *corev1.Pod {
	if pods := s.all(); len(pods) > 0 {
		return pods[0]
	}
	return nil
}

// suspended reports whether the Job was told to pause and has: what ran of it has been stopped.
func (s snapshot) suspended() bool {
	return s.job != nil && s.job.Spec.Suspend != nil && *s.job.Spec.Suspend &&
		!slices.ContainsFunc(s.pods, func(pod *corev1.Pod) bool { return !terminal(pod) })
}

// deleting reports whether the Job is being deleted or gone.
func (s snapshot) deleting() bool { return s.job == nil || s.job.DeletionTimestamp != nil }

// strays are the pods that no garbage collector will stop before the Job goes, which our finalizer prevents.
func (s snapshot) strays() []*corev1.Pod {
	if !s.deleting() || (s.job != nil && finalizer.InForeground(s.job)) {
		return nil
	}
	return slices.DeleteFunc(
		slices.Clone(s.pods),
		func(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil },
	)
}

// outlived returns how the job container ended where its pod runs on without it.
func (s snapshot) outlived(pod *corev1.Pod) *end {
	if pod == nil || s.deleting() || !s.plain() || terminal(pod) || pod.DeletionTimestamp != nil {
		return nil
	}
	status := containerStatus(pod, s.container())
	if status == nil || status.State.Terminated == nil {
		return nil
	}
	e := s.containerEnd(*status)
	return &e
}

// plain reports whether the Job is one pod that is never restarted: then the pod's end is the Job's.
func (s snapshot) plain() bool {
	if s.job == nil {
		return false
	}
	spec := s.job.Spec
	one := func(n *int32) bool { return n == nil || *n == 1 }
	return one(spec.Completions) && one(spec.Parallelism) && spec.BackoffLimit != nil &&
		*spec.BackoffLimit == 0 &&
		spec.Template.Spec.RestartPolicy == corev1.RestartPolicyNever
}

// planned is the end that was decided before the Job was deleted for it.
func (s snapshot) planned() (end, bool) {
	if s.job == nil || s.job.Annotations[annotationEnding] == "" {
		return end{}, false
	}
	var e end
	if err := json.Unmarshal([]byte(s.job.Annotations[annotationEnding]), &e); err != nil {
		return end{
			Category: api.CategoryUnknown,
			Message:  "the annotation " + annotationEnding + " of the Job can not be read: " + err.Error(),
		}, true
	}
	return e, true
}

func terminal(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func containerStatus(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == name {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// startedAt is when the container began to run, in its latest instance; nil where it has not.
func startedAt(pod *corev1.Pod, container string) *time.Time {
	status := containerStatus(pod, container)
	if status == nil {
		return nil
	}
	return startOf(status)
}
