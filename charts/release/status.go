package release

import (
	"context"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/release"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Status of a release, in Helm's words, and of its workloads.
type Status struct {
	Name       string     `json:"name"`
	Namespace  string     `json:"namespace"`
	Revision   int        `json:"revision"`
	State      string     `json:"state"`
	Chart      string     `json:"chart"`
	AppVersion string     `json:"app_version"`
	Updated    time.Time  `json:"updated"`
	Message    string     `json:"message,omitempty"`
	Notes      string     `json:"notes,omitempty"`
	Workloads  []Workload `json:"workloads"`
	// Findings say in a line each why pods are not ready.
	Findings []string `json:"findings,omitempty"`
	// NextSteps say what to do now, the first thing first.
	NextSteps []string `json:"next_steps,omitempty"`
}

// Workload is a set of pods of a release.
type Workload struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Ready int32  `json:"ready"`
	Want  int32  `json:"want"`
}

// Healthy tells whether the release is deployed and all its pods are ready.
func (s Status) Healthy() bool {
	for _, w := range s.Workloads {
		if w.Ready < w.Want {
			return false
		}
	}
	return s.State == string(release.StatusDeployed)
}

// Status looks at the release. One that is not there is ErrNotInstalled.
func (c *Client) Status(ctx context.Context) (Status, error) {
	if err := c.config.KubeClient.IsReachable(); err != nil {
		return Status{}, fmt.Errorf("reach the cluster: %w", err)
	}
	rel, err := c.last()
	if err != nil {
		return Status{}, err
	}
	s := describe(rel)
	if s.Workloads, err = c.workloads(ctx); err != nil {
		return Status{}, err
	}
	if !s.Healthy() {
		s.Findings = c.findings(ctx)
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
	}
}

func (c *Client) workloads(ctx context.Context) ([]Workload, error) {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	options := metav1.ListOptions{LabelSelector: c.selector("")}
	stateful, err := set.AppsV1().StatefulSets(c.namespace).List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("list StatefulSets: %w", err)
	}
	deployments, err := set.AppsV1().Deployments(c.namespace).List(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("list Deployments: %w", err)
	}
	out := []Workload{}
	for _, s := range stateful.Items {
		out = append(
			out,
			Workload{
				"StatefulSet",
				s.Name,
				currentReady(s.Generation, s.Status.ObservedGeneration, s.Status.ReadyReplicas),
				wanted(s.Spec.Replicas),
			},
		)
	}
	for _, d := range deployments.Items {
		out = append(out, Workload{"Deployment", d.Name, updatedReady(d), wanted(d.Spec.Replicas)})
	}
	return out, nil
}

func wanted(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

// currentReady counts none while the controller has not seen the newest change: what it says is of the one
// before.
func currentReady(generation, observed int64, ready int32) int32 {
	if observed < generation {
		return 0
	}
	return ready
}

// updatedReady counts only pods of the newest template: at a stuck rollout the old ones are still ready.
func updatedReady(d appsv1.Deployment) int32 {
	return currentReady(
		d.Generation,
		d.Status.ObservedGeneration,
		min(d.Status.ReadyReplicas, d.Status.UpdatedReplicas),
	)
}
