package kube

import (
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/templating/manifest"
)

// Installations gives the ids of the installations that have Jobs in the namespaces served, sorted. It is for
// a drain that can not ask the server whose Jobs it is to end.
func (r *Runtime) Installations(ctx context.Context) ([]string, error) {
	var ids []string
	for _, namespace := range r.scopes() {
		err := r.eachPage(
			ctx,
			namespace,
			metav1.ListOptions{LabelSelector: manifest.LabelInstallation, Limit: 500},
			func(page []batchv1.Job) {
				for _, j := range page {
					if id := j.Labels[manifest.LabelInstallation]; !slices.Contains(ids, id) {
						ids = append(ids, id)
					}
				}
			},
		)
		if err != nil {
			return nil, fmt.Errorf("look for installations in namespace %q: %w", namespace, err)
		}
	}
	slices.Sort(ids)
	return ids, nil
}
