package kubetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/berth-dev/berth/worker/kube/cluster"
)

// PortForward forwards a local port to a pod until stop is called or ctx ends. The target is "pod/NAME", or
// "service/NAME" for a ready pod of the service; the port is then the service's.
func PortForward(
	ctx context.Context,
	config cluster.Config,
	namespace, target string,
	port int,
) (localAddr string, stop func(), err error) {
	client, err := kubernetes.NewForConfig(config.REST)
	if err != nil {
		return "", nil, fmt.Errorf("forward to %s: %w", target, err)
	}
	pod, port, err := resolve(ctx, client, namespace, target, port)
	if err != nil {
		return "", nil, fmt.Errorf("forward to %s: %w", target, err)
	}
	transport, upgrader, err := spdy.RoundTripperFor(config.REST)
	if err != nil {
		return "", nil, fmt.Errorf("forward to %s: %w", target, err)
	}

	url := client.CoreV1().RESTClient().Post().
		Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").
		URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	ctx, cancel := context.WithCancel(ctx)
	ready := make(chan struct{})
	ports := []string{fmt.Sprintf("0:%d", port)} // 0: any free local port
	forwarder, err := portforward.NewOnAddresses(
		dialer, []string{"127.0.0.1"}, ports, ctx.Done(), ready, io.Discard, io.Discard)
	if err != nil {
		cancel()
		return "", nil, fmt.Errorf("forward to %s: %w", target, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case err := <-ended:
		cancel()
		return "", nil, fmt.Errorf("forward to %s: %w", target, errors.Join(err, ctx.Err()))
	case <-ready:
	}

	stop = func() {
		cancel()
		<-ended
		ended <- nil
	}
	forwarded, err := forwarder.GetPorts()
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("forward to %s: %w", target, err)
	}
	return fmt.Sprintf("127.0.0.1:%d", forwarded[0].Local), stop, nil
}

// resolve returns the pod, and the port of it, that the target means.
func resolve(
	ctx context.Context, client kubernetes.Interface, namespace, target string, port int,
) (string, int, error) {
	kind, name, _ := strings.Cut(target, "/")
	switch kind {
	case "pod":
		return name, port, nil
	case "service":
	default:
		return "", 0, errors.New(`want "pod/NAME" or "service/NAME"`)
	}
	service, err := client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", 0, err
	}
	selector := labels.SelectorFromSet(service.Spec.Selector).String()
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return "", 0, err
	}
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil && ready(pod) {
			target, err := targetPort(*service, pod, port)
			return pod.Name, target, err
		}
	}
	return "", 0, fmt.Errorf("service %s has no ready pod", name)
}

func ready(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func targetPort(service corev1.Service, pod corev1.Pod, port int) (int, error) {
	for _, p := range service.Spec.Ports {
		if int(p.Port) != port {
			continue
		}
		if number := p.TargetPort.IntValue(); number != 0 {
			return number, nil
		}
		for _, container := range pod.Spec.Containers {
			for _, named := range container.Ports {
				if named.Name == p.TargetPort.StrVal {
					return int(named.ContainerPort), nil
				}
			}
		}
		return port, nil
	}
	return 0, fmt.Errorf("service %s has no port %d", service.Name, port)
}
