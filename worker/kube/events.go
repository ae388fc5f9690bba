package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/server/api"
)

// goodFor is how long an answer about the events of an object is good for that has waited so long: thousands
// that wait for a quota would ask all the time.
func goodFor(waited time.Duration) time.Duration {
	return min(max(eventsAge, waited/8), maxEventsAge)
}

// eventCache is the last answer about the events of one object.
type eventCache struct {
	uid  string
	at   time.Time
	list []corev1.Event
}

// askEvents adds the events of the object to the snapshot, from the API server when the last answer is old.
func (w *watcher) askEvents(
	ctx context.Context,
	t *tracked,
	s *snapshot,
	uid string,
	again time.Duration,
) (time.Duration, error) {
	quiet := quietPod
	if uid == string(s.job.UID) {
		quiet = quietJob
	}
	since := s.waitingSince()
	if pod := s.newestPod(); pod != nil {
		since = scheduledAt(pod)
	}
	if wait := quiet - s.now.Sub(since); wait > 0 {
		return sooner(again, wait+100*time.Millisecond), nil
	}
	age := goodFor(s.now.Sub(since))
	if t.events.uid != uid || s.now.Sub(t.events.at) >= age {
		list, err := w.eventsOf(ctx, t.namespace, uid)
		if err != nil {
			return 0, err
		}
		t.events = eventCache{uid: uid, at: s.now, list: list}
	}
	s.events = t.events.list
	return sooner(again, age+time.Second), nil
}

// eventsOf lists what was said about an object. Not being allowed to read events is no reason to stop looking
// after it.
func (w *watcher) eventsOf(ctx context.Context, namespace, uid string) ([]corev1.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := w.client.CoreV1().
		Events(namespace).
		List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + uid, Limit: 50})
	if apierrors.IsForbidden(err) {
		w.options.Log.Warn(
			"events can not be read, waiting attempts are explained less well",
			"namespace",
			namespace,
			"error",
			hinted(err),
		)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list events in namespace %q: %w", namespace, err)
	}
	return list.Items, nil
}

// standing is the newest warning about the object, unless there was a step forward after it: a volume that
// could not be mounted at first is no reason to give up a pod whose image is being pulled since.
func standing(events []corev1.Event, uid string) *corev1.Event {
	var newest *corev1.Event
	var forward time.Time
	for i := range events {
		event := &events[i]
		at := eventTime(event)
		switch {
		case string(event.InvolvedObject.UID) != uid:
		case event.Type == corev1.EventTypeWarning && (newest == nil || !at.Before(eventTime(newest))):
			newest = event
		case isForward(event) && at.After(forward):
			forward = at
		}
	}
	if newest != nil && forward.After(eventTime(newest)) {
		return nil
	}
	return newest
}

// isForward reports whether the event says that a pod came to be, or came nearer to running.
func isForward(event *corev1.Event) bool {
	switch event.Reason {
	case "SuccessfulCreate",
		"Scheduled",
		"SuccessfulAttachVolume",
		"SuccessfulMountVolume",
		"Pulling",
		"Pulled",
		"Created",
		"Started":
		return event.Type == corev1.EventTypeNormal
	}
	return false
}

// diagnoseEvents reads what was last said against the object. Quotas, Pod Security, webhooks, a missing
// ServiceAccount or volume show nowhere else.
func diagnoseEvents(events []corev1.Event, uid string) *Diagnosis {
	newest := standing(events, uid)
	if newest == nil {
		return nil
	}
	d := &Diagnosis{Level: LevelError, Code: newest.Reason, Summary: newest.Message}
	text := newest.Message
	switch newest.Reason {
	case "FailedCreate":
		d.Cause = api.CategoryConfig
		switch {
		case strings.Contains(text, "exceeded quota"):
			d.Level, d.Code, d.Cause = LevelWarning, "Quota", api.CategoryQuota
			d.Summary = "the namespace's quota leaves no room for the pod: " + text
		case strings.Contains(text, "violates PodSecurity"):
			d.Code, d.Summary = "PodSecurity", "the namespace's Pod Security level refuses the pod: "+text
		case strings.Contains(text, "serviceaccount") && strings.Contains(text, "not found"):
			d.Code, d.Summary = "ServiceAccount", "the pod's ServiceAccount is missing: "+text
		case strings.Contains(text, "admission webhook"):
			d.Code, d.Summary = "AdmissionWebhook", "an admission webhook refuses the pod: "+text
		default:
			d.Summary = "the pod can not be created: " + text
		}
	case "FailedMount", "FailedAttachVolume", "FailedMapVolume":
		d.Cause, d.Summary = api.CategoryConfig, "a volume can not be mounted: "+text
	case "FailedCreatePodSandBox":
		d.Summary = "the node can not set up the pod: " + text
	}
	return d
}

func eventTime(event *corev1.Event) time.Time {
	switch {
	case event.Series != nil:
		return event.Series.LastObservedTime.Time
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp.Time
	}
	return event.EventTime.Time
}
