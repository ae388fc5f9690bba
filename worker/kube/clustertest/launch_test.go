package clustertest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
)

func TestAJobIsObservedFromLaunchToFinalize(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt(`echo "hello $BERTH_RUN_NAME"`)
	launched := s.launch(a)
	if launched.Adopted || launched.UID == "" || launched.Namespace != s.namespace {
		t.Errorf("launched %+v", launched)
	}
	end := s.ended(a.Ref)
	if !end.Succeeded || end.ExitCode == nil || *end.ExitCode != 0 || end.UID != launched.UID ||
		end.Node == "" ||
		end.RunningSince == nil ||
		end.EndedAt == nil {
		t.Errorf("ended as %s", show(end))
	}
	want := "hello " + t.Name()
	if end.LastLines != want {
		t.Errorf("last lines %q, want %q", end.LastLines, want)
	}
	if j := s.job(launched.Name); !slices.Contains(j.Finalizers, manifest.Finalizer) ||
		j.Spec.TTLSecondsAfterFinished != nil {
		t.Errorf("before finalize: finalizers %v, ttl %v", j.Finalizers, j.Spec.TTLSecondsAfterFinished)
	}
	s.finalize(a.Ref, launched.UID)
	if text, _ := s.recorder.text(a.Ref); text != want+"\n" {
		t.Errorf("output when finalized %q, want %q", text, want+"\n")
	}
	if j := s.job(launched.Name); slices.Contains(j.Finalizers, manifest.Finalizer) ||
		j.Spec.TTLSecondsAfterFinished == nil ||
		*j.Spec.TTLSecondsAfterFinished != 600 {
		t.Errorf("after finalize: finalizers %v, ttl %v", j.Finalizers, j.Spec.TTLSecondsAfterFinished)
	}
	if pods := s.pods(); len(pods) != 1 {
		t.Errorf("%d pods ran, want 1", len(pods))
	}
	if discovered, _ := s.recorder.allDiscovered(); len(discovered) != 0 {
		t.Errorf("a Job launched here was reported as discovered: %v", discovered)
	}
	if len(s.recorder.faults) > 0 {
		t.Error(s.recorder.faults)
	}
}

func TestTheOutcomeSaysHowTheContainerEnded(t *testing.T) {
	for _, test := range []struct {
		name, script string
		change       func(map[string]any)
		category     api.Category
		code         int32
		message      string
	}{
		{
			name: "exit code", script: "echo broken; exit 3",
			category: api.CategoryApp, code: 3, message: `container "main" exited with code 3`,
		},
		{
			// The sleep lets containerd start to watch for it; before that it may report an error instead.
			name: "out of memory", script: "sleep 1; x=a; while true; do x=$x$x; done",
			category: api.CategoryOOM, code: 137, message: "limit 32Mi",
			change: func(spec map[string]any) {
				limits := map[string]any{"memory": "32Mi"}
				mainContainer(spec)["resources"] = map[string]any{"limits": limits}
			},
		},
		{
			name:     "command that does not exist",
			category: api.CategoryConfig, code: 128, message: "could not be started",
			change: func(spec map[string]any) { mainContainer(spec)["command"] = []any{"/no/such/program"} },
		},
		{
			name: "deadline", script: "sleep 600",
			category: api.CategoryDeadline, message: "activeDeadlineSeconds (2 s)",
			change: func(spec map[string]any) { spec["activeDeadlineSeconds"] = int64(2) },
		},
		{
			name: "init container", script: "true",
			category: api.CategoryApp, code: 9, message: `container "prepare" exited with code 9`,
			change: func(spec map[string]any) {
				podSpec(spec)["initContainers"] = []any{container("prepare", "exit 9", nil)}
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, kube.Options{})
			change := test.change
			if change == nil {
				change = func(map[string]any) {}
			}
			a := s.attempt(test.script, change)
			launched := s.launch(a)
			end := s.ended(a.Ref)
			if end.Succeeded || end.Category != test.category ||
				!strings.Contains(end.Message, test.message) {
				t.Errorf("ended as %s, want %s with %q", show(end), test.category, test.message)
			}
			if test.code != 0 && (end.ExitCode == nil || *end.ExitCode != test.code) {
				t.Errorf("exit code of %s, want %d", show(end), test.code)
			}
			s.finalize(a.Ref, launched.UID)
		})
	}
}

func TestTheSecondLaunchOfAnAttemptAdoptsTheFirst(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("sleep 1")
	first := s.launch(a)
	second := s.launch(a)
	if !second.Adopted || second.UID != first.UID {
		t.Errorf("second launch %+v, want the first adopted: %+v", second, first)
	}
	s.ended(a.Ref)
	if pods := s.pods(); len(pods) != 1 {
		t.Errorf("%d pods ran, want 1", len(pods))
	}
}

func TestAForeignJobOfTheSameNameIsLeftAlone(t *testing.T) {
	for name, change := range map[string]func(*batchv1.Job){
		"another installation": func(j *batchv1.Job) { j.Labels[manifest.LabelInstallation] = uuid.NewString() },
		"another run":          func(j *batchv1.Job) { j.Labels[manifest.LabelRunID] = uuid.NewString() },
		"no labels":            func(j *batchv1.Job) { j.Labels, j.Spec.Template.Labels = nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, kube.Options{})
			a := s.attempt("true")
			foreign := a.Manifest.DeepCopy()
			foreign.Labels = map[string]string{}
			for key, value := range a.Manifest.Labels {
				foreign.Labels[key] = value
			}
			change(foreign)
			foreign.Finalizers = nil
			foreign.Spec.Suspend = new(true)
			created := s.create(foreign)
			_, err := s.runtime.Launch(s.ctx(), a)
			var refused *job.Refused
			if !errors.As(err, &refused) || refused.Category != api.CategoryInvalid ||
				!strings.Contains(refused.Message, "already exists and is") {
				t.Fatalf("launch: %v, want it refused with the owner's name", err)
			}
			t.Log(refused)
			if j := s.job(a.Manifest.Name); j == nil || j.UID != created.UID ||
				j.Generation != created.Generation ||
				j.DeletionTimestamp != nil ||
				!maps.Equal(j.Labels, created.Labels) {
				t.Errorf("the foreign Job was changed: %v", j)
			}
		})
	}
}

func TestALaunchWithoutTheLeaseCreatesNothing(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("true")
	a.HoldsLease = func() bool { return false }
	if _, err := s.runtime.Launch(s.ctx(), a); !errors.Is(err, job.ErrLeaseLost) {
		t.Errorf("launch: %v, want ErrLeaseLost", err)
	}
	if j := s.job(a.Manifest.Name); j != nil {
		t.Errorf("a Job was created: %v", j)
	}
}

func TestAManifestThatTheClusterRejectsIsRefused(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("true")
	a.Manifest.Spec.Template.Spec.Containers[0].Name = "Not A Name"
	_, err := s.runtime.Launch(s.ctx(), a)
	var refused *job.Refused
	if !errors.As(err, &refused) || refused.Category != api.CategoryInvalid {
		t.Errorf("an invalid field: %v, want it refused", err)
	}
}

func TestAManifestForANamespaceThatIsNotServedIsDeclined(t *testing.T) {
	s := newSite(t, kube.Options{})
	a := s.attempt("true")
	a.Manifest.Namespace = "elsewhere"
	_, err := s.runtime.Launch(s.ctx(), a)
	var declined *job.Declined
	if !errors.As(err, &declined) || declined.Namespace != "elsewhere" {
		t.Errorf("launch: %v, want it declined", err)
	}
}

func TestAnAttemptWaitsForTheEarlierOne(t *testing.T) {
	s := newSite(t, kube.Options{})
	first := s.attempt("sleep 3; exit 1")
	s.launch(first)
	second := s.attemptOf(job.Ref{RunID: first.RunID, Attempt: 2}, "true")
	s.launch(second)
	j := s.job(first.Manifest.Name)
	if j.Status.Failed != 1 {
		t.Errorf("the second attempt was created while the first ran: %+v", j.Status)
	}
	if end := s.ended(second.Ref); !end.Succeeded {
		t.Errorf("second attempt ended as %s", show(end))
	}
	var waited bool
	s.recorder.mu.Lock()
	defer s.recorder.mu.Unlock()
	for _, o := range s.recorder.all {
		waited = waited || strings.Contains(o.Diagnosis, "earlier attempt")
	}
	if !waited {
		t.Error("no diagnosis said that the second attempt waits")
	}
}
