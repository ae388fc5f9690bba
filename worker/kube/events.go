package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// Limits of how long a list of events is used before it is fetched again.
const (
	minEventsAge = 15 * time.Second
	maxEventsAge = 2 * time.Minute
)

const (
	// eventsPause is the least time between two lists of a namespace; eventsPauseFactor times what a list took is the
	// least time after it.
	eventsPause       = 5 * time.Second
	eventsPauseFactor = 10
	// eventsPage bounds how many events are in memory besides the kept ones.
	eventsPage = 500
	// eventsPerObject bounds how many events of an object are kept, the newest.
	eventsPerObject = 50
)

// eventsMaxAge is for how long the events of an object are used that has waited so long. It grows with the
// wait: thousands of attempts that wait for a quota would otherwise fetch events all the time.
func eventsMaxAge(waited time.Duration) time.Duration {
	return min(max(minEventsAge, waited/8), maxEventsAge)
}

// eventLists keeps the events of the objects that attempts wait for. While anything waits in a namespace, its events are
// listed once for all, beside the reconciles: a list may take long, and an end must not wait for it.
type eventLists struct {
	w *watcher

	mu         sync.Mutex
	namespaces map[string]*namespaceEvents
}

type namespaceEvents struct {
	objects  map[types.UID]*objectEvents
	listing  bool
	nextList time.Time
}

// objectEvents are the events of one object.
type objectEvents struct {
	ref    job.Ref // to be reconciled when they are there
	job    string  // the name of the Job whose Workload is meant as well; empty if none is
	at     time.Time
	list   []corev1.Event
	wanted time.Time // when they were asked for last
	due    bool      // a newer list is wanted
}

func newEventLists(w *watcher) *eventLists {
	return &eventLists{w: w, namespaces: map[string]*namespaceEvents{}}
}

// addEvents adds the events of an object to the snapshot, as far as they are known. If they are too old, a list is
// under way when it returns, after which the attempt is reconciled again. It returns again, or earlier if the events
// are worth fetching earlier.
func (w *watcher) addEvents(
	a *attempt, s *observe.Snapshot, query observe.EventQuery, again time.Duration,
) time.Duration {
	if wait := query.NotBefore.Sub(s.Now); wait > 0 {
		return sooner(again, wait+100*time.Millisecond)
	}
	maxAge := eventsMaxAge(s.Now.Sub(query.Since))
	s.Events = w.events.get(a.namespace, query, a.ref, maxAge, s.Now)
	return sooner(again, maxAge+time.Second)
}

// get returns what is known, and has it listed again if that is older than maxAge.
func (e *eventLists) get(
	namespace string, query observe.EventQuery, ref job.Ref, maxAge time.Duration, now time.Time,
) []corev1.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.namespaces[namespace]
	if n == nil {
		n = &namespaceEvents{objects: map[types.UID]*objectEvents{}}
		e.namespaces[namespace] = n
	}
	o := n.objects[query.UID]
	if o == nil {
		o = &objectEvents{}
		n.objects[query.UID] = o
	}
	o.ref, o.job, o.wanted = ref, query.Job, now
	if now.Sub(o.at) < maxAge {
		return o.list
	}
	o.due = true
	if !n.listing {
		n.listing = true
		e.w.followers.Go(func() { e.list(e.w.ctx, namespace, n) })
	}
	return o.list
}

// list lists the events of a namespace until no object waits for newer ones.
func (e *eventLists) list(ctx context.Context, namespace string, n *namespaceEvents) {
	for e.pauseBefore(ctx, n) {
		began := time.Now()
		found, err := e.fetch(ctx, namespace, n)
		if ctx.Err() != nil {
			return
		}
		pause := max(eventsPause, eventsPauseFactor*time.Since(began))
		if err != nil {
			e.w.options.Log.Warn("cannot list events, some waits stay unexplained",
				"namespace", namespace, "error", cluster.WithHint(err))
			pause = max(pause, maxEventsAge)
		}
		e.store(n, found, began, pause)
	}
}

// pauseBefore waits until the next list may be made. It returns false, and ends the listing, if none is wanted.
func (e *eventLists) pauseBefore(ctx context.Context, n *namespaceEvents) bool {
	e.mu.Lock()
	due := false
	for _, o := range n.objects {
		due = due || o.due
	}
	if !due {
		n.listing = false
		e.mu.Unlock()
		return false
	}
	timer := time.NewTimer(time.Until(n.nextList))
	e.mu.Unlock()
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fetch lists the events of a namespace page by page and keeps those of objects that something waits for.
func (e *eventLists) fetch(
	ctx context.Context, namespace string, n *namespaceEvents,
) (map[types.UID][]corev1.Event, error) {
	e.mu.Lock()
	found := make(map[types.UID][]corev1.Event, len(n.objects))
	workloads := map[string]types.UID{}
	for uid, o := range n.objects {
		found[uid] = nil
		if o.job != "" {
			workloads[workloadPrefix(o.job)] = uid
		}
	}
	e.mu.Unlock()

	options := metav1.ListOptions{Limit: eventsPage}
	for {
		call, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
		page, err := e.w.api.CoreV1().Events(namespace).List(call, options)
		cancel()
		if apierrors.IsResourceExpired(err) { // the rest of the list is newer than its beginning by now
			return found, nil
		}
		if err != nil {
			return found, fmt.Errorf("list events: %w", err)
		}
		for i := range page.Items {
			uid := page.Items[i].InvolvedObject.UID
			if object := page.Items[i].InvolvedObject; object.Kind == "Workload" {
				uid = workloads[prefixOfWorkload(object.Name)]
			}
			if kept, ok := found[uid]; ok {
				found[uid] = keepEvent(kept, &page.Items[i])
			}
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return found, nil
		}
	}
}

// Kueue calls the Workload of a Job job-NAME-HASH, and may shorten that to a label's length.
const (
	workloadHash   = 1 + 5
	workloadLength = 63 - workloadHash
)

func workloadPrefix(job string) string {
	prefix := "job-" + job
	return prefix[:min(len(prefix), workloadLength)]
}

func prefixOfWorkload(name string) string {
	return name[:min(max(len(name)-workloadHash, 0), workloadLength)]
}

// keepEvent adds what observe reads of an event. Beyond the limit, the oldest goes.
func keepEvent(kept []corev1.Event, event *corev1.Event) []corev1.Event {
	kept = append(kept, corev1.Event{
		InvolvedObject: corev1.ObjectReference{UID: event.InvolvedObject.UID},
		Type:           event.Type, Reason: event.Reason, Message: event.Message,
		Source: event.Source, ReportingController: event.ReportingController,
		LastTimestamp: event.LastTimestamp, EventTime: event.EventTime, Series: event.Series,
	})
	if len(kept) <= eventsPerObject {
		return kept
	}
	oldest := 0
	for i := range kept {
		if observe.EventTime(&kept[i]).Before(observe.EventTime(&kept[oldest])) {
			oldest = i
		}
	}
	return append(kept[:oldest], kept[oldest+1:]...)
}

// store keeps what a list has found, and has the attempts reconciled that waited for it. Objects that no attempt asks
// about any more are dropped.
func (e *eventLists) store(
	n *namespaceEvents, found map[types.UID][]corev1.Event, at time.Time, pause time.Duration,
) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n.nextList = time.Now().Add(pause)
	for uid, list := range found {
		o := n.objects[uid]
		if at.Sub(o.wanted) > 2*maxEventsAge {
			delete(n.objects, uid)
			continue
		}
		if o.due {
			e.w.queue.Add(o.ref)
		}
		o.at, o.list, o.due = at, list, false
	}
}
