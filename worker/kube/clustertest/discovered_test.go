package clustertest

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

// untilDiscovered waits until the Job with the UID is reported as discovered.
func (s *site) untilDiscovered(uid string, deleting bool) job.Object {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		all, changed := s.recorder.allDiscovered()
		for _, object := range all {
			if object.UID == uid && object.Deleting == deleting {
				return object
			}
		}
		select {
		case <-changed:
		case <-deadline:
			s.t.Fatalf("waited for job %s to be discovered; discovered so far: %v", uid, all)
		}
	}
}

func TestAJobOfAnEarlierProcessIsDiscoveredAdoptedAndObservedToItsEnd(t *testing.T) {
	s := newSite(t, kube.Options{})
	stop := s.start()
	a := s.attempt("echo one; sleep 4; echo two; exit 2")
	launched := s.launch(a)
	first := s.untilOutput(a.Ref, "the first line", func(text string) bool { return text == "one\n" })
	a.OutputOffset, a.OutputPosition = int64(len(first)), s.recorder.position(a.Ref)
	stop()

	s.start()
	object := s.untilDiscovered(launched.UID, false)
	if object.Ref != a.Ref {
		t.Errorf("discovered %+v", object)
	}
	if err := s.runtime.Adopt(s.ctx(), a); err != nil {
		t.Fatal(err)
	}
	end := s.ended(a.Ref)
	if end.Category != api.CategoryApp || *end.ExitCode != 2 || end.UID != launched.UID {
		t.Errorf("ended as %s", show(end))
	}
	s.finalize(a.Ref, launched.UID)
	// At an offset that is not its beginning: a gap for the recorder, which the server has.
	if text, _ := s.recorder.text(a.Ref); text != "two\n" || len(s.recorder.faults) != 1 {
		t.Errorf("output after the takeover %q, want only what the first runtime had not handed over", text)
	}
	if pods := s.pods(); len(pods) != 1 {
		t.Errorf("%d pods ran, want 1", len(pods))
	}
}

func TestAdoptOfAJobThatIsGoneEndsAsDeleted(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("true")
	if err := s.runtime.Adopt(s.ctx(), a); err != nil {
		t.Fatal(err)
	}
	if end := s.ended(a.Ref); end.Category != api.CategoryDeleted {
		t.Errorf("ended as %s, want deleted", show(end))
	}
	s.finalize(a.Ref, "")
}

func TestACancelSurvivesTheWorkerThatStartedIt(t *testing.T) {
	s := newSite(t, kube.Options{})
	stop := s.start()
	a := s.attempt(stubborn)
	launched := s.launch(a)
	s.running(a.Ref)
	if err := s.runtime.Cancel(s.ctx(), a.Ref); err != nil {
		t.Fatal(err)
	}
	s.eventually("the Job is being deleted",
		func() bool { return s.job(launched.Name).DeletionTimestamp != nil })
	stop()
	s.start()
	s.untilDiscovered(launched.UID, true)
	if err := s.runtime.Adopt(s.ctx(), a); err != nil {
		t.Fatal(err)
	}
	if end := s.ended(a.Ref); end.Category != api.CategoryCancelled {
		t.Errorf("ended as %s, want cancelled", show(end))
	}
	s.finalize(a.Ref, launched.UID)
}

func TestAJobOfTheInstallationIsDiscoveredAndDeletedAsDuplicate(t *testing.T) {
	s := newSite(t, kube.Options{})
	orphan := s.attempt(stubborn)
	created := s.create(orphan.Manifest)
	foreign := s.attempt("true")
	foreign.Manifest.Labels[manifest.LabelInstallation] = uuid.NewString()
	s.create(foreign.Manifest)
	object := s.untilDiscovered(string(created.UID), false)
	if err := s.runtime.DeleteDuplicate(s.ctx(), object); err != nil {
		t.Fatal(err)
	}
	s.eventually("the orphan and its pod are gone", func() bool {
		return s.job(created.Name) == nil &&
			!slices.ContainsFunc(
				s.pods(),
				func(p corev1.Pod) bool { return p.Labels["batch.kubernetes.io/job-name"] == created.Name },
			)
	})
	if j := s.job(foreign.Manifest.Name); j == nil || j.DeletionTimestamp != nil {
		t.Error("the Job of another installation was touched")
	}
	all, _ := s.recorder.allDiscovered()
	for _, f := range all {
		if f.Ref != orphan.Ref {
			t.Errorf("discovered %v of another installation", f)
		}
	}
}

func TestFinalizeIsIdempotentAndKeepsForeignFinalizers(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("true")
	a.Manifest.Finalizers = append([]string{"example.com/first"},
		append(a.Manifest.Finalizers, "example.com/last")...)
	launched := s.launch(a)
	s.ended(a.Ref)
	for range 3 {
		s.finalize(a.Ref, launched.UID)
	}
	if j := s.job(launched.Name); !slices.Equal(
		j.Finalizers, []string{"example.com/first", "example.com/last"},
	) {
		t.Errorf("finalizers after finalize: %v", j.Finalizers)
	}
	s.finalize(job.Ref{RunID: uuid.New(), Attempt: 1}, "never-existed")
}

func TestDisownChangesNothing(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(stubborn)
	launched := s.launch(a)
	s.running(a.Ref)
	s.runtime.Disown(a.Ref)
	if j := s.job(launched.Name); j.DeletionTimestamp != nil ||
		!slices.Contains(j.Finalizers, manifest.Finalizer) {
		t.Errorf("the Job was touched: %v", j.ObjectMeta)
	}
	if err := s.runtime.Cancel(s.ctx(), a.Ref); err == nil {
		t.Error("a disowned attempt could be cancelled")
	}
}

func TestDrainLeavesNoJobOrNoFinalizer(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(
			map[bool]string{true: "keeping the Jobs", false: "deleting the Jobs"}[keep],
			func(t *testing.T) {
				s := newSite(t, kube.Options{})
				stop := s.start()
				running, done := s.attempt(stubborn), s.attempt("true")
				names := []string{s.launch(running).Name, s.launch(done).Name}
				s.running(running.Ref)
				s.ended(done.Ref)
				stop()
				foreign := s.attempt("true")
				foreign.Manifest.Labels[manifest.LabelInstallation] = uuid.NewString()
				s.create(foreign.Manifest)

				other, err := kube.New(s.config, kube.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := other.Drain(s.ctx(), s.installation, keep); err != nil {
					t.Fatal(err)
				}
				for _, name := range names {
					j := s.job(name)
					if keep && (j == nil || j.DeletionTimestamp != nil || len(j.Finalizers) > 0) {
						t.Errorf("%s was not kept without finalizer: %v", name, j)
					}
					if !keep && j != nil {
						t.Errorf("%s is still there: %v", name, j.ObjectMeta)
					}
				}
				if j := s.job(foreign.Manifest.Name); j == nil ||
					!slices.Contains(j.Finalizers, manifest.Finalizer) {
					t.Error("the Job of another installation was touched")
				}
			},
		)
	}
}

func TestSecretKeysAreWrittenOnceByConcurrentWriters(t *testing.T) {
	config := kubetest.Cluster(t)
	t.Parallel()
	namespace, client := kubetest.Namespace(t, config), kubetest.Client(t, config)
	keys := func() map[string]func() (string, error) {
		random := func() (string, error) { return uuid.NewString(), nil }
		return map[string]func() (string, error){"admin": random, "worker": random}
	}
	ctx := t.Context()
	written := make(chan []string, 8)
	for range cap(written) {
		go func() {
			names, err := config.EnsureSecretKeys(ctx, namespace, "keys", keys())
			if err != nil {
				t.Error(err)
			}
			written <- names
		}()
	}
	var total int
	for range cap(written) {
		total += len(<-written)
	}
	if total != 2 {
		t.Errorf("%d keys were written by all together, want 2", total)
	}
	before, err := client.CoreV1().Secrets(namespace).Get(ctx, "keys", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	more := keys()
	more["third"] = more["admin"]
	names, err := config.EnsureSecretKeys(ctx, namespace, "keys", more)
	if err != nil || !slices.Equal(names, []string{"third"}) {
		t.Errorf("wrote %v, %v; want the third key alone", names, err)
	}
	after, err := client.CoreV1().Secrets(namespace).Get(ctx, "keys", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range before.Data {
		if string(after.Data[key]) != string(value) {
			t.Errorf("key %q was changed", key)
		}
	}
}
