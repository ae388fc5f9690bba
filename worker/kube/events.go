package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/worker/kube/observe"
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
	s *observe.Snapshot,
	query observe.EventQuery,
	again time.Duration,
) (time.Duration, error) {
	if wait := query.NotBefore.Sub(s.Now); wait > 0 {
		return sooner(again, wait+100*time.Millisecond), nil
	}
	uid := string(query.UID)
	age := goodFor(s.Now.Sub(query.Since))
	if t.events.uid != uid || s.Now.Sub(t.events.at) >= age {
		list, err := w.eventsOf(ctx, t.namespace, uid)
		if err != nil {
			return 0, err
		}
		t.events = eventCache{uid: uid, at: s.Now, list: list}
	}
	s.Events = t.events.list
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
