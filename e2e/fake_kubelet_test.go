package e2e

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// lightKubelet runs pods that cost nothing: a node of API objects alone, whose pods are said to run as soon
// as they are there and to have ended when the test says so. It is to a kubelet what KWOK is.
type lightKubelet struct {
	*cluster
	node   string
	finish chan struct{} // closed: all pods end well
}

const lightTaint = "e2e.berth.dev/light"

// lightNode makes the node, with room for that many pods, and runs it until the test ends.
func (c *cluster) lightNode(t testing.TB, namespace string, pods int) *lightKubelet {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	node, err := c.client.CoreV1().Nodes().Create(ctx, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "light-", Labels: map[string]string{lightTaint: ""}},
		Spec: corev1.NodeSpec{
			Taints: []corev1.Taint{{Key: lightTaint, Effect: corev1.TaintEffectNoSchedule}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k := &lightKubelet{cluster: c, node: node.Name, finish: make(chan struct{})}
	if err := k.beat(ctx, pods); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); k.run(ctx, namespace, pods) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if err := c.client.CoreV1().Nodes().Delete(context.Background(), k.node, metav1.DeleteOptions{}); err != nil {
			t.Errorf("remove the node: %v", err)
		}
	})
	return k
}

// beat says that the node lives.
func (k *lightKubelet) beat(ctx context.Context, pods int) error {
	now := metav1.Now()
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("100k"), corev1.ResourceMemory: resource.MustParse("100Ti"),
		corev1.ResourcePods: *resource.NewQuantity(int64(pods), resource.DecimalSI),
	}
	patch, err := json.Marshal(
		map[string]any{
			"status": corev1.NodeStatus{
				Capacity:    room,
				Allocatable: room,
				Conditions: []corev1.NodeCondition{{
					Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Light", LastHeartbeatTime: now, LastTransitionTime: now,
				}},
			},
		},
	)
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().
		Nodes().
		Patch(ctx, k.node, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func (k *lightKubelet) run(ctx context.Context, namespace string, pods int) {
	factory := informers.NewSharedInformerFactoryWithOptions(
		k.client,
		0,
		informers.WithNamespace(namespace),
		informers.WithTweakListOptions(
			func(o *metav1.ListOptions) { o.FieldSelector = "spec.nodeName=" + k.node }),
	)
	informer := factory.Core().V1().Pods().Informer()
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	enqueue := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			queue.Add(key)
		}
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: enqueue, UpdateFunc: func(_, o any) { enqueue(o) }}); err != nil {
		panic(err)
	}
	factory.StartWithContext(ctx)
	defer factory.Shutdown()
	for range 16 {
		go func() {
			for {
				key, shutdown := queue.Get()
				if shutdown {
					return
				}
				if k.sync(ctx, informer.GetStore(), key) != nil && ctx.Err() == nil {
					queue.AddRateLimited(key)
				}
				queue.Done(key)
			}
		}()
	}
	defer queue.ShutDown()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	finish := k.finish
	for {
		select {
		case <-ctx.Done():
			return
		case <-finish:
			finish = nil
			for _, key := range informer.GetStore().ListKeys() {
				queue.Add(key)
			}
		case <-tick.C:
			_ = k.beat(ctx, pods) // the next one may get through
		}
	}
}

// sync brings one pod to where it should be.
func (k *lightKubelet) sync(ctx context.Context, store cache.Store, key string) error {
	object, there, err := store.GetByKey(key)
	if err != nil || !there {
		return err
	}
	pod := object.(*corev1.Pod)
	if pod.DeletionTimestamp != nil {
		return k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0))
	}
	over := false
	select {
	case <-k.finish:
		over = true
	default:
	}
	now, yes := metav1.Now(), true
	status := corev1.PodStatus{
		Phase:     corev1.PodRunning,
		StartTime: &now,
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: pod.Spec.Containers[0].Name, Ready: true, Started: &yes, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
		}},
	}
	switch {
	case pod.Status.Phase == corev1.PodSucceeded, pod.Status.Phase == corev1.PodRunning && !over:
		return nil
	case over:
		status.Phase = corev1.PodSucceeded
		status.ContainerStatuses[0].State = corev1.ContainerState{
			Terminated: &corev1.ContainerStateTerminated{
				StartedAt: now, FinishedAt: now, Reason: "Completed",
			},
		}
	}
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().
		Pods(pod.Namespace).
		Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}
