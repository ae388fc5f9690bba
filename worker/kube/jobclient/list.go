package jobclient

import (
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// pageSize bounds how many whole Jobs are in memory at once; there may be ten thousand.
const pageSize = 500

// eachPage calls visit with the selected Jobs of a namespace, page by page.
func (c *Client) eachPage(
	ctx context.Context, namespace, selector string, visit func(page []batchv1.Job),
) error {
	options := metav1.ListOptions{LabelSelector: selector, Limit: pageSize}
	for {
		call, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
		page, err := c.API.BatchV1().Jobs(namespace).List(call, options)
		cancel()
		if err != nil {
			return fmt.Errorf("list jobs in namespace %q: %w", namespace, cluster.WithHint(err))
		}
		if len(page.Items) > 0 {
			visit(page.Items)
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}

// Installations returns the sorted IDs of the installations that have Jobs in the namespaces. A drain that
// cannot ask the server learns from it whose Jobs there are.
func (c *Client) Installations(ctx context.Context, namespaces []string) ([]string, error) {
	var ids []string
	for _, namespace := range namespaces {
		err := c.eachPage(ctx, namespace, manifest.LabelInstallation, func(page []batchv1.Job) {
			for _, j := range page {
				if id := j.Labels[manifest.LabelInstallation]; !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	return ids, nil
}
