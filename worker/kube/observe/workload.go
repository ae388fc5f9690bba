package observe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
)

// A Workload is what Kueue says of a Job that it manages: its object of that name, as far as it explains a wait.
type Workload struct {
	Name string
	// Queue is its LocalQueue; ClusterQueue is the queue behind that, empty if it is not known.
	Queue, ClusterQueue string
	Conditions          []metav1.Condition
	Checks              []AdmissionCheck
}

// AdmissionCheck is the state of one of Kueue's admission checks: Pending, Ready, Retry or Rejected.
type AdmissionCheck struct{ Name, State, Message string }

// Workloads says what the Workload of an attempt is, and whether Workloads can be read at all.
type Workloads struct {
	Readable bool
	Found    *Workload
}

// Kueue's conditions of a Workload, and the reason of an eviction by deactivation.
const (
	conditionEvicted       = "Evicted"
	conditionQuotaReserved = "QuotaReserved"

	reasonPreempted   = "Preempted"
	reasonDeactivated = "Deactivated"
	// causedBy comes before why Kueue itself deactivated a Workload.
	causedBy = "DueTo"
)

// WithoutWorkload is how long a Job may wait before its missing Workload is said.
const WithoutWorkload = 30 * time.Second

// queueName is the LocalQueue that the Job asks for; empty if it has none.
func (s Snapshot) queueName() string { return s.Job.Labels[manifest.LabelKueueQueue] }

// explainSuspended explains a suspended Job: by its Workload, by Kueue's events, or not at all.
func (s Snapshot) explainSuspended() (*Diagnosis, *EventQuery) {
	d := &Diagnosis{Level: LevelWarning, Code: "Suspended", Since: s.Now}
	if found := s.Workloads.Found; found != nil {
		d.Code, d.Summary = "Queued", found.explain()
		return d, nil
	}
	since := s.Job.CreationTimestamp.Time
	if s.Workloads.Readable {
		if s.queueName() == "" {
			d.Summary = "the Job is suspended: whoever suspended it has to resume it"
			return d, nil
		}
		d.Code, d.Summary = "Queued", fmt.Sprintf("the Job is suspended and waits for LocalQueue %q of Kueue", s.queueName())
		if s.Now.Sub(since) >= WithoutWorkload {
			d.Level, d.Code = LevelError, "NoWorkload"
			d.Summary += ", which has made no Workload for it: check that Kueue's controller runs and manages the namespace"
		}
		return d, nil
	}
	if event := newestQueueEvent(s.Events); event != nil {
		d.Code, d.Summary = "Queued", "Kueue: "+event.Message
	} else if s.queueName() != "" {
		d.Summary = fmt.Sprintf("the Job is suspended and waits for LocalQueue %q of Kueue", s.queueName())
	} else {
		d.Summary = "the Job is suspended: Kueue, or the user who suspended it, has to resume it"
	}
	return d, &EventQuery{UID: s.Job.UID, Job: s.Job.Name, Since: since, NotBefore: since.Add(quietJob)}
}

func (w Workload) condition(kind string) *metav1.Condition {
	for i, condition := range w.Conditions {
		if condition.Type == kind {
			return &w.Conditions[i]
		}
	}
	return nil
}

// evicted is why Kueue took the Job off the cluster; nil if it did not.
func (w Workload) evicted() *metav1.Condition {
	if evicted := w.condition(conditionEvicted); evicted != nil && evicted.Status == metav1.ConditionTrue {
		return evicted
	}
	return nil
}

// explain says in Kueue's words what the Workload waits for.
func (w Workload) explain() string {
	queue := fmt.Sprintf("LocalQueue %q", w.Queue)
	if w.ClusterQueue != "" {
		queue += fmt.Sprintf(" (ClusterQueue %q)", w.ClusterQueue)
	}
	evicted, reserved := w.evicted(), w.condition(conditionQuotaReserved)
	before := ""
	switch {
	case evicted == nil:
	case evicted.Reason == reasonDeactivated:
		return fmt.Sprintf("Workload %s was deactivated by a user: the Job waits in Kueue's %s until spec.active is true again",
			w.Name, queue)
	case evicted.Reason == reasonPreempted:
		before = fmt.Sprintf("preempted by Kueue: %s; ", evicted.Message)
	default:
		before = fmt.Sprintf("stopped by Kueue: %s; ", evicted.Message)
	}
	if reserved != nil && reserved.Status == metav1.ConditionTrue {
		if check := w.waitingCheck(); check != nil {
			text := fmt.Sprintf("%squota is reserved in Kueue's %s; waits for admission check %q", before, queue, check.Name)
			return joinWords(text, check.Message)
		}
		return before + "admitted by Kueue's " + queue + "; the Job is about to be resumed"
	}
	text := before + "waits in Kueue's " + queue
	if reserved != nil && (evicted == nil || reserved.Message != evicted.Message) {
		text = joinWords(text, reserved.Message)
	}
	return text
}

func joinWords(text, more string) string {
	if more == "" {
		return text
	}
	return text + ": " + more
}

// waitingCheck is the first check that has not let the Workload pass.
func (w Workload) waitingCheck() *AdmissionCheck {
	checks := slices.SortedFunc(slices.Values(w.Checks), func(a, b AdmissionCheck) int { return cmp.Compare(a.Name, b.Name) })
	for i := range checks {
		if checks[i].State != "Ready" {
			return &checks[i]
		}
	}
	return nil
}

// givenUp is the outcome of an attempt whose Job Kueue has deactivated for good; nil if it did not. One that a
// user has deactivated may be activated again.
func (s Snapshot) givenUp() *Outcome {
	if s.Job == nil || !isSuspended(s.Job) || s.Deleting() {
		return nil
	}
	reason, message := "", ""
	if found := s.Workloads.Found; found != nil {
		if evicted := found.evicted(); evicted != nil {
			reason, message = evicted.Reason, evicted.Message
		}
	} else if event := newestQueueEvent(s.Events); event != nil {
		reason, message = strings.TrimPrefix(event.Reason, conditionEvicted+causedBy), event.Message
		if event.Reason == "Stopped" {
			reason = stopReason(event.Message)
		}
	}
	cause, byKueue := strings.CutPrefix(reason, reasonDeactivated+causedBy)
	if !byKueue {
		return nil
	}
	outcome := Outcome{Category: givenUpCategory(cause), Message: "Kueue gave the Job up: " + message}
	// Kueue has tried as often as it is allowed to; the retries for the infrastructure are not meant for that.
	outcome.Final = outcome.Category == api.CategoryUnschedulable
	return &outcome
}

// givenUpCategory is the category of a cause for which Kueue deactivates a Workload.
func givenUpCategory(cause string) api.Category {
	switch cause {
	case "MaximumExecutionTimeExceeded":
		return api.CategoryDeadline
	case "AdmissionCheck":
		return api.CategoryInvalid
	}
	return api.CategoryUnschedulable
}

// stopReason is the reason of the eviction that an event on the Job tells in words alone.
func stopReason(message string) string {
	_, cause, byKueue := strings.Cut(message, "The workload is deactivated due to ")
	switch {
	case !byKueue:
		return ""
	case strings.Contains(cause, "maximum execution time"):
		return reasonDeactivated + causedBy + "MaximumExecutionTimeExceeded"
	case strings.Contains(cause, "Admission check"):
		return reasonDeactivated + causedBy + "AdmissionCheck"
	}
	return reasonDeactivated + causedBy + "RequeuingLimitExceeded"
}

// queueEvents are the reasons of Kueue's events that say why a Job waits. Those of evictions begin alike.
var queueEvents = []string{"Pending", "QuotaReserved", "Stopped", "Preempted", "AdmissionCheckRejected", "Suspended"}

// newestQueueEvent is the newest of Kueue's events about the Job or its Workload; nil for none.
func newestQueueEvent(events []corev1.Event) *corev1.Event {
	var newest *corev1.Event
	for i := range events {
		event := &events[i]
		ofKueue := slices.Contains(queueEvents, event.Reason) || strings.HasPrefix(event.Reason, conditionEvicted+causedBy)
		if ofKueue && event.Source.Component != "job-controller" && event.ReportingController != "job-controller" &&
			(newest == nil || !EventTime(event).Before(EventTime(newest))) {
			newest = event
		}
	}
	return newest
}

// fewerIndexes says that a queue runs fewer indexes than the template asks for; empty if it does not.
func (s Snapshot) fewerIndexes() string {
	if s.Job == nil || s.Job.Spec.Completions == nil || *s.Job.Spec.Completions >= s.AskedIndexes {
		return ""
	}
	return fmt.Sprintf("Kueue admitted %d of the %d indexes that the template asks for", *s.Job.Spec.Completions, s.AskedIndexes)
}
