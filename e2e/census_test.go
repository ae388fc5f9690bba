package e2e

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// census counts every pod and Job that was ever there in some namespaces: what is gone again counts, too.
type census struct {
	mu   sync.Mutex
	pods map[string]map[string]bool // run/attempt: UIDs
	jobs map[string]map[string]bool
}

// count begins to count in the namespace.
func (c *cluster) count(t *testing.T, namespaces ...string) *census {
	t.Helper()
	n := &census{pods: map[string]map[string]bool{}, jobs: map[string]map[string]bool{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	for _, namespace := range namespaces {
		factory := informers.NewSharedInformerFactoryWithOptions(c.client, 0, informers.WithNamespace(namespace))
		pods, jobs := factory.Core().V1().Pods().Informer(), factory.Batch().V1().Jobs().Informer()
		note := func(object any) { n.note(object) }
		for _, informer := range []cache.SharedIndexInformer{pods, jobs} {
			if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: note}); err != nil {
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
			left += fmt.Sprintf("pod %s is %s since %s; ", p.Name, p.Status.Phase, time.Since(p.CreationTimestamp.Time).Round(time.Second))
		}
	}
	return left, nil
}
