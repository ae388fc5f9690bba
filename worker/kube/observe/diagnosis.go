package observe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// Level is the severity of a Diagnosis.
type Level string

// Levels of a diagnosis. A warning may pass without action; an error rarely does.
const (
	LevelWarning Level = "warning"
	LevelError   Level = "error"
)

// Diagnosis explains why a pending attempt waits.
type Diagnosis struct {
	Level Level
	// Code names the reason and is stable, e.g. "Unschedulable.Taint".
	Code string
	// Summary is the explanation for people.
	Summary string
	// Cause is the category with which the attempt ends if it waits too long; empty if it may wait for ever.
	Cause api.Category
	// Volume: the cause is a volume that is not there yet, which takes longer than other causes of its category.
	Volume bool
	// Since is when the wait began, as far as the cluster shows it.
	Since time.Time
}

// How long an object may be quiet before its events are fetched. Most pods start sooner.
const (
	quietJob = 3 * time.Second
	quietPod = 8 * time.Second
)

// explain returns why the attempt waits, or which events might tell.
func (s Snapshot) explain(pod *corev1.Pod, phase job.Phase) (*Diagnosis, *EventQuery) {
	if d := s.explainJob(); d != nil {
		return d, nil
	}
	if isSuspended(s.Job) {
		return s.explainSuspended()
	}
	if pod == nil {
		return s.explainByEvents(s.Job.UID, s.podExpectedSince(), quietJob)
	}
	for _, pod := range s.waitingPods(pod) {
		for _, d := range []*Diagnosis{DiagnosePod(pod), lostNode(pod, s.Now), stopping(pod)} {
			if d != nil {
				return d, nil
			}
		}
	}
	if phase == job.Running || podstatus.Terminal(pod) {
		return nil, nil
	}
	return s.explainByEvents(pod.UID, scheduledAt(pod), quietPod)
}

// waitingPods are the pods that may have something to explain: of a Job of several pods all that have not
// ended, in the order of their names.
func (s Snapshot) waitingPods(shown *corev1.Pod) []*corev1.Pod {
	if s.shape() == manifest.OnePod {
		return []*corev1.Pod{shown}
	}
	active := slices.DeleteFunc(slices.Clone(s.Pods), podstatus.Terminal)
	slices.SortFunc(active, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return active
}

// explainJob explains an attempt whose Job itself holds it back.
func (s Snapshot) explainJob() *Diagnosis {
	d := Diagnosis{Level: LevelWarning, Since: s.Now}
	switch {
	case s.Deleting():
		d.Code, d.Summary = "Deleting", "the Job is being deleted; waiting for its pod to stop"
	default:
		return nil
	}
	return &d
}

// podExpectedSince is when the Job could first have had a pod: at its creation, or when it was resumed.
func (s Snapshot) podExpectedSince() time.Time {
	if started := s.Job.Status.StartTime; started != nil {
		return started.Time
	}
	return s.Job.CreationTimestamp.Time
}

func (s Snapshot) explainByEvents(
	uid types.UID, since time.Time, quiet time.Duration,
) (*Diagnosis, *EventQuery) {
	query := &EventQuery{UID: uid, Since: since, NotBefore: since.Add(quiet)}
	if s.Now.Before(query.NotBefore) {
		return nil, query
	}
	d := diagnoseEvents(s.Events, uid)
	if d != nil {
		d.Since = since
	}
	return d, query
}

// ConfirmationTimeout is how long after its grace period a deleted pod may exist before its node is
// considered lost.
const ConfirmationTimeout = 30 * time.Second

// lostNode explains a pod that should have stopped long ago: it cannot be known whether it still runs.
func lostNode(pod *corev1.Pod, now time.Time) *Diagnosis {
	if podstatus.Terminal(pod) || pod.DeletionTimestamp == nil ||
		podstatus.Overdue(pod, now) < ConfirmationTimeout {
		return nil
	}
	node := pod.Spec.NodeName
	return &Diagnosis{
		Level: LevelError, Code: "NodeLost", Cause: api.CategoryNodeLost, Since: pod.DeletionTimestamp.Time,
		Summary: fmt.Sprintf("node %s does not confirm that pod %s has stopped: it may still run; "+
			"restore the node, delete it if it is gone for good, or cancel the run", node, pod.Name),
	}
}

// stopping explains a pod that is being deleted and within its grace period. Its status looks as if it ran
// on.
func stopping(pod *corev1.Pod) *Diagnosis {
	if pod.DeletionTimestamp == nil || podstatus.Terminal(pod) {
		return nil
	}
	reason := fmt.Sprintf("pod %s is being deleted", pod.Name)
	if _, message, ok := disruption(pod); ok {
		reason = message
	}
	deadline := pod.DeletionTimestamp.UTC().Format("15:04:05 MST")
	return &Diagnosis{
		Level: LevelWarning, Code: "Stopping", Since: pod.DeletionTimestamp.Time,
		Summary: fmt.Sprintf("%s; it has until %s to stop", reason, deadline),
	}
}
