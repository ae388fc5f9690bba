package e2e

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// census counts every pod and Job that was ever there in some namespaces: what is gone again counts, too.
type census struct {
	mu   sync.Mutex
	pods map[string]map[string]bool // run/attempt: UIDs
	jobs map[string]map[string]bool
	// now is what each attempt looks like, held what it looked like when last held by Berth.
	now, held map[string]*sight
}

// sight is what can be seen of an attempt in the cluster at one moment.
type sight struct {
	job  *batchv1.Job
	pods map[string]*corev1.Pod
	// past holds deleted pods as last seen; stopped the UIDs of pods that were deleted while they ran.
	past    map[string]*corev1.Pod
	stopped map[types.UID]bool
}

// count begins to count in the namespace.
func (c *cluster) count(t *testing.T, namespaces ...string) *census {
	t.Helper()
	n := &census{
		pods: map[string]map[string]bool{}, jobs: map[string]map[string]bool{}, now: map[string]*sight{},
		held: map[string]*sight{},
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	for _, namespace := range namespaces {
		factory := informers.NewSharedInformerFactoryWithOptions(c.client, 0,
			informers.WithNamespace(namespace))
		pods, jobs := factory.Core().V1().Pods().Informer(), factory.Batch().V1().Jobs().Informer()
		for _, informer := range []cache.SharedIndexInformer{pods, jobs} {
			if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
				AddFunc: n.note, UpdateFunc: func(_, object any) { n.note(object) }, DeleteFunc: n.gone,
			}); err != nil {
				t.Fatal(err)
			}
		}
		factory.StartWithContext(ctx)
		t.Cleanup(factory.Shutdown)
		if !cache.WaitForCacheSync(ctx.Done(), pods.HasSynced, jobs.HasSynced) {
			t.Fatal("the census has not begun")
		}
	}
	t.Cleanup(cancel)
	return n
}

func (n *census) note(object any) {
	into := n.pods
	if _, isJob := object.(*batchv1.Job); isJob {
		into = n.jobs
	}
	meta, ok := object.(metav1.Object)
	if !ok || meta.GetLabels()["berth.dev/run-id"] == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key := meta.GetLabels()["berth.dev/run-id"] + "/" + meta.GetLabels()["berth.dev/attempt"]
	if into[key] == nil {
		into[key] = map[string]bool{}
	}
	into[key][string(meta.GetUID())] = true
	seen := n.now[key]
	if seen == nil {
		seen = &sight{
			pods: map[string]*corev1.Pod{}, past: map[string]*corev1.Pod{},
			stopped: map[types.UID]bool{},
		}
		n.now[key] = seen
	}
	switch o := object.(type) {
	case *batchv1.Job:
		seen.job = o
	case *corev1.Pod:
		seen.pods[o.Name] = o
		if o.DeletionTimestamp != nil && o.Status.Phase != corev1.PodSucceeded && o.Status.Phase != corev1.PodFailed {
			seen.stopped[o.UID] = true
		}
	}
	n.look(key, seen)
}

// look keeps what is to be seen while a finalizer holds the Job.
func (n *census) look(key string, seen *sight) {
	if seen.job != nil && len(seen.job.Finalizers) > 0 {
		n.held[key] = &sight{
			job: seen.job, pods: maps.Clone(seen.pods), past: maps.Clone(seen.past),
			stopped: maps.Clone(seen.stopped),
		}
	}
}

func (n *census) gone(object any) {
	if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = tombstone.Obj
	}
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key := pod.Labels["berth.dev/run-id"] + "/" + pod.Labels["berth.dev/attempt"]
	if seen := n.now[key]; seen != nil {
		delete(seen.pods, pod.Name)
		seen.past[pod.Name] = pod
		n.look(key, seen)
	}
}

// all is how many pods there were, and which attempts had more than one pod or Job.
func (n *census) all() (pods int, twice []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for key, uids := range n.pods {
		pods += len(uids)
		if len(uids) > 1 {
			twice = append(twice, fmt.Sprintf("attempt %s had %d pods", key, len(uids)))
		}
	}
	for key, uids := range n.jobs {
		if len(uids) > 1 {
			twice = append(twice, fmt.Sprintf("attempt %s had %d Jobs", key, len(uids)))
		}
	}
	return pods, twice
}

// held names what of Berth still holds something in the namespace, or runs in it.
func (c *cluster) held(ctx context.Context, namespace, runID string) (string, error) {
	selector := metav1.ListOptions{LabelSelector: "berth.dev/run-id=" + runID}
	jobs, err := c.client.BatchV1().Jobs(namespace).List(ctx, selector)
	if err != nil {
		return "", err
	}
	left := ""
	for _, j := range jobs.Items {
		if len(j.Finalizers) > 0 {
			left += fmt.Sprintf("job %s is held by %v; ", j.Name, j.Finalizers)
		}
	}
	pods, err := c.client.CoreV1().Pods(namespace).List(ctx, selector)
	if err != nil {
		return "", err
	}
	for _, p := range pods.Items {
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			left += fmt.Sprintf("pod %s is %s since %s; ", p.Name, p.Status.Phase,
				time.Since(p.CreationTimestamp.Time).Round(time.Second))
		}
	}
	return left, nil
}
