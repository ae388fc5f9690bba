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
	// SkipDrain skips the hook that ends the installation's Jobs and removes their finalizers.
	SkipDrain bool
	// Purge also deletes the Secret with the API keys, the volume with the database and the namespace of the
	// Jobs with all that is in it, if the chart created it.
	Purge bool
}

// Uninstall drains the installation, deletes the release and waits until its pods are gone. Helm does not
// stop when ctx ends; it ends by its timeout.
func (c *Client) Uninstall(ctx context.Context, o UninstallOptions) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("uninstall release %q: %w", c.name, err)
	}
	if err := c.reach(); err != nil {
		return err
	}
	rel, err := c.latest()
	if err != nil {
		return err
	}
	workloads, err := c.workloads(ctx)
	if err != nil {
		return err
	}
	if len(workloads) == 0 {
		// The install failed in its hooks, so there is no server to ask and no worker ever created a Job. The
		// drain would fail for the same reason, such as a missing image.
		o.SkipDrain = true
	}

	uninstall := action.NewUninstall(c.config)
	uninstall.Wait, uninstall.Timeout, uninstall.DisableHooks = true, c.timeout, o.SkipDrain
	// With background deletion, workloads would be gone before their pods. Helm accepts the word in lower
	// case only and treats everything else as background.
	uninstall.DeletionPropagation = "foreground"
	c.progress.report("uninstalling %q from namespace %q", c.name, c.namespace)
	if _, err := uninstall.Run(c.name); err != nil {
		return c.explainUninstall(ctx, fmt.Errorf("uninstall release %q: %w", c.name, oneLine(err)))
	}
	if err := c.label(ctx, nil); err != nil {
		c.progress.report("label %s of namespace %q is not removed: %v", labelNamespace, c.objects, err)
	}
	if err := c.sweepHooks(ctx); err != nil || !o.Purge {
		return err
	}
	return c.purge(ctx, rel)
}

// sweepHooks deletes the Jobs of failed hooks and the pod of the test. Helm keeps them for inspection and does not
// delete them with the release.
func (c *Client) sweepHooks(ctx context.Context) error {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	foreground := metav1.DeletePropagationForeground
	hooks := c.selector("") + ",app.kubernetes.io/component in (keys, drain, apply)"
	err = set.BatchV1().Jobs(c.objects).DeleteCollection(ctx,
		metav1.DeleteOptions{PropagationPolicy: &foreground}, metav1.ListOptions{LabelSelector: hooks})
	if err != nil {
		return fmt.Errorf("delete the Jobs of failed hooks: %w", err)
	}
	err = set.CoreV1().Pods(c.objects).DeleteCollection(ctx, metav1.DeleteOptions{},
		metav1.ListOptions{LabelSelector: c.selector("test")})
	if err != nil {
		return fmt.Errorf("delete the pod of the test: %w", err)
	}
	return nil
}

func (c *Client) explainUninstall(ctx context.Context, err error) error {
	rel, lastErr := c.latest()
	if lastErr != nil || !drainFailed(rel) {
		return c.explain(ctx, err)
	}
	return &NotReadyError{Err: err, Findings: append([]string{
		"the drain of this installation's Jobs did not finish; nothing has been deleted yet, but the workers may be stopped",
		"try again, or skip the drain, which may leave Jobs with the finalizer of Berth behind",
	}, c.findings(ctx)...)}
}

// drainFailed reports whether the last uninstall failed in its pre-delete hooks. Helm records that a hook
// started; it records a failure only with the next write, which may be missing.
func drainFailed(rel *release.Release) bool {
	if rel.Info.Status != release.StatusUninstalling {
		return false
	}
	for _, hook := range rel.Hooks {
		started := !hook.LastRun.StartedAt.IsZero()
		if slices.Contains(hook.Events, release.HookPreDelete) && started &&
			hook.LastRun.Phase != release.HookPhaseSucceeded {
			return true
		}
	}
	return false
}

// purge deletes the Secret that the keys hook created, which is not part of the release, and the volume
// claims.
func (c *Client) purge(ctx context.Context, rel *release.Release) error {
	set, err := c.config.KubernetesClientSet()
	if err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	var failed []error
	if secret := keysSecret(rel); secret != "" {
		c.progress.report("deleting Secret %q", secret)
		if err := set.CoreV1().Secrets(c.objects).Delete(ctx, secret, metav1.DeleteOptions{}); err != nil &&
			!apierrors.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("delete Secret %q: %w", secret, err))
		}
	}
	claims := set.CoreV1().PersistentVolumeClaims(c.objects)
	list, err := claims.List(ctx, metav1.ListOptions{LabelSelector: c.selector("server")})
	if err != nil {
		return errors.Join(append(failed, fmt.Errorf("list PersistentVolumeClaims: %w", err))...)
	}
	for _, claim := range list.Items {
		c.progress.report("deleting PersistentVolumeClaim %q", claim.Name)
		if err := claims.Delete(ctx, claim.Name, metav1.DeleteOptions{}); err != nil &&
			!apierrors.IsNotFound(err) {
			failed = append(failed, fmt.Errorf("delete PersistentVolumeClaim %q: %w", claim.Name, err))
		}
	}
	failed = append(failed, c.purgeJobsNamespace(ctx, rel))
	return errors.Join(failed...)
}

// keysSecret returns the name of the Secret that the keys hook creates, which is also the name of the hook.
// It is empty if the release uses an existing Secret.
func keysSecret(rel *release.Release) string {
	for _, hook := range rel.Hooks {
		if hook.Kind == "Job" && strings.HasSuffix(hook.Path, "templates/keys/hook.yaml") {
			return hook.Name
		}
	}
	return ""
}

// selector selects the objects of the release, or of one component. Other charts of an umbrella have the same instance.
func (c *Client) selector(component string) string {
	selector := "berth.dev/release=" + c.name
	if component != "" {
		selector += ",app.kubernetes.io/component=" + component
	}
	return selector
}
