package kube

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// Level says how bad what a Diagnosis tells is.
type Level string

// Levels of a diagnosis. A warning may pass by itself, an error will hardly.
const (
	LevelWarning Level = "warning"
	LevelError   Level = "error"
)

// Diagnosis says why a pending attempt waits.
type Diagnosis struct {
	Level Level
	// Code is a stable name of what is wrong, e.g. "Unschedulable.Taint".
	Code string
	// Summary says it in words.
	Summary string
	// Cause is the category that the attempt ends with when it waits too long for this.
	Cause api.Category
	// Since is when it began, as far as the cluster tells.
	Since time.Time
}

// How long nothing may happen before the events of an object are looked up: most pods start sooner.
const (
	quietJob = 3 * time.Second
	quietPod = 8 * time.Second
)

// explain says why the attempt waits, and else which object's events to look at.
func (s snapshot) explain(pod *corev1.Pod, phase job.Phase) (d *Diagnosis, ask string) {
	if s.deleting() {
		return &Diagnosis{
			Level:   LevelWarning,
			Code:    "Deleting",
			Summary: "the Job is being deleted, its pod is told to stop",
			Since:   s.now,
		}, ""
	}
	if gated(s.job) {
		return &Diagnosis{
			Level:   LevelWarning,
			Code:    "Gated",
			Summary: "the Job waits for the server to take note of it",
			Since:   s.now,
		}, ""
	}
	if s.job.Spec.Suspend != nil && *s.job.Spec.Suspend {
		return &Diagnosis{
			Level:   LevelWarning,
			Code:    "Suspended",
			Summary: "the Job is suspended: a queue (Kueue) or somebody has to resume it",
			Since:   s.now,
		}, ""
	}
	if pod == nil {
		return s.explainByEvents(string(s.job.UID), s.waitingSince(), quietJob)
	}
	if d := DiagnosePod(pod); d != nil {
		return d, ""
	}
	if lost := lostNode(pod, s.now); lost != nil {
		return lost, ""
	}
	if d := leaving(pod); d != nil {
		return d, ""
	}
	if phase == job.Running || terminal(pod) {
		return nil, ""
	}
	return s.explainByEvents(string(pod.UID), scheduledAt(pod), quietPod)
}

// waitingSince is when the Job could have had a pod: at its creation, or when it was resumed.
func (s snapshot) waitingSince() time.Time {
	if started := s.job.Status.StartTime; started != nil {
		return started.Time
	}
	return s.job.CreationTimestamp.Time
}

func (s snapshot) explainByEvents(uid string, since time.Time, quiet time.Duration) (*Diagnosis, string) {
	if s.now.Sub(since) < quiet {
		return nil, uid
	}
	d := diagnoseEvents(s.events, uid)
	if d != nil {
		d.Since = since
	}
	return d, uid
}

// unreachableAfter is how long after its time a pod that was told to go may still be there before its node is
// doubted.
const unreachableAfter = 30 * time.Second

// lostNode says that a pod should have been gone long ago: nobody can tell whether it still runs.
func lostNode(pod *corev1.Pod, now time.Time) *Diagnosis {
	if pod.DeletionTimestamp == nil || terminal(pod) ||
		now.Sub(pod.DeletionTimestamp.Time) < unreachableAfter {
		return nil
	}
	return &Diagnosis{
		Level: LevelError, Code: "NodeLost", Cause: api.CategoryNodeLost, Since: pod.DeletionTimestamp.Time,
		Summary: fmt.Sprintf(
			"pod %s was told to stop and its node %s does not confirm it: it may still run",
			pod.Name,
			pod.Spec.NodeName,
		),
	}
}

// leaving says that a pod was told to go and has time left for it: until then it looks as if it just ran on.
func leaving(pod *corev1.Pod) *Diagnosis {
	if pod.DeletionTimestamp == nil || terminal(pod) {
		return nil
	}
	what := fmt.Sprintf("pod %s was told to stop", pod.Name)
	if _, why, ok := disruption(pod); ok {
		what = why
	}
	summary := fmt.Sprintf(
		"%s; it has until %s to stop",
		what,
		pod.DeletionTimestamp.UTC().Format("15:04:05 MST"),
	)
	return &Diagnosis{
		Level:   LevelWarning,
		Code:    "Stopping",
		Since:   pod.DeletionTimestamp.Time,
		Summary: summary,
	}
}

// DiagnosePod says why a pod does not start, or nil where it does, or where it has not said yet. It is a pure
// function of the pod's status.
func DiagnosePod(pod *corev1.Pod) *Diagnosis {
	statuses := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	for _, status := range statuses {
		if waiting := status.State.Waiting; waiting != nil {
			if d := diagnoseWaiting(status, *waiting); d != nil {
				d.Since = scheduledAt(pod)
				return d
			}
		}
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			d := diagnoseUnscheduled(condition)
			d.Since = condition.LastTransitionTime.Time
			return d
		}
	}
	return nil
}

// scheduledAt is when the pod found its node; until then, when it was made.
func scheduledAt(pod *corev1.Pod) time.Time {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionTrue &&
			!condition.LastTransitionTime.IsZero() {
			return condition.LastTransitionTime.Time
		}
	}
	return pod.CreationTimestamp.Time
}

func diagnoseWaiting(status corev1.ContainerStatus, waiting corev1.ContainerStateWaiting) *Diagnosis {
	d := Diagnosis{Level: LevelError}
	switch waiting.Reason {
	case "ErrImagePull",
		"ImagePullBackOff",
		"InvalidImageName",
		"ErrImageNeverPull",
		"RegistryUnavailable",
		"ImageInspectError",
		"SignatureValidationFailed":
		d.Code, d.Cause = "ImagePullError", api.CategoryImagePull
		d.Summary = fmt.Sprintf("container %q can not get its image%s", status.Name, quoted(status.Image))
	case "CreateContainerConfigError",
		"CreateContainerError",
		"RunContainerError",
		"PreCreateHookError",
		"PostStartHookError":
		d.Code, d.Cause = "ConfigError", api.CategoryConfig
		d.Summary = fmt.Sprintf("container %q can not be made", status.Name)
	case "CrashLoopBackOff":
		d.Code = "CrashLoopBackOff"
		d.Summary = fmt.Sprintf("container %q keeps ending and waits to be started again", status.Name)
	default:
		return nil
	}
	if detail := pullError(waiting.Message); detail != "" {
		d.Summary += ": " + detail
	}
	return &d
}

func quoted(image string) string {
	if image == "" {
		return ""
	}
	return fmt.Sprintf(" %q", image)
}

// pullError cuts what differs between a failed pull and the wait for the next one, so that the words stay the
// same.
func pullError(message string) string {
	message = strings.TrimSpace(message)
	if strings.HasPrefix(message, "Back-off pulling image") {
		if _, cause, found := strings.Cut(message, ": ErrImagePull: "); found {
			return cause
		}
		return ""
	}
	return message
}

func diagnoseUnscheduled(condition corev1.PodCondition) *Diagnosis {
	if condition.Reason == corev1.PodReasonSchedulingGated {
		return &Diagnosis{
			Level:   LevelWarning,
			Code:    "SchedulingGated",
			Summary: "the pod has scheduling gates that somebody has to lift",
		}
	}
	d := Diagnosis{
		Level:   LevelWarning,
		Code:    "Unschedulable",
		Cause:   api.CategoryUnschedulable,
		Summary: "no node takes the pod",
	}
	text := strings.ToLower(condition.Message)
	switch {
	case strings.Contains(text, "persistentvolumeclaim"),
		strings.Contains(text, "persistent volume"),
		strings.Contains(text, "volume node affinity"):
		d.Code, d.Cause, d.Summary = "Unschedulable.Volume", api.CategoryConfig, "no node takes the pod: its volume is missing or elsewhere"
	case strings.Contains(text, "untolerated taint"):
		d.Code, d.Summary = "Unschedulable.Taint", "no node takes the pod: nodes have taints that it does not tolerate"
	case strings.Contains(text, "affinity/selector"),
		strings.Contains(text, "node affinity"),
		strings.Contains(text, "node selector"):
		d.Code, d.Summary = "Unschedulable.NodeAffinity", "no node takes the pod: its node selector or affinity matches none"
	case strings.Contains(text, "insufficient "):
		d.Code, d.Summary = "Unschedulable.InsufficientResources", "no node has room for what the pod requests"
	}
	if message, _, _ := strings.Cut(condition.Message, " preemption: "); message != "" {
		d.Summary += ": " + strings.TrimSpace(message)
	}
	return &d
}
