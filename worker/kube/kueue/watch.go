package kueue

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/berth-dev/berth/worker/kube/observe"
)

// probeEvery is how often it is tried whether Workloads can be read by now.
const probeEvery = time.Minute

// probeTimeout bounds one try.
const probeTimeout = 30 * time.Second

// jobIndex indexes Workloads by the UID of their Job.
const jobIndex = "job"

// Watch keeps copies of the Workloads and LocalQueues of one namespace, or of all.
type Watch struct {
	// REST says how to reach the cluster.
	REST *rest.Config
	// Namespace is empty for all.
	Namespace string
	// Changed is called with the Job whose Workload was added or has changed, or with an empty UID when that may be true
	// of any. It does not block.
	Changed func(job types.UID)
	Log     *slog.Logger

	mu        sync.Mutex
	workloads cache.Indexer // nil while Workloads cannot be read
	queues    cache.Indexer // nil while LocalQueues cannot be read
}

// Of returns what is known of the Workload of a Job.
func (w *Watch) Of(job types.UID) observe.Workloads {
	w.mu.Lock()
	workloads, queues := w.workloads, w.queues
	w.mu.Unlock()
	if workloads == nil {
		return observe.Workloads{}
	}
	found, err := workloads.ByIndex(jobIndex, string(job))
	if err != nil || len(found) == 0 {
		return observe.Workloads{Readable: true}
	}
	newest := found[0].(*workload)
	for _, other := range found[1:] {
		if other := other.(*workload); newest.CreationTimestamp.Before(&other.CreationTimestamp) {
			newest = other
		}
	}
	return observe.Workloads{Readable: true, Found: newest.observed(queues)}
}

func (w *workload) observed(queues cache.Indexer) *observe.Workload {
	seen := &observe.Workload{Name: w.Name, Queue: w.Spec.QueueName, Conditions: w.Status.Conditions}
	if w.Status.Admission != nil {
		seen.ClusterQueue = w.Status.Admission.ClusterQueue
	}
	if queues != nil {
		if queue, exists, err := queues.GetByKey(w.Namespace + "/" + w.Spec.QueueName); err == nil && exists {
			seen.ClusterQueue = queue.(*localQueue).Spec.ClusterQueue
		}
	}
	for _, check := range w.Status.AdmissionChecks {
		seen.Checks = append(seen.Checks, observe.AdmissionCheck{Name: check.Name, State: check.State, Message: check.Message})
	}
	return seen
}

// Run keeps the copies until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	said := false
	for ctx.Err() == nil {
		client, err := w.probe(ctx)
		if err == nil {
			w.watch(ctx, client)
			said = false
		} else if ctx.Err() == nil && !said {
			w.Log.Info("Workloads of Kueue cannot be read, waits are explained by events",
				"namespace", w.Namespace, "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(probeEvery):
		}
	}
}

// probe returns a client for the newest version of the API in which Workloads can be listed.
func (w *Watch) probe(ctx context.Context) (client *rest.RESTClient, err error) {
	for _, version := range versions {
		if client, err = w.client(schema.GroupVersion{Group: group, Version: version}); err != nil {
			return nil, err
		}
		call, cancel := context.WithTimeout(ctx, probeTimeout)
		err = client.Get().NamespaceIfScoped(w.Namespace, w.Namespace != "").Resource("workloads").
			Param("limit", "1").Do(call).Error()
		cancel()
		if err == nil {
			return client, nil
		}
	}
	return nil, fmt.Errorf("list workloads: %w", err)
}

func (w *Watch) client(version schema.GroupVersion) (*rest.RESTClient, error) {
	config := rest.CopyConfig(w.REST)
	config.APIPath, config.GroupVersion = "/apis", &version
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.NegotiatedSerializer = serializer.NewCodecFactory(newScheme(version)).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("configure a client for %s: %w", version, err)
	}
	return client, nil
}

// watch keeps the copies until ctx ends, or until Workloads can no longer be read.
func (w *Watch) watch(ctx context.Context, client *rest.RESTClient) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ofQueues, withoutQueues := context.WithCancel(ctx)
	defer withoutQueues()
	workloads := w.informer(client, "workloads", &workload{}, cancel)
	queues := w.informer(client, "localqueues", &localQueue{}, withoutQueues)
	changed := func(object any) {
		if changed, ok := object.(*workload); ok {
			w.Changed(types.UID(changed.Labels[labelJobUID]))
		}
	}
	_, err := workloads.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: changed, UpdateFunc: func(_, object any) { changed(object) }, DeleteFunc: changed,
	})
	if err != nil {
		w.Log.Error("cannot follow Workloads of Kueue", "namespace", w.Namespace, "error", err)
		return
	}
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { workloads.RunWithContext(ctx) })
	running.Go(func() { queues.RunWithContext(ofQueues) })
	running.Go(func() {
		if cache.WaitForCacheSync(ofQueues.Done(), queues.HasSynced) {
			w.set(nil, queues.GetIndexer())
		}
	})
	defer w.forget()
	if cache.WaitForCacheSync(ctx.Done(), workloads.HasSynced) {
		w.set(workloads.GetIndexer(), nil)
		<-ctx.Done()
	}
}

// set takes over copies that are complete.
func (w *Watch) set(workloads, queues cache.Indexer) {
	w.mu.Lock()
	if workloads != nil {
		w.workloads = workloads
	}
	if queues != nil {
		w.queues = queues
	}
	w.mu.Unlock()
	w.Changed("")
}

func (w *Watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.workloads, w.queues = nil, nil
}

// informer keeps copies of a resource; it calls refused when that can no longer be read.
func (w *Watch) informer(client *rest.RESTClient, resource string, kind runtime.Object, refused func()) cache.SharedIndexInformer {
	informer := cache.NewSharedIndexInformer(
		cache.NewListWatchFromClient(client, resource, w.Namespace, fields.Everything()), kind, 0,
		cache.Indexers{jobIndex: func(object any) ([]string, error) {
			return []string{object.(metav1.Object).GetLabels()[labelJobUID]}, nil
		}})
	// Neither fails before the informer has started.
	_ = informer.SetTransform(trim)
	_ = informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, reflector *cache.Reflector, err error) {
		if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsUnauthorized(err) {
			refused()
		}
		cache.DefaultWatchErrorHandler(ctx, reflector, err)
	})
	return informer
}

// trim drops what does not explain a wait.
func trim(object any) (any, error) {
	if o, ok := object.(metav1.Object); ok {
		job := o.GetLabels()[labelJobUID]
		o.SetManagedFields(nil)
		o.SetOwnerReferences(nil)
		o.SetAnnotations(nil)
		o.SetLabels(map[string]string{labelJobUID: job})
	}
	return object, nil
}
