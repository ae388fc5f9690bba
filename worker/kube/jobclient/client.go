// Package jobclient changes Jobs in a cluster: it finalizes and deletes them, opens their gates, creates
// their Secrets, and drains an installation. It keeps no state about attempts and needs neither server nor
// worker, so that a drain works when both are gone.
//
// Every change is safe against concurrent ones. Deletions and patches carry the UID, because a name may belong to another
// Job by then. What replaces a list carries the resource version too, and is retried on conflict.
package jobclient

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/finalizer"
	"github.com/berth-dev/berth/worker/kube/observe"
)

// FieldManager owns what Berth writes to objects of the cluster.
const FieldManager = "berth-worker"

// Client changes Jobs of one cluster.
type Client struct {
	API kubernetes.Interface
	// Metadata has the API server answer with the metadata of a Job that is changed; if nil, API is used, and the
	// answer is the whole Job.
	Metadata   metadata.Interface
	Finalizers finalizer.Names
	// TTL is how long a Job is kept after its end if its template does not say.
	TTL     time.Duration
	Log     *slog.Logger
	Metrics Metrics
	// Finalized is called, if set, after our finalizer was taken off a Job, or was gone already.
	Finalized func(j *batchv1.Job)
}

// isGone reports whether the error says that the object no longer exists, or that another one has its name.
func isGone(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }

// patch applies a patch to the Job.
func (c *Client) patch(ctx context.Context, j *batchv1.Job, kind types.PatchType, change map[string]any) error {
	patch, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	options := metav1.PatchOptions{FieldManager: FieldManager}
	if c.Metadata != nil {
		jobs := c.Metadata.Resource(batchv1.SchemeGroupVersion.WithResource("jobs"))
		_, err = jobs.Namespace(j.Namespace).Patch(ctx, j.Name, kind, patch, options)
		return err
	}
	_, err = c.API.BatchV1().Jobs(j.Namespace).Patch(ctx, j.Name, kind, patch, options)
	return err
}

// update applies a change to the Job and retries it on conflict. The first try uses the caller's copy, later
// tries read the Job again. By then the name may belong to another Job: change compares its UID with the one given.
func (c *Client) update(
	ctx context.Context,
	j *batchv1.Job,
	change func(ctx context.Context, latest *batchv1.Job, uid types.UID) error,
) error {
	latest := j
	return retry.OnError(retry.DefaultBackoff, apierrors.IsConflict, func() error {
		call, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
		defer cancel()
		if latest == nil {
			read, err := c.API.BatchV1().Jobs(j.Namespace).Get(call, j.Name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			latest = read
		}
		err := change(call, latest, j.UID)
		latest = nil
		return err
	})
}

// DeleteForeground deletes a Job, its pods first. With background deletion the garbage collector would wait
// for the Job to go, our finalizer would hold the Job, and the pods would run on. A Job that is gone is no
// error.
func (c *Client) DeleteForeground(ctx context.Context, j *batchv1.Job) error {
	call, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	err := c.API.BatchV1().Jobs(j.Namespace).Delete(call, j.Name, metav1.DeleteOptions{
		PropagationPolicy: ptr.To(metav1.DeletePropagationForeground),
		Preconditions:     &metav1.Preconditions{UID: &j.UID},
	})
	if err != nil && !isGone(err) {
		return fmt.Errorf("delete job %s/%s: %w", j.Namespace, j.Name, err)
	}
	return nil
}

// PodGracePeriod as the grace period of DeletePod means the one in the pod's spec.
const PodGracePeriod = -1

// DeletePod deletes a pod. A pod that is gone is no error.
func (c *Client) DeletePod(ctx context.Context, pod *corev1.Pod, graceSeconds int64) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &pod.UID}}
	if graceSeconds != PodGracePeriod {
		options.GracePeriodSeconds = &graceSeconds
	}
	err := c.API.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, options)
	if err != nil && !isGone(err) {
		return fmt.Errorf("delete pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// WritePlannedOutcome writes to the Job the outcome for which it is about to be deleted, so that the decision
// outlives this process. A Job that is gone is no error.
func (c *Client) WritePlannedOutcome(ctx context.Context, j *batchv1.Job, planned observe.Outcome) error {
	text, err := json.Marshal(planned)
	if err != nil {
		return fmt.Errorf("encode the planned outcome: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	err = c.patch(ctx, j, types.MergePatchType, map[string]any{"metadata": map[string]any{
		"uid": j.UID, "annotations": map[string]string{observe.AnnotationPlannedOutcome: string(text)},
	}})
	if err != nil && !isGone(err) {
		return fmt.Errorf("write the planned outcome to job %s/%s: %w", j.Namespace, j.Name, err)
	}
	return nil
}
