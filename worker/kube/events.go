package kube

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// Limits of how long a list of events is used before it is fetched again.
const (
	minEventsAge = 15 * time.Second
	maxEventsAge = 2 * time.Minute
)

// eventsMaxAge is for how long the events of an object are used that has waited so long. It grows with the
// wait: thousands of attempts that wait for a quota would otherwise fetch events all the time.
func eventsMaxAge(waited time.Duration) time.Duration {
	return min(max(minEventsAge, waited/8), maxEventsAge)
}

// eventCache is the last list of events of one object.
type eventCache struct {
	uid  types.UID
	at   time.Time
	list []corev1.Event
}

// addEvents adds the events of an object to the snapshot, fetched if the last list is too old. It returns
// again, or earlier if the events are worth fetching earlier.
func (w *watcher) addEvents(
	ctx context.Context, a *attempt, s *observe.Snapshot, query observe.EventQuery, again time.Duration,
) (time.Duration, error) {
	if wait := query.NotBefore.Sub(s.Now); wait > 0 {
		return sooner(again, wait+100*time.Millisecond), nil
	}
	maxAge := eventsMaxAge(s.Now.Sub(query.Since))
	if a.events.uid != query.UID || s.Now.Sub(a.events.at) >= maxAge {
		list, err := w.listEvents(ctx, a.namespace, query.UID)
		if err != nil {
			return 0, err
		}
		a.events = eventCache{uid: query.UID, at: s.Now, list: list}
	}
	s.Events = a.events.list
	return sooner(again, maxAge+time.Second), nil
}

// listEvents lists the events of an object. A worker that may not list events works without them.
func (w *watcher) listEvents(ctx context.Context, namespace string, uid types.UID) ([]corev1.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	options := metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(uid), Limit: 50}
	list, err := w.api.CoreV1().Events(namespace).List(ctx, options)
	if apierrors.IsForbidden(err) {
		w.options.Log.Warn("cannot list events, some waits stay unexplained: grant list on events",
			"namespace", namespace, "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list events in namespace %q: %w", namespace, err)
	}
	return list.Items, nil
}
