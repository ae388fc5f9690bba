package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// tunnel forwards a free port of loopback to a ready pod with the labels, as kubectl port-forward does, until
// the test ends or the pod does. It returns the address.
func (c *cluster) tunnel(t *testing.T, namespace, selector string, port int) string {
	t.Helper()
	return c.tunnelTo(t, namespace, c.readyPod(t, namespace, selector), port)
}

func (c *cluster) tunnelTo(t *testing.T, namespace, pod string, port int) string {
	t.Helper()
	request := c.client.CoreV1().
		RESTClient().
		Post().
		Resource("pods").
		Namespace(namespace).
		Name(pod).
		SubResource("portforward")
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		t.Fatal(err)
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", request.URL())
	stop, ready, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf("0:%d", port)}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	go func() { ended <- forwarder.ForwardPorts() }()
	t.Cleanup(func() {
		close(stop)
		<-ended
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("port-forward to %s/%s:%d: %v", namespace, pod, port, err)
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", ports[0].Local)
}

// readyPod waits for a pod with the labels that is ready and not about to go.
func (c *cluster) readyPod(t *testing.T, namespace, selector string) string {
	t.Helper()
	return c.readyPods(t, namespace, selector, 1)[0]
}

// readyPods waits for that many pods with the labels that are ready and not about to go.
func (c *cluster) readyPods(t *testing.T, namespace, selector string, want int) []string {
	t.Helper()
	var names []string
	eventually(t, fmt.Sprintf("%d ready pods with %s", want, selector), func() (bool, error) {
		names = nil
		pods, err := c.client.CoreV1().
			Pods(namespace).
			List(t.Context(), metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return false, err
		}
		for _, pod := range pods.Items {
			if ready(pod) {
				names = append(names, pod.Name)
			}
		}
		return len(names) >= want, nil
	})
	return names
}

func ready(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// scrape reads the metrics of that many ready pods with the labels, as Prometheus would: an event is counted
// where it was handled.
func (c *cluster) scrape(t *testing.T, namespace, selector string, pods int) string {
	t.Helper()
	var all strings.Builder
	for _, pod := range c.readyPods(t, namespace, selector, pods) {
		address := c.tunnelTo(t, namespace, pod, 9090)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics",
			nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(&all, response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("scrape %s: %s: %v", pod, response.Status, err)
		}
	}
	return all.String()
}

// killPod deletes a pod without grace, as when its node's power is cut.
func (c *cluster) killPod(ctx context.Context, namespace, name string) error {
	now := int64(0)
	return c.client.CoreV1().Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: &now})
}
