package release

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// failingFile is a series of a server's metrics that says that it refuses a declared file.
var failingFile = regexp.MustCompile(`(?m)^berth_apply_failing\{file="([^"]*)"\} 1$`)

// metricsTimeout bounds the reading of all metrics: a pod may be unreachable for minutes.
const metricsTimeout = 10 * time.Second

// refusedFiles says which declared files the servers refuse. It asks for their metrics through the API server, and
// without the permission to, it knows of none.
func (c *Client) refusedFiles(ctx context.Context, timeout time.Duration) []string {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pods, err := set.CoreV1().Pods(c.objects).List(ctx,
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + c.name + ",app.kubernetes.io/component=server"})
	if err != nil {
		return nil
	}
	var out []string
	for _, pod := range pods.Items {
		if pod.Status.Phase != corev1.PodRunning {
			continue
		}
		metrics, err := set.CoreV1().Pods(c.objects).ProxyGet("http", pod.Name, "9090", "/metrics", nil).DoRaw(ctx)
		if err == nil {
			out = append(out, refusedIn(string(metrics), c.objects, pod.Name)...)
		}
	}
	return slices.Compact(out)
}

func refusedIn(metrics, namespace, pod string) []string {
	var out []string
	for _, match := range failingFile.FindAllStringSubmatch(metrics, -1) {
		out = append(out, fmt.Sprintf("the server refuses the declared file %s: kubectl -n %s logs %s | grep %q",
			match[1], namespace, pod, "declared file is refused"))
	}
	return out
}
