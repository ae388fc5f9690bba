package kube

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

// LabelNamespace says what a namespace is to Berth. `berth install` sets it on the namespace of the release,
// the chart on the namespace of the Jobs.
const LabelNamespace = manifest.Prefix + "namespace"

// NamespaceSystem is the value for a namespace that holds the Secrets of an installation.
const NamespaceSystem = "system"

// guard refuses Jobs that could reach the Secrets of an installation. It asks for the labels of a namespace at
// most once a minute.
type guard struct {
	mu     sync.Mutex
	labels map[string]namespaceLabels
}

type namespaceLabels struct {
	system bool
	until  time.Time
}

const labelsFor = time.Minute

// check is the last look at a Job before it is created.
func (g *guard) check(ctx context.Context, r *Runtime, j *batchv1.Job) error {
	refused, err := manifest.CheckProtected(j, r.options.Protected)
	if err != nil {
		return fmt.Errorf("check the references of job %s/%s: %w", j.Namespace, j.Name, err)
	}
	system, err := g.isSystem(ctx, r, j.Namespace)
	if err != nil {
		return err
	}
	if system && !r.options.ShareNamespace {
		refused = append(refused, fmt.Sprintf("namespace %q holds the Secrets of an installation of Berth "+
			"(label %s=%s): run Jobs in another namespace, or start the worker with --share-namespace",
			j.Namespace, LabelNamespace, NamespaceSystem))
	}
	if len(refused) == 0 {
		return nil
	}
	return &job.Refused{Category: api.CategoryInvalid, Message: strings.Join(refused, "; ")}
}

func (g *guard) isSystem(ctx context.Context, r *Runtime, namespace string) (bool, error) {
	g.mu.Lock()
	known, ok := g.labels[namespace]
	g.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.system, nil
	}

	call, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	found, err := r.api.CoreV1().Namespaces().Get(call, namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		// Names are checked still. Permissions made before this check was there do not include it.
		r.options.Log.Warn("cannot read the labels of the namespace: "+
			"grant the worker's ServiceAccount get on namespaces there", "namespace", namespace)
		found = nil
	case apierrors.IsNotFound(err):
		return false, nil // creating the Job says so
	case err != nil:
		return false, fmt.Errorf("read the labels of namespace %s: %w", namespace, err)
	}
	labels := namespaceLabels{until: time.Now().Add(labelsFor)}
	if found != nil {
		labels.system = found.Labels[LabelNamespace] == NamespaceSystem
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.labels == nil {
		g.labels = map[string]namespaceLabels{}
	}
	g.labels[namespace] = labels
	return labels.system, nil
}
