package finalizer

import (
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/templating/manifest"
)

func TestNamesChangeOnlyWhatIsOurs(t *testing.T) {
	const ours, old, older, foreign = manifest.Finalizer, "old.example.com/hold", "older.example.com/hold", "foreign.example.com/hold"
	now := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, tc := range []struct {
		name              string
		has               []string
		deleting          bool
		released, renewed []string
	}{
		{name: "a Job without finalizers stays as it is"},
		{name: "ours alone is released", has: []string{ours}, renewed: []string{ours}},
		{name: "somebody else's stays, in its place", has: []string{foreign, ours}, released: []string{foreign}, renewed: []string{foreign, ours}},
		{name: "a legacy name becomes ours", has: []string{old}, renewed: []string{ours}},
		{name: "two legacy names become ours once", has: []string{old, foreign, older}, released: []string{foreign}, renewed: []string{foreign, ours}},
		{name: "a legacy name beside ours goes", has: []string{old, ours}, renewed: []string{ours}},
		{name: "what is being deleted can not gain ours, so the legacy name holds on", has: []string{old, foreign}, deleting: true, released: []string{foreign}, renewed: []string{old, foreign}},
		{name: "what is being deleted and held by ours loses the legacy name", has: []string{old, ours}, deleting: true, renewed: []string{ours}},
		{name: "Kubernetes' own are somebody else's", has: []string{metav1.FinalizerDeleteDependents, old}, deleting: true,
			released: []string{metav1.FinalizerDeleteDependents}, renewed: []string{metav1.FinalizerDeleteDependents, old}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			names, err := New(older, old, old)
			if err != nil {
				t.Fatal(err)
			}
			j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{UID: "u", ResourceVersion: "7", Finalizers: slices.Clone(tc.has)}}
			if tc.deleting {
				j.DeletionTimestamp = &now
			}
			release, changed := names.Release(j)
			if released := release.Finalizers(); !slices.Equal(released, tc.released) || changed != !slices.Equal(tc.has, tc.released) {
				t.Errorf("released: %v (changed: %v), want %v", release, changed, tc.released)
			}
			renew, changed := names.Renew(j)
			if renewed := renew.Finalizers(); !slices.Equal(renewed, tc.renewed) || changed != (len(tc.has) != len(tc.renewed) || !sameNames(tc.has, tc.renewed)) {
				t.Errorf("renewed: %v (changed: %v), want %v", renew, changed, tc.renewed)
			}
			if release["resourceVersion"] != j.ResourceVersion || release["uid"] != j.UID {
				t.Errorf("the change is not guarded: %v", release)
			}
			if !slices.Equal(j.Finalizers, tc.has) {
				t.Errorf("the object itself was changed: %v", j.Finalizers)
			}
		})
	}
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestANameThatIsNotALegacyOfOursIsRefused(t *testing.T) {
	for _, name := range []string{
		"", "hold", "not a name", "foregroundDeletion", "orphan", "kubernetes", "batch.kubernetes.io/job-tracking",
		"kubernetes.io/pvc-protection", "x.k8s.io/hold", manifest.Finalizer,
	} {
		if _, err := New(name); err == nil {
			t.Errorf("%q was taken", name)
		} else {
			t.Log(err)
		}
	}
}

func TestWhoHoldsAJobIsTold(t *testing.T) {
	now := metav1.Now()
	names, err := New("old.example.com/hold")
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
			t.Errorf("%v: held %v, legacy %v, by others %v", tc.has, names.Hold(j), names.Legacy(j), names.HeldByOthers(j))
		}
	}
}
