package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube/access"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/jobclient"
)

const (
	// probeTimeout bounds one request that checks the access.
	probeTimeout = 10 * time.Second
	// firstProbeWait is the wait after a check that failed. It doubles up to the usual interval.
	firstProbeWait = time.Second
	// probeName is a name that no object of ours has.
	probeName = "berth-access-check"
)

// lost returns why the namespace cannot be served now, or nil. Before Run, nothing is known against it.
func (r *Runtime) lost(namespace string) error {
	w := r.running()
	if w == nil {
		return nil
	}
	return w.access.Lost(r.scopeOf(namespace), time.Now())
}

// noteCreate notes what the result of a create says about the access to a namespace.
func (r *Runtime) noteCreate(namespace string, err error, began time.Time) {
	w, scope := r.running(), r.scopeOf(namespace)
	switch {
	case w == nil:
	case cluster.Judged(err):
		w.access.Worked(scope, access.Create)
	default:
		w.access.Failed(scope, access.Create, err, began)
		notify(w.suspect[scope])
	}
}

// Unobserved returns for how long the runtime could not observe the namespace of the attempt.
func (r *Runtime) Unobserved(ref job.Ref) time.Duration {
	r.mu.Lock()
	w, namespace := r.watcher, r.launches[ref].namespace
	if a := r.attempts[ref]; a != nil {
		namespace = a.namespace
	}
	r.mu.Unlock()
	if w == nil || namespace == "" {
		return 0
	}
	return w.access.Unobserved(r.scopeOf(namespace), time.Now())
}

// watchAccess checks the access to a namespace until ctx ends.
func (w *watcher) watchAccess(ctx context.Context, scope string, settled chan<- struct{}) {
	wait := firstProbeWait
	for {
		works := w.probe(ctx, scope)
		if ctx.Err() != nil {
			return
		}
		w.publishAccess()
		notify(settled)

		suspect := w.suspect[scope]
		if works {
			wait = firstProbeWait
		} else {
			suspect = nil // it is known already
		}
		timer := time.NewTimer(min(wait, w.options.Timing.Probe))
		if works {
			timer.Reset(w.options.Timing.Probe)
		} else {
			wait *= 2
		}
		select {
		case <-timer.C:
		case <-suspect:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// probe makes one check of each kind of work. It creates nothing: whether Jobs can be created is only asked while
// that fails, and with a dry run, which passes authentication, permissions and admission like a real request.
func (w *watcher) probe(ctx context.Context, scope string) bool {
	works := w.check(ctx, scope, access.Observe, w.probeLists)
	if w.access.Failing(scope, access.Create) {
		works = w.check(ctx, scope, access.Create, w.probeCreate) && works
	}
	return works && !w.access.Failing(scope, access.List)
}

func (w *watcher) check(
	ctx context.Context, scope string, work access.Work, request func(context.Context, string) error,
) bool {
	began := time.Now()
	call, cancel := context.WithTimeout(ctx, probeTimeout)
	err := request(call, scope)
	cancel()
	switch {
	case ctx.Err() != nil:
		return false
	case err == nil, work == access.Create && cluster.Judged(err):
		w.access.Worked(scope, work)
		return true
	}
	w.access.Failed(scope, work, err, began)
	return false
}

// probeLists asks for a Job and a pod by a name that none has, which the API server answers from memory.
func (w *watcher) probeLists(ctx context.Context, scope string) error {
	options := metav1.ListOptions{FieldSelector: "metadata.name=" + probeName, ResourceVersion: "0"}
	if _, err := w.api.BatchV1().Jobs(scope).List(ctx, options); err != nil {
		return fmt.Errorf("list jobs: %w", err)
	}
	if _, err := w.api.CoreV1().Pods(scope).List(ctx, options); err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	return nil
}

func (w *watcher) probeCreate(ctx context.Context, scope string) error {
	namespace := scope
	if scope == metav1.NamespaceAll {
		namespace = w.config.Namespace
	}
	j := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{GenerateName: probeName + "-", Labels: map[string]string{
			manifest.LabelInstallation: w.installation.String(),
		}},
		Spec: batchv1.JobSpec{Suspend: ptr.To(true), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers:    []corev1.Container{{Name: "check", Image: "none.invalid/none"}},
		}}},
	}
	options := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: jobclient.FieldManager}
	if _, err := w.api.BatchV1().Jobs(namespace).Create(ctx, j, options); err != nil {
		return fmt.Errorf("create jobs: %w", err)
	}
	return nil
}

// publishAccess tells the handler when a namespace was lost or regained. Before the first lists nothing is known.
func (w *watcher) publishAccess() {
	if !w.settled.Load() {
		return
	}
	w.publishing.Lock()
	defer w.publishing.Unlock()
	now := time.Now()
	lost := map[string]error{}
	for _, scope := range w.scopes() {
		name := scopeName(scope)
		err := w.access.Lost(scope, now)
		if err != nil {
			lost[name] = cluster.WithHint(err)
		}
		w.served.WithLabelValues(name).Set(boolToFloat(err == nil))
	}

	for name, err := range lost {
		if w.published[name] == nil {
			w.options.Log.Error("namespace cannot be served", "namespace", name, "error", err)
		}
	}
	for name := range w.published {
		if lost[name] == nil {
			w.options.Log.Info("namespace is served again", "namespace", name)
		}
	}
	same := maps.EqualFunc(w.published, lost, func(a, b error) bool { return a.Error() == b.Error() })
	w.published = lost
	if same {
		return
	}
	w.handler.AccessChanged(w.accessOf(lost))
}

// accessOf says what the handler has to know of the namespaces that are lost.
func (w *watcher) accessOf(lost map[string]error) job.Access {
	access := job.Access{Lost: lost}
	if len(lost) < len(w.scopes()) {
		return access
	}
	var reasons []error
	for _, name := range slices.Sorted(maps.Keys(lost)) {
		reasons = append(reasons, fmt.Errorf("namespace %q: %w", name, lost[name]))
	}
	access.Err = errors.Join(reasons...)
	return access
}

// scopeName is the name of a scope for people.
func scopeName(scope string) string {
	if scope == metav1.NamespaceAll {
		return AllNamespaces
	}
	return scope
}

func boolToFloat(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
