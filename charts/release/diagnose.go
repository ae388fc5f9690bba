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

// NotReadyError adds to Helm's error, which is often only a timeout, why the pods are not ready.
type NotReadyError struct {
	Err      error
	Findings []string
}

func (e *NotReadyError) Error() string { return e.Err.Error() }

func (e *NotReadyError) Unwrap() error { return e.Err }

// Details returns the findings, one line each.
func (e *NotReadyError) Details() []string { return e.Findings }

// lineError is an error of Helm with its text joined into one line.
type lineError struct{ error }

func oneLine(err error) error { return lineError{err} }

func (e lineError) Error() string {
	text := strings.Join(strings.Fields(e.error.Error()), " ")
	return strings.TrimPrefix(text, "1 error occurred: * ")
}

func (e lineError) Unwrap() error { return e.error }

// diagnosisTimeout bounds the diagnosis after a failure. The caller's own deadline may have passed by then.
const diagnosisTimeout = 15 * time.Second

// explain adds findings to an error, if there are any.
func (c *Client) explain(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosisTimeout)
	defer cancel()
	if findings := c.findings(ctx); len(findings) > 0 {
		return &NotReadyError{Err: err, Findings: findings}
	}
	return err
}

// findings returns why the pods of the release are not ready. It is best effort: it explains another error,
// so its own errors are ignored.
func (c *Client) findings(ctx context.Context) []string {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return nil
	}
	ofRelease := metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + c.name}
	pods, err := set.CoreV1().Pods(c.objects).List(ctx, ofRelease)
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

	// If pods cannot be created at all, only events say why.
	events, err := set.CoreV1().Events(c.objects).List(ctx,
		metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		return nil
	}
	return eventFindings(events.Items, c.name)
}

// podFindings says why a pod is not ready; nothing if it is ready or has completed.
func podFindings(pod corev1.Pod) []string {
	if pod.Status.Phase == corev1.PodSucceeded || pod.DeletionTimestamp != nil {
		return nil
	}
	var out []string
	add := func(format string, args ...any) {
		out = append(out, fmt.Sprintf("pod %s: ", pod.Name)+fmt.Sprintf(format, args...))
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			add("not scheduled: %s", condition.Message)
		}
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if finding := containerFinding(status); finding != "" {
			add("container %s %s", status.Name, finding)
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
		parts = append(parts, strings.TrimSpace("is waiting: "+w.Reason+" "+w.Message))
	}
	if ended != nil && ended.ExitCode != 0 {
		text := fmt.Sprintf("terminated with exit code %d (%s) %s", ended.ExitCode, ended.Reason,
			ended.Message)
		parts = append(parts, strings.TrimSpace(text))
	}
	if s.State.Running != nil && !s.Ready {
		parts = append(parts, "is running but not ready")
	}
	return strings.Join(parts, "; ")
}

// eventFindings returns the newest warning of each object whose name starts with the name of the release.
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
