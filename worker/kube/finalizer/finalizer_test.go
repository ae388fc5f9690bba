package finalizer

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/berth-dev/berth/templating/manifest"
)

func TestOnlyOurFinalizersAreChanged(t *testing.T) {
	const ours, old, older, foreign = manifest.Finalizer, "old.example.com/hold", "older.example.com/hold", "foreign.example.com/hold"
	now := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, tc := range []struct {
		name               string
		has                []string
		deleting           bool
		takenOff, replaced []string
	}{
		{name: "no finalizers: no change"},
		{name: "ours alone: taken off", has: []string{ours}, replaced: []string{ours}},
		{
			name: "a foreign finalizer: stays, in its place",
			has:  []string{foreign, ours}, takenOff: []string{foreign}, replaced: []string{foreign, ours},
		},
		{name: "a legacy name: replaced by ours", has: []string{old}, replaced: []string{ours}},
		{
			name: "two legacy names: replaced by ours once",
			has:  []string{old, foreign, older}, takenOff: []string{foreign}, replaced: []string{foreign, ours},
		},
		{name: "a legacy name beside ours: removed", has: []string{old, ours}, replaced: []string{ours}},
		{
			name: "a legacy name on an object being deleted: stays, because ours cannot be added", deleting: true,
			has: []string{old, foreign}, takenOff: []string{foreign}, replaced: []string{old, foreign},
		},
		{
			name: "a legacy name beside ours on an object being deleted: removed", deleting: true,
			has: []string{old, ours}, replaced: []string{ours},
		},
		{
			name: "a finalizer of Kubernetes: stays", deleting: true,
			has:      []string{metav1.FinalizerDeleteDependents, old},
			takenOff: []string{metav1.FinalizerDeleteDependents},
			replaced: []string{metav1.FinalizerDeleteDependents, old},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			names, err := New(ours, older, old, old)
			if err != nil {
				t.Fatal(err)
			}
			j := &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{
					UID: "u", ResourceVersion: "7", Finalizers: slices.Clone(tc.has),
				},
			}
			if tc.deleting {
				j.DeletionTimestamp = &now
			}
			takenOff, changed := names.TakeOff(j)
			if left := patched(t, j, takenOff).Finalizers; !slices.Equal(left, tc.takenOff) ||
				changed != !slices.Equal(tc.has, tc.takenOff) {
				t.Errorf("left are %v (changed: %v), want %v", left, changed, tc.takenOff)
			}
			replaced, changed := names.ReplaceLegacy(j)
			if left := replaced.Finalizers(); !slices.Equal(left, tc.replaced) ||
				changed != (len(tc.has) != len(tc.replaced) || !sameNames(tc.has, tc.replaced)) {
				t.Errorf("replaced: %v (changed: %v), want %v", replaced, changed, tc.replaced)
			}
			if replaced["resourceVersion"] != j.ResourceVersion || replaced["uid"] != j.UID || takenOff["uid"] != j.UID {
				t.Errorf("the changes carry no resource version or UID: %v, %v", replaced, takenOff)
			}
			if !slices.Equal(j.Finalizers, tc.has) {
				t.Errorf("the object itself was changed: %v", j.Finalizers)
			}
		})
	}
}

// patched is the Job after a strategic merge patch of its metadata.
func patched(t *testing.T, j *batchv1.Job, change Change) *batchv1.Job {
	t.Helper()
	before, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": change})
	if err != nil {
		t.Fatal(err)
	}
	text, err := strategicpatch.StrategicMergePatch(before, patch, batchv1.Job{})
	if err != nil {
		t.Fatal(err)
	}
	after := &batchv1.Job{}
	if err := json.Unmarshal(text, after); err != nil {
		t.Fatal(err)
	}
	return after
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestUnsafeLegacyNamesAreRefused(t *testing.T) {
	for _, name := range []string{
		"", "hold", "not a name", "foregroundDeletion", "orphan", "kubernetes", "batch.kubernetes.io/job-tracking",
		"kubernetes.io/pvc-protection", "x.k8s.io/hold", manifest.Finalizer,
	} {
		if _, err := New(manifest.Finalizer, name); err == nil {
			t.Errorf("%q was accepted", name)
		} else {
			t.Log(err)
		}
	}
}

func TestWhoseFinalizersAreOnAJob(t *testing.T) {
	now := metav1.Now()
	names, err := New(manifest.Finalizer, "old.example.com/hold")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		has                  []string
		held, legacy, others bool
	}{
		{[]string{manifest.Finalizer}, true, false, false},
		{[]string{"old.example.com/hold"}, true, true, false},
		{[]string{"foreign.example.com/hold"}, false, false, true},
		{[]string{metav1.FinalizerDeleteDependents}, false, false, false},
		{nil, false, false, false},
	} {
		j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Finalizers: tc.has, DeletionTimestamp: &now}}
		if names.Hold(j) != tc.held || names.Legacy(j) != tc.legacy || names.HeldByOthers(j) != tc.others {
			t.Errorf("%v: held %v, legacy %v, by others %v", tc.has, names.Hold(j), names.Legacy(j),
				names.HeldByOthers(j))
		}
	}
}
