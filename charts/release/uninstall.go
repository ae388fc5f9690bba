package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UninstallOptions of one uninstall.
type UninstallOptions struct {
	// SkipDrain leaves out the hook that ends the installation's Jobs and releases their finalizers.
	SkipDrain bool
	// Purge also deletes what a release keeps: the Secret with the API keys and the volume with the database.
	Purge bool
}

// Uninstall drains the installation, deletes the release and waits until its pods are gone. Helm can not be
// interrupted in the middle of it; it ends by the timeout.
func (c *Client) Uninstall(ctx context.Context, o UninstallOptions) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("uninstall release %q: %w", c.name, err)
	}
	rel, err := c.last()
	if err != nil {
		return err
	}
	if err := c.config.KubeClient.IsReachable(); err != nil {
		return fmt.Errorf("reach the cluster: %w", err)
	}
	workloads, err := c.workloads(ctx)
	if err != nil {
		return err
	}
	if len(workloads) == 0 {
		// An install that got no further than its hooks: there is no server to ask, and has been no worker to
		// make Jobs. Its drain would fail for the same reason, such as an image that is not there.
		o.SkipDrain = true
	}
	uninstall := action.NewUninstall(c.config)
	uninstall.Wait, uninstall.Timeout, uninstall.DisableHooks = true, c.timeout, o.SkipDrain
	// In the background, workloads would be gone before their pods are. Helm knows the word in lower case
	// only, and takes any other for background.
	uninstall.DeletionPropagation = "foreground"
	c.progress.say("uninstalling %q from namespace %q", c.name, c.namespace)
	if _, err := uninstall.Run(c.name); err != nil {
		return c.explainUninstall(ctx, fmt.Errorf("uninstall release %q: %w", c.name, oneLine(err)))
	}
	if err := c.sweepHooks(ctx); err != nil || !o.Purge {
		return err
	}
	return c.purge(ctx, rel)
}

// sweepHooks deletes the Jobs of hooks that have failed. Helm leaves them to be looked at and forgets them
// with the release.
func (c *Client) sweepHooks(ctx context.Context) error {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	foreground := metav1.DeletePropagationForeground
	err = set.BatchV1().
		Jobs(c.namespace).
		DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &foreground},
			metav1.ListOptions{
				LabelSelector: c.selector("") + ",app.kubernetes.io/component in (keys, drain, test)",
			})
	if err != nil {
		return fmt.Errorf("delete the Jobs of failed hooks: %w", err)
	}
	return nil
}

func (c *Client) explainUninstall(ctx context.Context, err error) error {
	rel, lastErr := c.last()
	if lastErr != nil || !drainFailed(rel) {
		return c.explain(ctx, err)
	}
	return &NotReadyError{Err: err, Findings: append([]string{
		"the drain of this installation's Jobs has not ended; nothing has been deleted yet, but the workers may be stopped",
		"try again, or skip the drain, which can leave Jobs behind that Berth still holds",
	}, c.findings(ctx)...)}
}

// drainFailed tells whether the last uninstall got no further than the hooks before it. Helm records that a
// hook begins, and that it has failed only if another record follows.
func drainFailed(rel *release.Release) bool {
	if rel.Info.Status != release.StatusUninstalling {
		return false
	}
	for _, hook := range rel.Hooks {
		begun := !hook.LastRun.StartedAt.IsZero()
		if slices.Contains(hook.Events, release.HookPreDelete) && begun &&
			hook.LastRun.Phase != release.HookPhaseSucceeded {
			return true
		}
	}
	return false
}

// purge deletes the Secret that the keys hook has made, which is no part of the release, and the claims of
// its volumes.
func (c *Client) purge(ctx context.Context, rel *release.Release) error {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	var failed []error
	if secret := keysSecret(rel); secret != "" {
		c.progress.say("deleting Secret %q", secret)
		if err := set.CoreV1().Secrets(c.namespace).Delete(ctx, secret, metav1.DeleteOptions{}); err != nil &&
			!apierrors.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("delete Secret %q: %w", secret, err))
		}
	}
	claims := set.CoreV1().PersistentVolumeClaims(c.namespace)
	list, err := claims.List(ctx, metav1.ListOptions{LabelSelector: c.selector("server")})
	if err != nil {
		return errors.Join(append(failed, fmt.Errorf("list volume claims: %w", err))...)
	}
	for _, claim := range list.Items {
		c.progress.say("deleting PersistentVolumeClaim %q", claim.Name)
		if err := claims.Delete(ctx, claim.Name, metav1.DeleteOptions{}); err != nil &&
			!apierrors.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("delete PersistentVolumeClaim %q: %w", claim.Name, err))
		}
	}
	return errors.Join(failed...)
}

// keysSecret is the name of the Secret that the release's keys hook makes: the hook's own name. Empty without
// the hook, when the keys are somebody else's.
func keysSecret(rel *release.Release) string {
	for _, hook := range rel.Hooks {
		if hook.Kind == "Job" && strings.HasSuffix(hook.Path, "templates/keys/hook.yaml") {
			return hook.Name
		}
	}
	return ""
}

// selector selects what belongs to the release, or to one component of it.
func (c *Client) selector(component string) string {
	selector := "app.kubernetes.io/part-of=berth,app.kubernetes.io/instance=" + c.name
	if component != "" {
		selector = "app.kubernetes.io/instance=" + c.name + ",app.kubernetes.io/component=" + component
	}
	return selector
}
