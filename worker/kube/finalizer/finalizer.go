// Package finalizer has the names of the finalizers that hold Berth's Jobs. It is the only package that
// changes the finalizers of an object.
//
// A Job carries one finalizer of ours from its creation until its outcome is recorded. Finalizers of older
// releases (legacy names) are recognised and taken off wherever ours is, and never written. Foreign
// finalizers are never touched.
//
// Kubernetes lets an object that is being deleted lose finalizers, but not gain any. A legacy name is
// therefore replaced by ours while the object is not being deleted; otherwise it stays until the outcome is
// recorded.
package finalizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

// Names are our finalizers: the current one, which is written, and those of older releases.
type Names struct {
	current string
	legacy  []string
}

// New returns our names. It refuses legacy names that are not safe to take off: names that Kubernetes
// reserves, names without a domain, which may belong to anyone, and the current one.
func New(current string, legacy ...string) (Names, error) {
	for _, name := range legacy {
		if err := validate(current, name); err != nil {
			return Names{}, fmt.Errorf("legacy finalizer %q: %w", name, err)
		}
	}
	sorted := slices.Sorted(slices.Values(legacy))
	return Names{current: current, legacy: slices.Compact(sorted)}, nil
}

func validate(current, name string) error {
	if problems := validation.IsQualifiedName(name); len(problems) > 0 {
		return errors.New("not a valid finalizer name; it has the form example.com/name")
	}
	domain, _, qualified := strings.Cut(name, "/")
	switch {
	case isKubernetes(name, domain):
		return errors.New("reserved by Kubernetes")
	case !qualified:
		return errors.New("the domain is missing; it has the form example.com/name")
	case name == current:
		return errors.New("this release uses it; name only finalizers of other releases")
	}
	return nil
}

// isKubernetes reports whether Kubernetes reserves the name: taking it off would skip what it stands for.
func isKubernetes(name, domain string) bool {
	switch name {
	case metav1.FinalizerDeleteDependents, metav1.FinalizerOrphanDependents, "kubernetes":
		return true
	}
	for _, reserved := range []string{"kubernetes.io", "k8s.io"} {
		if domain == reserved || strings.HasSuffix(domain, "."+reserved) {
			return true
		}
	}
	return false
}

// Hold reports whether one of our finalizers is on the object.
func (n Names) Hold(o metav1.Object) bool {
	return slices.ContainsFunc(o.GetFinalizers(), n.isOurs)
}

// Legacy reports whether a finalizer of an older release is on the object.
func (n Names) Legacy(o metav1.Object) bool {
	return slices.ContainsFunc(o.GetFinalizers(), n.isLegacy)
}

// HeldByOthers reports whether a foreign finalizer keeps an object that is being deleted. The garbage
// collector's finalizers do not count: it takes them off by itself.
func (n Names) HeldByOthers(o metav1.Object) bool {
	foreign := func(name string) bool {
		return !n.isOurs(name) &&
			name != metav1.FinalizerDeleteDependents && name != metav1.FinalizerOrphanDependents
	}
	return o.GetDeletionTimestamp() != nil && slices.ContainsFunc(o.GetFinalizers(), foreign)
}

func (n Names) isOurs(name string) bool { return name == n.current || n.isLegacy(name) }

func (n Names) isLegacy(name string) bool { return slices.Contains(n.legacy, name) }

// Change is the metadata of a patch that changes finalizers. It carries the UID because names are reused.
type Change map[string]any

// A merge patch replaces the list as a whole, so it carries the resource version to keep concurrent changes by others.

func changeOf(o metav1.Object, finalizers []string) Change {
	return Change{"uid": o.GetUID(), "resourceVersion": o.GetResourceVersion(), "finalizers": finalizers}
}

// Finalizers are the finalizers of the object after the change.
func (c Change) Finalizers() []string { return c["finalizers"].([]string) }

// TakeOff takes all our finalizers off the object; ok is false if there are none. It is for a strategic merge patch, which
// names what goes: whatever others change meanwhile stays, and nothing has to be read or repeated.
func (n Names) TakeOff(o metav1.Object) (change Change, ok bool) {
	ours := append([]string{n.current}, n.legacy...)
	return Change{"uid": o.GetUID(), "$deleteFromPrimitiveList/finalizers": ours}, n.Hold(o)
}

// ReplaceLegacy replaces legacy finalizers by the current one. ok is false if there are none, or if a legacy
// finalizer is all that keeps an object that is being deleted.
func (n Names) ReplaceLegacy(o client.Object) (change Change, ok bool) {
	copied := o.DeepCopyObject().(client.Object)
	for _, name := range n.legacy {
		ok = controllerutil.RemoveFinalizer(copied, name) || ok
	}
	hasCurrent := controllerutil.ContainsFinalizer(copied, n.current)
	if !ok || (!hasCurrent && o.GetDeletionTimestamp() != nil) {
		return changeOf(o, o.GetFinalizers()), false
	}
	controllerutil.AddFinalizer(copied, n.current) // no change if it is there
	return changeOf(o, copied.GetFinalizers()), true
}
