package observe

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/server/api"
)

// diagnoseEvents explains from its events why an object does not make progress. Quotas, Pod Security,
// webhooks, and missing ServiceAccounts or volumes show nowhere else.
func diagnoseEvents(events []corev1.Event, uid types.UID) *Diagnosis {
	event := unresolvedWarning(events, uid)
	if event == nil {
		return nil
	}
	switch event.Reason {
	case "FailedCreate":
		return diagnoseFailedCreate(event.Message)
	case "FailedMount", "FailedAttachVolume", "FailedMapVolume":
		return &Diagnosis{
			Level: LevelError, Code: event.Reason, Cause: api.CategoryConfig, Volume: true,
			Summary: "a volume cannot be mounted: " + event.Message,
		}
	case "FailedCreatePodSandBox":
		return &Diagnosis{
			Level: LevelError, Code: event.Reason,
			Summary: "the node cannot set up the pod: " + event.Message,
		}
	}
	return &Diagnosis{Level: LevelError, Code: event.Reason, Summary: event.Message}
}

// diagnoseFailedCreate explains why the Job controller cannot create the pod.
func diagnoseFailedCreate(text string) *Diagnosis {
	d := Diagnosis{Level: LevelError, Code: "FailedCreate", Cause: api.CategoryConfig}
	switch {
	case strings.Contains(text, "exceeded quota"):
		d.Level, d.Code, d.Cause = LevelWarning, "Quota", api.CategoryQuota
		d.Summary = "the namespace's resource quota does not allow the pod; free some of it or raise it"
	case strings.Contains(text, "violates PodSecurity"):
		d.Code = "PodSecurity"
		d.Summary = "the namespace's Pod Security level rejects the pod; set securityContext in the template"
	case strings.Contains(text, "serviceaccount") && strings.Contains(text, "not found"):
		d.Code = "ServiceAccount"
		d.Summary = "the pod's ServiceAccount does not exist in the namespace"
	case strings.Contains(text, "admission webhook"):
		d.Code = "AdmissionWebhook"
		d.Summary = "an admission webhook rejects the pod"
	default:
		d.Summary = "the Job's pod cannot be created"
	}
	d.Summary += ": " + text
	return &d
}

// unresolvedWarning is the newest warning about the object; nil if the object made progress after it. A
// volume that could not be mounted at first is no reason to give up on a pod whose image is being pulled now.
func unresolvedWarning(events []corev1.Event, uid types.UID) *corev1.Event {
	var newest *corev1.Event
	var progress time.Time
	for i := range events {
		event := &events[i]
		at := EventTime(event)
		switch {
		case event.InvolvedObject.UID != uid:
		case event.Type == corev1.EventTypeWarning && (newest == nil || !at.Before(EventTime(newest))):
			newest = event
		case isProgress(event) && at.After(progress):
			progress = at
		}
	}
	if newest != nil && progress.After(EventTime(newest)) {
		return nil
	}
	return newest
}

// isProgress reports whether the event says that a pod was created or came nearer to running.
func isProgress(event *corev1.Event) bool {
	switch event.Reason {
	case "SuccessfulCreate", "Scheduled", "SuccessfulAttachVolume", "SuccessfulMountVolume",
		"Pulling", "Pulled", "Created", "Started":
		return event.Type == corev1.EventTypeNormal
	}
	return false
}

// EventTime is when an event happened last.
func EventTime(event *corev1.Event) time.Time {
	switch {
	case event.Series != nil:
		return event.Series.LastObservedTime.Time
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp.Time
	}
	return event.EventTime.Time
}
