// Package finalizer knows the names with which Berth holds Jobs, and is the only one that changes the
// finalizers of one.
//
// A Job is held by one name of ours from its creation until its outcome is recorded. Names of older releases
// are recognised wherever ours is, taken off wherever ours is, and never written. Somebody else's name is
// never touched.
//
// A Job that is being deleted can lose a finalizer and can not gain one. So a legacy name is replaced by ours
// while that is possible, and else left until the outcome is recorded.
package finalizer

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/berth-dev/berth/templating/manifest"
)

// Names are ours: the one that is written, and those of older releases.
type Names struct {
	current string
	legacy  []string
}

// New returns our names, the legacy ones given. A name that Kubernetes keeps for itself is refused: taking it
// off would end what it stands for. So is a name without a domain, which could be anybody's, and the current
// one.
func New(legacy ...string) (Names, error) { return As(manifest.Finalizer, legacy...) }

// As is New for a release that writes another name than this one does.
func As(current string, legacy ...string) (Names, error) {
	for _, name := range legacy {
		if err := check(current, name); err != nil {
			return Names{}, fmt.Errorf("legacy finalizer %q: %w", name, err)
		}
	}
	sorted := slices.Sorted(slices.Values(legacy))
	return Names{current: current, legacy: slices.Compact(sorted)}, nil
}

func check(current, name string) error {
	if problems := validation.IsQualifiedName(name); len(problems) > 0 {
		return fmt.Errorf("%s", strings.Join(problems, "; "))
	}
	domain, _, qualified := strings.Cut(name, "/")
	switch {
	case name == metav1.FinalizerDeleteDependents,
		name == metav1.FinalizerOrphanDependents,
		name == "kubernetes":
		return fmt.Errorf("it is one of Kubernetes' own")
	case !qualified:
		return fmt.Errorf(
			"give it with its domain, as in example.com/name: without one it could be anybody's",
		)
	case domain == "kubernetes.io",
		domain == "k8s.io",
		strings.HasSuffix(domain, ".kubernetes.io"),
		strings.HasSuffix(domain, ".k8s.io"):
		return fmt.Errorf("it is one of Kubernetes' own")
	case name == current:
		return fmt.Errorf("it is the name that this release uses")
	}
	return nil
}

// Hold reports whether the object is held by one of our names.
func (n Names) Hold(o metav1.Object) bool {
	return slices.ContainsFunc(o.GetFinalizers(), n.ours)
}

// Legacy reports whether the object carries a name of an older release.
func (n Names) Legacy(o metav1.Object) bool {
	return slices.ContainsFunc(
		o.GetFinalizers(),
		func(name string) bool { return slices.Contains(n.legacy, name) },
	)
}

// HeldByOthers reports whether somebody else's finalizer keeps an object that is being deleted.
func (n Names) HeldByOthers(o metav1.Object) bool {
	return o.GetDeletionTimestamp() != nil && slices.ContainsFunc(o.GetFinalizers(), func(name string) bool {
		return !n.ours(name) && name != metav1.FinalizerDeleteDependents &&
			name != metav1.FinalizerOrphanDependents
	})
}

func (n Names) ours(name string) bool { return name == n.current || slices.Contains(n.legacy, name) }

// Change is what a merge patch writes to an object's metadata. It carries the resource version, since a list
// of finalizers is replaced as a whole and other people's names in it must not be lost, and the UID, since
// names are used again.
type Change map[string]any

func changeOf(o metav1.Object, finalizers []string) Change {
	return Change{"uid": o.GetUID(), "resourceVersion": o.GetResourceVersion(), "finalizers": finalizers}
}

// Finalizers that the object has after the change.
func (c Change) Finalizers() []string { return c["finalizers"].([]string) }

// Release takes all that is ours off the object; false where there is none of it.
func (n Names) Release(o client.Object) (Change, bool) {
	rest, changed := n.released(o)
	return changeOf(o, rest), changed
}

// Renew puts ours in the place of legacy names; false where there is none, or where it can not be.
func (n Names) Renew(o client.Object) (Change, bool) {
	renewed, changed := n.renewed(o)
	return changeOf(o, renewed), changed
}

// released are the object's finalizers without any of ours, and whether that is a change.
func (n Names) released(o client.Object) (rest []string, changed bool) {
	copied := o.DeepCopyObject().(client.Object)
	for _, name := range append([]string{n.current}, n.legacy...) {
		changed = controllerutil.RemoveFinalizer(copied, name) || changed
	}
	return copied.GetFinalizers(), changed
}

// renewed are the object's finalizers with ours in the place of legacy ones, and whether that is a change.
// Nothing changes where a legacy name is all that holds an object that is being deleted.
func (n Names) renewed(o client.Object) (renewed []string, changed bool) {
	copied := o.DeepCopyObject().(client.Object)
	for _, name := range n.legacy {
		changed = controllerutil.RemoveFinalizer(copied, name) || changed
	}
	if !changed {
		return o.GetFinalizers(), false
	}
	if controllerutil.ContainsFinalizer(copied, n.current) {
		return copied.GetFinalizers(), true
	}
	if o.GetDeletionTimestamp() != nil {
		return o.GetFinalizers(), false
	}
	controllerutil.AddFinalizer(copied, n.current)
	return copied.GetFinalizers(), true
}
