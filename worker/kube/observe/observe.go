// Package observe turns what a cluster shows of an attempt into an observation. It is pure: the result
// depends on the Snapshot alone, so recorded clusters serve as its tests. It cannot import client-go.
//
//	Snapshot (Job, pods, events, time) ──Attempt──▶ Result
//
// A Result tells the worker how the attempt stands (phase, outcome, diagnosis), and the runtime what to do
// next: pods to stop, events to fetch, output to follow.
//
// Rules that the code depends on:
//   - The Job's conditions decide that an attempt has ended, and the pod that they blame how. The pod of a
//     single-pod Job may say so earlier, since the Job controller follows about a second later.
//   - An outcome that came before a deletion wins over the deletion.
//   - There is no outcome while a pod may still run.
package observe

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// Result is the observation of an attempt, and what the runtime has to do because of it.
type Result struct {
	job.Observation

	// Waiting explains a pending attempt; nil if there is no known reason.
	Waiting *Diagnosis
	// Events asks for the events of an object that may explain why nothing happens; nil if none are needed.
	Events *EventQuery
	// StrayPods are pods that only this runtime will stop: their Job is gone, or is being deleted in the
	// background while our finalizer keeps it.
	StrayPods []*corev1.Pod
	// Lingering is the outcome of a job container that has ended while other containers of its pod run on.
	Lingering *Outcome
	// GivenUp is the outcome of an attempt whose Job Kueue will never resume; nil if it may.
	GivenUp *Outcome
	// HasOutput is true once there may be output to follow.
	HasOutput bool
	// AwaitsPod is true if the Job has ended and the final status of its pod is expected within seconds.
	AwaitsPod bool
	// Policy is the template's policy for the attempt. If it could not be read, it has the default values and
	// PolicyError says why.
	Policy      manifest.Policy
	PolicyError error
}

// EventQuery asks for the events of one object.
type EventQuery struct {
	UID types.UID
	// Job is the name of a Job whose Workload is meant as well; empty if none is.
	Job string
	// Since is when the object began to wait.
	Since time.Time
	// NotBefore is the earliest time at which the events are worth a request: most pods start sooner.
	NotBefore time.Time
}

// Attempt observes an attempt.
func Attempt(s Snapshot) Result {
	var r Result
	if s.Job != nil {
		r.UID = string(s.Job.UID)
		r.Policy, r.PolicyError = manifest.PolicyOf(s.Job.Annotations)
		s.trustExitZero, s.rescheduleDeleted = r.Policy.TrustExitZero, r.Policy.RescheduleDeleted
	}
	s.sorted = s.allPods()
	pod := s.shownPod()
	if pod != nil {
		r.Node, r.Image = s.node(pod), s.image(pod)
		r.RunningSince = s.runningSince(pod)
		r.HasOutput = r.RunningSince != nil || (r.Policy.AllLogs && podstatus.AnyStarted(pod))
	}
	r.StrayPods = s.strayPods()
	r.Indexes = s.indexes()

	if outcome, ended := s.outcome(); ended {
		if fewer := s.fewerIndexes(); fewer != "" {
			outcome.Message = strings.TrimSuffix(fewer+"; "+outcome.Message, "; ")
		}
		r.end(outcome)
		return r
	}

	r.Phase = job.Pending
	if r.RunningSince != nil && !s.suspended() && s.runsNow() && (s.shape() != manifest.OnePod || pod.Status.Phase != corev1.PodPending) {
		r.Phase = job.Running
	}
	if r.AwaitsPod = s.awaitsPod(); r.AwaitsPod {
		return r
	}
	r.Lingering, r.GivenUp = s.lingering(pod), s.givenUp()
	r.Waiting, r.Events = s.explain(pod, r.Phase)
	if r.Waiting != nil {
		r.Diagnosis = r.Waiting.Summary
	} else if r.Phase == job.Running {
		r.Diagnosis = s.fewerIndexes()
	}
	return r
}

func (r *Result) end(o Outcome) {
	r.Phase, r.Succeeded, r.Category = job.Ended, o.Succeeded, o.Category
	r.ExitCode, r.Message, r.EndedAt, r.Final = o.ExitCode, o.Message, o.At, o.Final
}
