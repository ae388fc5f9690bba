package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// errEarlierRuns is waited out: two attempts of a run never run side by side.
type errEarlierRuns struct{ name string }

func (e errEarlierRuns) Error() string {
	return fmt.Sprintf("the Job %s of an earlier attempt has not ended yet", e.name)
}

// earlierEnded reports as an error that an earlier attempt's Job is there and not finished. A template may
// have sent that one to another namespace.
func (l *launch) earlierEnded(ctx context.Context) error {
	if l.attempt.Attempt <= 1 {
		return nil
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	selector := fmt.Sprintf(
		"%s=%s,%s=%s",
		manifest.LabelInstallation,
		l.manifest.Labels[manifest.LabelInstallation],
		manifest.LabelRunID,
		l.attempt.RunID,
	)
	for _, namespace := range l.scopes() {
		jobs, err := l.client.BatchV1().
			Jobs(namespace).
			List(call, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return fmt.Errorf("look for earlier attempts in namespace %q: %w", namespace, err)
		}
		for i := range jobs.Items {
			j := &jobs.Items[i]
			if ref, ok := refOf(j); ok && ref.Attempt < l.attempt.Attempt && !observe.JobStopped(j) {
				return errEarlierRuns{name: j.Namespace + "/" + j.Name}
			}
		}
	}
	return nil
}
