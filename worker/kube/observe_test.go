package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// observed is what a case wants to be seen; texts have to be contained.
type observed struct {
	Phase     job.Phase    `json:"phase"`
	Succeeded bool         `json:"succeeded"`
	Category  api.Category `json:"category"`
	ExitCode  *int32       `json:"exitCode"`
	Message   string       `json:"message"`
	Diagnosis string       `json:"diagnosis"`
}

// recorded is a Job and its pods as a cluster (1.34) showed them, without what Observe does not read.
type recorded struct {
	Want observed      `json:"want"`
	Job  *batchv1.Job  `json:"job"`
	Pods []*corev1.Pod `json:"pods"`
	// Past are pods that are gone, Stopped those that were told to go while they ran.
	Past    []*corev1.Pod `json:"past"`
	Stopped []types.UID   `json:"stopped"`
}

// observe is Observe for a runtime that has watched all along.
func (r recorded) observe() job.Observation {
	return look(snapshot{job: r.Job, pods: r.Pods, past: r.Past, stopped: r.Stopped, now: later(r)}).Observation
}

// trimmed is what the copies hold of it.
func (r recorded) trimmed(t *testing.T) recorded {
	t.Helper()
	short := func(object any) any {
		kept, err := trim(object)
		if err != nil {
			t.Fatal(err)
		}
		return kept
	}
	r.Job = short(r.Job.DeepCopy()).(*batchv1.Job)
	for _, pods := range []*[]*corev1.Pod{&r.Pods, &r.Past} {
		var kept []*corev1.Pod
		for _, pod := range *pods {
			kept = append(kept, short(pod.DeepCopy()).(*corev1.Pod))
		}
		*pods = kept
	}
	return r
}

// recordings were made by hand, one for each thing worth telling apart; scenarios by `make record`, one for
// each row of the table that the worker is put through on a real cluster.
const (
	recordings = "testdata/observe"
	scenarios  = "testdata/recorded"
)

func read(t *testing.T, file string) recorded { return readFrom(t, recordings, file) }

func readFrom(t *testing.T, dir, file string) recorded {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	var r recorded
	if err := yaml.UnmarshalStrict(text, &r); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return r
}

// later is a time at which the copies of Job and pods have long settled.
func later(r recorded) time.Time {
	if r.Job != nil {
		return r.Job.CreationTimestamp.Add(time.Hour)
	}
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
}

func check(t *testing.T, got job.Observation, want observed) {
	t.Helper()
	if got.Phase != want.Phase || got.Succeeded != want.Succeeded || got.Category != want.Category ||
		!strings.Contains(got.Message, want.Message) || !strings.Contains(got.Diagnosis, want.Diagnosis) {
		t.Errorf("seen as %+v\nwant %+v", got, want)
	}
	if want.ExitCode != nil && (got.ExitCode == nil || *got.ExitCode != *want.ExitCode) {
		t.Errorf("exit code %v, want %d", got.ExitCode, *want.ExitCode)
	}
	if got.Phase == job.Ended && got.EndedAt == nil {
		t.Error("the end has no time")
	}
	if got.Phase == job.Ended && got.Succeeded == (got.Category != "") {
		t.Errorf("succeeded is %v and the category %q", got.Succeeded, got.Category)
	}
}

func TestObserveRecordedJobs(t *testing.T) {
	for _, dir := range []string{recordings, scenarios} {
		observeAll(t, dir)
	}
}

func observeAll(t *testing.T, dir string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file.Name(), ".yaml"), func(t *testing.T) {
			r := readFrom(t, dir, file.Name())
			check(t, r.observe(), r.Want)
			check(t, r.trimmed(t).observe(), r.Want)
		})
	}
}

// TestEveryCategoryIsRecorded demands a real Job for whatever an end can be called, but for what leaves no
// Job to be seen: a template that does not render, a Job that the API server refuses. An end that is unknown
// can not be had on demand.
func TestEveryCategoryIsRecorded(t *testing.T) {
	files, err := os.ReadDir(scenarios)
	if err != nil {
		t.Fatal(err)
	}
	missing := map[api.Category]bool{
		"": true, api.CategoryApp: true, api.CategoryOom: true, api.CategoryEvicted: true, api.CategoryPreempted: true, api.CategoryNodeLost: true, api.CategoryDeadline: true, api.CategoryImagePull: true,
		api.CategoryConfig: true, api.CategoryUnschedulable: true, api.CategoryQuota: true, api.CategoryDeleted: true, api.CategoryCancelled: true,
	}
	for _, file := range files {
		if want := readFrom(t, scenarios, file.Name()).Want; want.Phase == job.Ended {
			delete(missing, want.Category)
		}
	}
	for category := range missing {
		t.Errorf("no scenario of category %q is recorded: make record", category)
	}
}

const (
	complete = "a-complete-Job-has-succeeded.yaml"
	exited   = "a-container-that-exits-3-is-the-application's-failure.yaml"
	running  = "a-running-container-is-running.yaml"
	evicted  = "an-evicted-pod-is-told-apart-by-its-condition.yaml"
	deadline = "a-Job-past-its-deadline-has-not-ended-while-its-pod-runs.yaml"
	doomed   = "a-cancelled-Job-has-not-ended-while-its-pod-runs.yaml"
	deleted  = "a-Job-deleted-in-the-background-has-not-ended-while-its-pod-runs.yaml"
)

func code(n int32) *int32 { return &n }

func disrupt(pod *corev1.Pod, reason string) {
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason})
}

func TestObserveVariationsOfRecordedJobs(t *testing.T) {
	for _, test := range []struct {
		name string
		of   string
		with func(s *snapshot)
		want observed
	}{
		{"a plain pod that succeeded is the end before the Job says so", complete, func(s *snapshot) { s.job.Status.Conditions = nil },
			observed{Phase: job.Ended, Succeeded: true, ExitCode: code(0)}},
		{"a plain pod that failed is the end before the Job says so", exited, func(s *snapshot) { s.job.Status.Conditions = nil },
			observed{Phase: job.Ended, Category: api.CategoryApp, ExitCode: code(3)}},
		{"a pod that failed is not the end of a Job that may make another", exited, func(s *snapshot) {
			s.job.Status.Conditions, s.job.Spec.BackoffLimit = nil, code(2)
		}, observed{Phase: job.Running}},
		{"a pod that ends at the Job's deadline does not tell the end", deadline, func(s *snapshot) { s.pods[0].Status.Phase = corev1.PodFailed },
			observed{Phase: job.Running}},
		{"a Job that is finished waits a moment for what its pod will say", exited, func(s *snapshot) {
			s.pods[0].Status.Phase = corev1.PodRunning
			s.now = s.finished().LastTransitionTime.Add(time.Second)
		}, observed{Phase: job.Running}},
		{"a Job that is finished waits a moment for a pod that was never seen", complete, func(s *snapshot) {
			s.pods = nil
			s.now = s.finished().LastTransitionTime.Add(time.Second)
		}, observed{Phase: job.Pending}},
		{"a Job that is finished does not wait long for its pod", exited, func(s *snapshot) { s.pods[0].Status.Phase = corev1.PodRunning },
			observed{Phase: job.Ended, Category: api.CategoryApp, ExitCode: code(3)}},
		{"preemption is told apart from eviction", evicted, func(s *snapshot) {
			s.pods[0].Status.Conditions = nil
			disrupt(s.pods[0], corev1.PodReasonPreemptionByScheduler)
		}, observed{Phase: job.Ended, Category: api.CategoryPreempted, Message: "PreemptionByScheduler"}},
		{"a pod whose node is gone is lost with it", evicted, func(s *snapshot) {
			s.pods[0].Status.Conditions = nil
			disrupt(s.pods[0], "DeletionByPodGC")
		}, observed{Phase: job.Ended, Category: api.CategoryNodeLost}},
		{"the taint manager evicts", evicted, func(s *snapshot) {
			s.pods[0].Status.Conditions = nil
			disrupt(s.pods[0], "DeletionByTaintManager")
		}, observed{Phase: job.Ended, Category: api.CategoryEvicted}},
		{"a reason of disruption that is new is an eviction", evicted, func(s *snapshot) {
			s.pods[0].Status.Conditions = nil
			disrupt(s.pods[0], "SomethingNew")
		}, observed{Phase: job.Ended, Category: api.CategoryEvicted, Message: "SomethingNew"}},
		{"the kubelet's eviction shows in the pod's reason", exited, func(s *snapshot) {
			s.pods[0].Status.Reason, s.pods[0].Status.Message = "Evicted", "The node was low on resource: memory."
		}, observed{Phase: job.Ended, Category: api.CategoryEvicted, Message: "low on resource"}},
		{"a pod that exits 0 because it is evicted has not succeeded", complete, func(s *snapshot) { disrupt(s.pods[0], "EvictionByEvictionAPI") },
			observed{Phase: job.Ended, Category: api.CategoryEvicted, Message: "exited with code 0"}},
		{"a pod that was evicted is remembered after it is gone", evicted, func(s *snapshot) { s.past, s.pods = s.pods, nil },
			observed{Phase: job.Ended, Category: api.CategoryEvicted, Message: "EvictionByEvictionAPI"}},
		{"a pod that was told to stop while it ran was deleted", exited, func(s *snapshot) { s.stopped = []types.UID{s.pods[0].UID} },
			observed{Phase: job.Ended, Category: api.CategoryDeleted, ExitCode: code(3)}},
		{"a pod that was deleted after its end has ended by itself", exited, func(s *snapshot) {
			at := metav1.NewTime(finishedAt(s.pods[0], "main").Add(time.Minute))
			s.pods[0].DeletionTimestamp = &at
		}, observed{Phase: job.Ended, Category: api.CategoryApp, ExitCode: code(3)}},
		{"a Job deleted after its end has its own end", exited, func(s *snapshot) {
			at := metav1.NewTime(s.finished().LastTransitionTime.Add(time.Second))
			s.job.DeletionTimestamp = &at
		}, observed{Phase: job.Ended, Category: api.CategoryApp, ExitCode: code(3)}},
		{"a process that ends badly because it is cancelled is cancelled", doomed, func(s *snapshot) {
			s.pods[0].Status.Phase = corev1.PodFailed
			s.pods[0].Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 143, FinishedAt: metav1.NewTime(s.now)}}
		}, observed{Phase: job.Ended, Category: api.CategoryCancelled}},
		{"a process that ends well because it is cancelled is cancelled", doomed, func(s *snapshot) {
			s.pods[0].Status.Phase = corev1.PodSucceeded
			s.job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(s.job.DeletionTimestamp.Add(time.Second))}}
		}, observed{Phase: job.Ended, Category: api.CategoryCancelled}},
		{"a pod that was faster than the cancel has its own end", doomed, func(s *snapshot) {
			s.pods[0].DeletionTimestamp, s.pods[0].Status.Phase = nil, corev1.PodSucceeded
		}, observed{Phase: job.Ended, Succeeded: true}},
		{"an end that can not be read is not hidden", doomed, func(s *snapshot) {
			s.pods, s.job.Annotations[annotationEnding] = nil, "{"
		}, observed{Phase: job.Ended, Category: api.CategoryUnknown, Message: "can not be read"}},
		{"a Job that is gone was deleted", running, func(s *snapshot) { s.job, s.pods = nil, nil },
			observed{Phase: job.Ended, Category: api.CategoryDeleted, Message: "finalizer"}},
		{"a Job that is gone has not ended while its pod runs", running, func(s *snapshot) { s.job = nil },
			observed{Phase: job.Running, Diagnosis: "being deleted"}},
		{"a Job that is gone has the end of its last pod", complete, func(s *snapshot) { s.job, s.past, s.pods = nil, s.pods, nil },
			observed{Phase: job.Ended, Succeeded: true, ExitCode: code(0)}},
		{"a Job that failed for a reason that is not known is unknown", exited, func(s *snapshot) {
			s.pods, s.job.Status.Conditions = nil, []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded", Message: "Job has reached the specified backoff limit"}}
		}, observed{Phase: job.Ended, Category: api.CategoryUnknown, Message: "backoff limit"}},
		{"a Job without a pod waits", running, func(s *snapshot) { s.pods = nil }, observed{Phase: job.Pending}},
		{"a pod that is being evicted says so while it still runs", running, func(s *snapshot) {
			at := metav1.NewTime(s.now.Add(20 * time.Second))
			s.pods[0].DeletionTimestamp = &at
			s.pods[0].Status.Conditions = append(s.pods[0].Status.Conditions,
				corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI"})
		}, observed{Phase: job.Running, Diagnosis: "(EvictionByEvictionAPI); it has until "}},
		{"a pod that somebody has deleted says so while it still runs", running, func(s *snapshot) {
			at := metav1.NewTime(s.now.Add(20 * time.Second))
			s.pods[0].DeletionTimestamp = &at
		}, observed{Phase: job.Running, Diagnosis: "was told to stop; it has until "}},
		{"a pod that is late to go may still run", running, func(s *snapshot) {
			at := metav1.NewTime(s.now.Add(-time.Minute))
			s.pods[0].DeletionTimestamp = &at
		}, observed{Phase: job.Running, Diagnosis: "does not confirm it"}},
		{"without an annotation the first container is the job's", exited, func(s *snapshot) { s.job.Annotations = nil },
			observed{Phase: job.Ended, Category: api.CategoryApp, ExitCode: code(3)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := read(t, test.of)
			s := snapshot{job: r.Job, pods: r.Pods, now: later(r)}
			test.with(&s)
			check(t, look(s).Observation, test.want)
		})
	}
}

func TestPodsThatNobodyStopsAreOurs(t *testing.T) {
	for _, test := range []struct {
		name, of string
		with     func(s *snapshot)
		want     int
	}{
		{"of a Job deleted in the background", deleted, func(*snapshot) {}, 1},
		{"of a Job deleted in the foreground they are the garbage collector's", doomed, func(*snapshot) {}, 0},
		{"of a Job that is gone", running, func(s *snapshot) { s.job = nil }, 1},
		{"of a Job that nobody deletes they are left alone", running, func(*snapshot) {}, 0},
		{"that were told already are not told again", deleted, func(s *snapshot) { s.pods[0].DeletionTimestamp = &metav1.Time{Time: s.now} }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := read(t, test.of)
			s := snapshot{job: r.Job, pods: r.Pods, now: later(r)}
			test.with(&s)
			if got := look(s).strays; len(got) != test.want {
				t.Errorf("%d pods to stop, want %d", len(got), test.want)
			}
		})
	}
}

func TestAJobContainerThatIsOutlivedTellsItsEnd(t *testing.T) {
	r := read(t, "a-job-container-that-is-outlived-by-another-has-not-ended-the-pod.yaml")
	e := look(snapshot{job: r.Job, pods: r.Pods, now: later(r)}).outlived
	if e == nil || e.Category != api.CategoryApp || *e.ExitCode != 7 {
		t.Errorf("outlived is %+v, want exit code 7", e)
	}
}
