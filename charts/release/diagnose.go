package release

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// NotReadyError says beside what Helm reports, which is often just that the time is over, what the pods wait
// for.
type NotReadyError struct {
	Err      error
	Findings []string
}

func (e *NotReadyError) Error() string { return e.Err.Error() }

func (e *NotReadyError) Unwrap() error { return e.Err }

// Details are the findings, a line each.
func (e *NotReadyError) Details() []string { return e.Findings }

// lineError is an error of Helm's whose text spans lines, as lists of errors do, told in one.
type lineError struct{ error }

func oneLine(err error) error { return lineError{err} }

func (e lineError) Error() string {
	text := strings.Join(strings.Fields(e.error.Error()), " ")
	return strings.TrimPrefix(text, "1 error occurred: * ")
}

func (e lineError) Unwrap() error { return e.error }

// diagnosisTimeout bounds the look at pods after a failure, for which the caller's own time may be over.
const diagnosisTimeout = 15 * time.Second

func (c *Client) explain(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosisTimeout)
	defer cancel()
	if findings := c.findings(ctx); len(findings) > 0 {
		return &NotReadyError{Err: err, Findings: findings}
	}
	return err
}

// findings is best effort: a cluster that does not answer has nothing to add to the error that is being
// explained.
func (c *Client) findings(ctx context.Context) []string {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return nil
	}
	pods, err := set.CoreV1().
		Pods(c.namespace).
		List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + c.name})
	if err != nil {
		return nil
	}
	var out []string
	for _, pod := range pods.Items {
		out = append(out, podFindings(pod)...)
	}
	if len(out) > 0 {
		return out
	}
	// No pod that says anything: what stands in the way of making one is only in the events.
	events, err := set.CoreV1().
		Events(c.namespace).
		List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		return nil
	}
	return eventFindings(events.Items, c.name)
}

// podFindings says why a pod is not ready; nothing of one that is, or that has done its work.
func podFindings(pod corev1.Pod) []string {
	if pod.Status.Phase == corev1.PodSucceeded || pod.DeletionTimestamp != nil {
		return nil
	}
	var out []string
	say := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("pod %s: ", pod.Name)+fmt.Sprintf(format, args...))
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			say("not scheduled: %s", condition.Message)
		}
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if finding := containerFinding(status); finding != "" {
			say("container %s %s", status.Name, finding)
		}
	}
	return out
}

func containerFinding(s corev1.ContainerStatus) string {
	ended := s.State.Terminated
	if ended == nil {
		ended = s.LastTerminationState.Terminated
	}
	var parts []string
	if w := s.State.Waiting; w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" {
		parts = append(parts, strings.TrimSpace("waits: "+w.Reason+" "+w.Message))
	}
	if ended != nil && ended.ExitCode != 0 {
		parts = append(
			parts,
			strings.TrimSpace(
				fmt.Sprintf("ended with exit code %d (%s) %s", ended.ExitCode, ended.Reason, ended.Message),
			),
		)
	}
	if s.State.Running != nil && !s.Ready {
		parts = append(parts, "runs, but is not ready")
	}
	return strings.Join(parts, "; ")
}

// eventFindings gives the newest warning of each object whose name begins with that of the release.
func eventFindings(events []corev1.Event, name string) []string {
	slices.SortStableFunc(events, func(a, b corev1.Event) int { return eventTime(b).Compare(eventTime(a)) })
	seen := map[string]bool{}
	var out []string
	for _, e := range events {
		object := strings.ToLower(e.InvolvedObject.Kind) + " " + e.InvolvedObject.Name
		if seen[object] || !strings.HasPrefix(e.InvolvedObject.Name, name) {
			continue
		}
		seen[object] = true
		out = append(out, fmt.Sprintf("%s: %s: %s", object, e.Reason, e.Message))
	}
	return out
}

func eventTime(e corev1.Event) time.Time {
	if !e.LastTimestamp.IsZero() {
		return e.LastTimestamp.Time
	}
	return e.EventTime.Time
}
