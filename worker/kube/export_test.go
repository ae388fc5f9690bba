package kube

import (
	"testing"

	"github.com/berth-dev/berth/worker/kube/finalizer"
)

// SpeakAs makes the runtime one of a release that holds Jobs with another finalizer.
func (r *Runtime) SpeakAs(t *testing.T, current string, legacy ...string) {
	t.Helper()
	names, err := finalizer.As(current, legacy...)
	if err != nil {
		t.Fatal(err)
	}
	r.finalizers = names
	r.options.LegacyFinalizers = legacy
}
