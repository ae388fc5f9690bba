// Package provider says what a cluster must offer to carry the end-to-end tests, and offers it for clusters
// that others made: one that the caller names, and one that kind makes where a Docker engine runs. The
// cluster built from source, for all other machines, is package local.
package provider

import "github.com/berth-dev/berth/e2e/cluster/node"

// Status says how a cluster does.
type Status struct {
	// Provider is "external", "kind" or "source".
	Provider string `json:"provider"`
	Up       bool   `json:"up"`
	// Detail says why the cluster is not up.
	Detail     string `json:"detail,omitempty"`
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// Dir holds everything of a cluster built from source, logs too.
	Dir string `json:"directory,omitempty"`
	// PID is the first process of a cluster built from source; killing it ends the cluster.
	PID        int                    `json:"pid,omitempty"`
	Components []node.ComponentStatus `json:"components,omitempty"`
}
