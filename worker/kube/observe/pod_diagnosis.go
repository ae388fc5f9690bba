package observe

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// DiagnosePod explains from the pod's status why it does not start; nil if it starts, or does not show yet
// why it does not.
func DiagnosePod(pod *corev1.Pod) *Diagnosis {
	for _, status := range podstatus.All(pod) {
		if status.State.Waiting == nil {
			continue
		}
		if d := diagnoseWaiting(status, *status.State.Waiting); d != nil {
			d.Since = scheduledAt(pod)
			return d
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

// scheduledAt is when the pod was assigned to its node; before that, when it was created.
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
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable",
		"ImageInspectError", "SignatureValidationFailed":
		d.Code, d.Cause = "ImagePullError", api.CategoryImagePull
		d.Summary = fmt.Sprintf("container %q: cannot pull image%s", status.Name, quotedImage(status.Image))
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError",
		"PostStartHookError":
		d.Code, d.Cause = "ConfigError", api.CategoryConfig
		d.Summary = fmt.Sprintf("container %q cannot be created", status.Name)
	case "CrashLoopBackOff":
		d.Code = "CrashLoopBackOff"
		d.Summary = fmt.Sprintf("container %q keeps exiting; it is restarted after a delay", status.Name)
	default:
		return nil
	}
	if detail := waitingDetail(waiting.Message); detail != "" {
		d.Summary += ": " + detail
	}
	return &d
}

func quotedImage(image string) string {
	if image == "" {
		return ""
	}
	return fmt.Sprintf(" %q", image)
}

// waitingDetail strips the part that differs between a failed pull and the back-off before the next one. The
// diagnosis would otherwise flip between the two texts with every pull.
func waitingDetail(message string) string {
	message = strings.TrimSpace(message)
	if strings.HasPrefix(message, "Back-off pulling image") {
		_, cause, _ := strings.Cut(message, ": ErrImagePull: ")
		return cause
	}
	return message
}

// An unscheduledReason recognises a scheduler message by any of its texts, which are in lower case.
type unscheduledReason struct {
	texts   []string
	code    string
	cause   api.Category
	summary string
}

// unscheduledReasons are tried in order: the scheduler lists the reasons of all nodes in one message, and the
// one that lasts longest comes first here.
var unscheduledReasons = []unscheduledReason{
	{
		[]string{"persistentvolumeclaim", "persistent volume", "volume node affinity"},
		"Unschedulable.Volume", api.CategoryConfig,
		"no node can run the pod: its volume is missing or bound to another node",
	},
	{
		[]string{"untolerated taint"},
		"Unschedulable.Taint", api.CategoryUnschedulable,
		"no node can run the pod: nodes have taints that it does not tolerate",
	},
	{
		[]string{"affinity/selector", "node affinity", "node selector"},
		"Unschedulable.NodeAffinity", api.CategoryUnschedulable,
		"no node can run the pod: none matches its node selector or affinity",
	},
	{
		[]string{"insufficient "},
		"Unschedulable.InsufficientResources", api.CategoryUnschedulable,
		"no node can run the pod: none has enough free resources for its requests",
	},
}

func diagnoseUnscheduled(condition corev1.PodCondition) *Diagnosis {
	if condition.Reason == corev1.PodReasonSchedulingGated {
		return &Diagnosis{
			Level: LevelWarning, Code: "SchedulingGated",
			Summary: "the pod has scheduling gates: the controllers that set them have to remove them",
		}
	}

	d := Diagnosis{
		Level: LevelWarning, Code: "Unschedulable", Cause: api.CategoryUnschedulable,
		Summary: "no node can run the pod",
	}
	text := strings.ToLower(condition.Message)
	for _, reason := range unscheduledReasons {
		if containsAny(text, reason.texts) {
			d.Code, d.Cause, d.Summary = reason.code, reason.cause, reason.summary
			d.Volume = reason.cause == api.CategoryConfig
			break
		}
	}
	// What the scheduler says about preemption repeats the reason for every node.
	if message, _, _ := strings.Cut(condition.Message, " preemption: "); message != "" {
		d.Summary += ": " + strings.TrimSpace(message)
	}
	return &d
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
