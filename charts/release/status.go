package release

import (
	"context"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Status of a release and of its workloads. State is a status of Helm.
type Status struct {
	Name       string    `json:"name"`
	Namespace  string    `json:"namespace"`
	Revision   int       `json:"revision"`
	State      string    `json:"state"`
	Chart      string    `json:"chart"`
	AppVersion string    `json:"app_version"`
	Updated    time.Time `json:"updated"`
	Message    string    `json:"message,omitempty"`
	// JobsNamespace is where the worker creates Jobs; empty without a worker. SharesNamespace is true if that
	// is beside the Secrets of the release.
	JobsNamespace   string     `json:"jobs_namespace,omitempty"`
	SharesNamespace bool       `json:"shares_namespace,omitempty"`
	Notes           string     `json:"notes,omitempty"`
	Workloads       []Workload `json:"workloads"`
	// Findings say why pods are not ready, one line each.
	Findings []string `json:"findings,omitempty"`
	// NextSteps say what to do, in order.
	NextSteps []string `json:"next_steps,omitempty"`
}

// Workload is a set of pods of a release.
type Workload struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Ready int32  `json:"ready"`
	Want  int32  `json:"want"`
}

// Healthy reports whether the release is deployed and all its pods are ready. One that is scaled to 0 does nothing.
func (s Status) Healthy() bool {
	for _, w := range s.Workloads {
		if !w.ready() {
			return false
		}
	}
	return s.State == string(release.StatusDeployed)
}

func (w Workload) ready() bool { return w.Want > 0 && w.Ready >= w.Want }

// scaledDown says which workloads were scaled to 0, and what that means.
func (s Status) scaledDown() []string {
	var lines []string
	for _, w := range s.Workloads {
		if w.Want > 0 {
			continue
		}
		effect := "runs wait" // workers are named *-worker or *-worker-NAME
		if strings.HasSuffix(w.Name, "-server") && !strings.HasSuffix(w.Name, "-worker-server") {
			effect = "nothing answers requests"
		}
		lines = append(lines, fmt.Sprintf("%s %s is scaled to 0: %s", strings.ToLower(w.Kind), w.Name, effect))
	}
	return lines
}

// Status returns the status of the release, or ErrNotInstalled.
func (c *Client) Status(ctx context.Context) (Status, error) {
	if err := c.reach(); err != nil {
		return Status{}, err
	}
	rel, err := c.latest()
	if err != nil {
		return Status{}, err
	}
	s := describe(rel)
	if s.Workloads, err = c.workloads(ctx); err != nil {
		return Status{}, err
	}
	s.Findings = c.refusedFiles(ctx, metricsTimeout)
	if !s.Healthy() {
		s.Findings = append(append(s.Findings, s.scaledDown()...), c.findings(ctx)...)
	}
	s.NextSteps = s.Next()
	return s, nil
}

func describe(rel *release.Release) Status {
	return Status{
		Name: rel.Name, Namespace: rel.Namespace, Revision: rel.Version, State: string(rel.Info.Status),
		Chart:      rel.Chart.Metadata.Name + "-" + rel.Chart.Metadata.Version,
		AppVersion: rel.Chart.Metadata.AppVersion, Updated: rel.Info.LastDeployed.Time,
		Message: rel.Info.Description, Notes: rel.Info.Notes,
		JobsNamespace: jobsNamespace(rel), SharesNamespace: sharesNamespace(rel),
	}
}

func (c *Client) workloads(ctx context.Context) ([]Workload, error) {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	options := metav1.ListOptions{LabelSelector: c.selector("")}
	stateful, err := set.AppsV1().StatefulSets(c.objects).List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("list StatefulSets: %w", err)
	}
	deployments, err := set.AppsV1().Deployments(c.objects).List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("list Deployments: %w", err)
	}
	out := []Workload{}
	for _, s := range stateful.Items {
		ready := currentReady(s.Generation, s.Status.ObservedGeneration, s.Status.ReadyReplicas)
		out = append(out, Workload{"StatefulSet", s.Name, ready, desired(s.Spec.Replicas)})
	}
	for _, d := range deployments.Items {
		out = append(out, Workload{"Deployment", d.Name, updatedReady(d), desired(d.Spec.Replicas)})
	}
	return out, nil
}

func desired(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

// currentReady returns 0 until the controller has observed the newest generation; its counts refer to an
// older one.
func currentReady(generation, observed int64, ready int32) int32 {
	if observed < generation {
		return 0
	}
	return ready
}

// updatedReady counts only pods of the newest template. During a stuck rollout the old pods are still ready.
func updatedReady(d appsv1.Deployment) int32 {
	ready := min(d.Status.ReadyReplicas, d.Status.UpdatedReplicas)
	return currentReady(d.Generation, d.Status.ObservedGeneration, ready)
}

// Check runs the chart's tests (`helm test`) against the release.
func (c *Client) Check(ctx context.Context) error {
	if _, err := c.latest(); err != nil {
		return err
	}
	test := action.NewReleaseTesting(c.config)
	test.Namespace, test.Timeout = c.namespace, c.timeout
	c.progress.report("testing %q in namespace %q", c.name, c.namespace)
	if _, err := test.Run(c.name); err != nil {
		return c.explain(ctx, fmt.Errorf("test release %q: %w", c.name, oneLine(err)))
	}
	return nil
}
