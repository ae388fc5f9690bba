package observe

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
	"github.com/berth-dev/berth/worker/kube/podstatus"
)

// wanted is what a test expects of an observation; texts have to be contained.
type wanted struct {
	Phase     job.Phase    `json:"phase"`
	Succeeded bool         `json:"succeeded"`
	Category  api.Category `json:"category"`
	ExitCode  *int32       `json:"exitCode"`
	Message   string       `json:"message"`
	Diagnosis string       `json:"diagnosis"`
}

// recording is a Job and its pods as a cluster (1.34) showed them.
type recording struct {
	Want wanted        `json:"want"`
	Job  *batchv1.Job  `json:"job"`
	Pods []*corev1.Pod `json:"pods"`
	// Past are deleted pods, Stopped pods were seen being deleted while they ran.
	Past    []*corev1.Pod `json:"past"`
	Stopped []types.UID   `json:"stopped"`
}

// Recordings in handmade were captured by hand, one for each case worth telling apart. Those in recorded are
// written by `make record`, one for each scenario that the worker is put through on a real cluster.
const (
	handmade = "testdata/handmade"
	recorded = "testdata/recorded"
)

func readRecording(t *testing.T, dir, file string) recording {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := yaml.UnmarshalStrict(text, &r); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return r
}

// snapshot is what a runtime that watched all along knows, long after Job and pods changed last.
func (r recording) snapshot() Snapshot {
	s := Snapshot{Job: r.Job, Pods: r.Pods, PastPods: r.Past, StoppedPods: r.Stopped}
	s.Now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if r.Job != nil {
		s.JobName = r.Job.Namespace + "/" + r.Job.Name
		s.Now = r.Job.CreationTimestamp.Add(time.Hour)
	}
	return s
}

// trimmed is the recording as the runtime's informers hold it.
func (r recording) trimmed() recording {
	r.Job = r.Job.DeepCopy()
	new(Trimmer).Trim(r.Job)
	trimAll := func(pods []*corev1.Pod) (trimmed []*corev1.Pod) {
		for _, pod := range pods {
			pod = pod.DeepCopy()
			new(Trimmer).Trim(pod)
			trimmed = append(trimmed, pod)
		}
		return trimmed
	}
	r.Pods, r.Past = trimAll(r.Pods), trimAll(r.Past)
	return r
}

func check(t *testing.T, got job.Observation, want wanted) {
	t.Helper()
	if got.Phase != want.Phase || got.Succeeded != want.Succeeded || got.Category != want.Category ||
		!strings.Contains(got.Message, want.Message) || !strings.Contains(got.Diagnosis, want.Diagnosis) {
		t.Errorf("observed %+v\nwant %+v", got, want)
	}
	if want.ExitCode != nil && (got.ExitCode == nil || *got.ExitCode != *want.ExitCode) {
		t.Errorf("exit code %v, want %d", got.ExitCode, *want.ExitCode)
	}
	if got.Phase == job.Ended && got.EndedAt == nil {
		t.Error("an ended attempt has no end time")
	}
	if got.Phase == job.Ended && got.Succeeded == (got.Category != "") {
		t.Errorf("succeeded is %v and the category %q", got.Succeeded, got.Category)
	}
}

func TestRecordedJobsAreObservedAsRecorded(t *testing.T) {
	for _, dir := range []string{handmade, recorded} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			t.Run(strings.TrimSuffix(file.Name(), ".yaml"), func(t *testing.T) {
				r := readRecording(t, dir, file.Name())
				check(t, Attempt(r.snapshot()).Observation, r.Want)
				check(t, Attempt(r.trimmed().snapshot()).Observation, r.Want)
			})
		}
	}
}

// TestTheImageIsTheOneThatTheNodeRan: with its digest, also of what the runtime's informers hold.
func TestTheImageIsTheOneThatTheNodeRan(t *testing.T) {
	files, err := os.ReadDir(recorded)
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, file := range files {
		r := readRecording(t, recorded, file.Name())
		got := Attempt(r.trimmed().snapshot()).Image
		if got == "" {
			continue // its pod is gone, or never ran
		}
		known++
		if !strings.Contains(got, "sha256:") {
			t.Errorf("%s: %q has no digest", file.Name(), got)
		}
	}
	if known < len(files)/3 {
		t.Errorf("the image of %d of %d attempts is known", known, len(files))
	}
}

// TestEveryCategoryIsRecorded demands a recorded Job for every category. Three have none: template and
// invalid leave no Job in the cluster, and unknown cannot be produced on demand.
func TestEveryCategoryIsRecorded(t *testing.T) {
	files, err := os.ReadDir(recorded)
	if err != nil {
		t.Fatal(err)
	}
	missing := map[api.Category]bool{
		"": true, api.CategoryApp: true, api.CategoryOOM: true, api.CategoryEvicted: true,
		api.CategoryPreempted: true, api.CategoryNodeLost: true, api.CategoryDeadline: true,
		api.CategoryImagePull: true, api.CategoryConfig: true, api.CategoryUnschedulable: true,
		api.CategoryQuota: true, api.CategoryDeleted: true, api.CategoryCancelled: true,
	}
	for _, file := range files {
		if want := readRecording(t, recorded, file.Name()).Want; want.Phase == job.Ended {
			delete(missing, want.Category)
		}
	}
	for category := range missing {
		t.Errorf("no scenario of category %q is recorded: make record", category)
	}
}

const (
	complete            = "a-complete-Job-has-succeeded.yaml"
	exited              = "a-container-that-exits-with-3-is-an-app-failure.yaml"
	running             = "a-running-container-is-running.yaml"
	evicted             = "an-evicted-pod-is-recognised-by-its-condition.yaml"
	pastDeadline        = "a-Job-past-its-deadline-has-not-ended-while-its-pod-runs.yaml"
	cancelling          = "a-cancelled-Job-has-not-ended-while-its-pod-runs.yaml"
	deletedInBackground = "a-Job-deleted-in-the-background-has-not-ended-while-its-pod-runs.yaml"
)

func exitCode(n int32) *int32 { return &n }

func disrupt(pod *corev1.Pod, reason string) {
	pod.Status.Conditions = append(
		pod.Status.Conditions,
		corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason},
	)
}

func TestVariationsOfRecordedJobs(t *testing.T) {
	for _, test := range []struct {
		name string
		of   string
		with func(s *Snapshot)
		want wanted
	}{
		{"the pod of a single-pod Job succeeds before the Job completes: succeeded", complete, func(s *Snapshot) { s.Job.Status.Conditions = nil },
			wanted{Phase: job.Ended, Succeeded: true, ExitCode: exitCode(0)}},
		{"the pod of a single-pod Job fails before the Job does: ended", exited, func(s *Snapshot) { s.Job.Status.Conditions = nil },
			wanted{Phase: job.Ended, Category: api.CategoryApp, ExitCode: exitCode(3)}},
		{"a pod fails and the Job may create another: still running", exited, func(s *Snapshot) {
			s.Job.Status.Conditions, s.Job.Spec.BackoffLimit = nil, exitCode(2)
		}, wanted{Phase: job.Running}},
		{"a pod ends because of the Job's deadline: not the outcome", pastDeadline, func(s *Snapshot) { s.Pods[0].Status.Phase = corev1.PodFailed },
			wanted{Phase: job.Running}},
		{"a Job has just failed and its pod looks active: the outcome waits", exited, func(s *Snapshot) {
			s.Pods[0].Status.Phase = corev1.PodRunning
			s.Now = s.finalCondition().LastTransitionTime.Add(time.Second)
		}, wanted{Phase: job.Running}},
		{"a Job has just completed and no pod was seen: the outcome waits", complete, func(s *Snapshot) {
			s.Pods = nil
			s.Now = s.finalCondition().LastTransitionTime.Add(time.Second)
		}, wanted{Phase: job.Pending}},
		{"a Job failed long ago and its pod looks active: ended", exited, func(s *Snapshot) { s.Pods[0].Status.Phase = corev1.PodRunning },
			wanted{Phase: job.Ended, Category: api.CategoryApp, ExitCode: exitCode(3)}},
		{"the scheduler preempts the pod: preempted", evicted, func(s *Snapshot) {
			s.Pods[0].Status.Conditions = nil
			disrupt(s.Pods[0], corev1.PodReasonPreemptionByScheduler)
		}, wanted{Phase: job.Ended, Category: api.CategoryPreempted, Message: "PreemptionByScheduler"}},
		{"pod garbage collection deletes the pod: node_lost", evicted, func(s *Snapshot) {
			s.Pods[0].Status.Conditions = nil
			disrupt(s.Pods[0], "DeletionByPodGC")
		}, wanted{Phase: job.Ended, Category: api.CategoryNodeLost}},
		{"the taint manager deletes the pod: evicted", evicted, func(s *Snapshot) {
			s.Pods[0].Status.Conditions = nil
			disrupt(s.Pods[0], "DeletionByTaintManager")
		}, wanted{Phase: job.Ended, Category: api.CategoryEvicted}},
		{"a disruption reason that is not known: evicted", evicted, func(s *Snapshot) {
			s.Pods[0].Status.Conditions = nil
			disrupt(s.Pods[0], "SomethingNew")
		}, wanted{Phase: job.Ended, Category: api.CategoryEvicted, Message: "SomethingNew"}},
		{"the kubelet evicts and only the pod's reason says so: evicted", exited, func(s *Snapshot) {
			s.Pods[0].Status.Reason, s.Pods[0].Status.Message = "Evicted", "The node was low on resource: memory."
		}, wanted{Phase: job.Ended, Category: api.CategoryEvicted, Message: "low on resource"}},
		{"an evicted pod exits with code 0: evicted", complete, func(s *Snapshot) { disrupt(s.Pods[0], "EvictionByEvictionAPI") },
			wanted{Phase: job.Ended, Category: api.CategoryEvicted, Message: "exited with code 0"}},
		{"an evicted pod is deleted after it was seen: evicted", evicted, func(s *Snapshot) { s.PastPods, s.Pods = s.Pods, nil },
			wanted{Phase: job.Ended, Category: api.CategoryEvicted, Message: "EvictionByEvictionAPI"}},
		{"a pod was seen being deleted while it ran: deleted", exited, func(s *Snapshot) { s.StoppedPods = []types.UID{s.Pods[0].UID} },
			wanted{Phase: job.Ended, Category: api.CategoryDeleted, ExitCode: exitCode(3)}},
		{"a pod is deleted after it ended: its own outcome", exited, func(s *Snapshot) {
			at := metav1.NewTime(podstatus.FinishedAt(s.Pods[0], "main").Add(time.Minute))
			s.Pods[0].DeletionTimestamp = &at
		}, wanted{Phase: job.Ended, Category: api.CategoryApp, ExitCode: exitCode(3)}},
		{"a Job is deleted after it ended: its own outcome", exited, func(s *Snapshot) {
			at := metav1.NewTime(s.finalCondition().LastTransitionTime.Add(time.Second))
			s.Job.DeletionTimestamp = &at
		}, wanted{Phase: job.Ended, Category: api.CategoryApp, ExitCode: exitCode(3)}},
		{"a cancelled process exits with 143: cancelled", cancelling, func(s *Snapshot) {
			s.Pods[0].Status.Phase = corev1.PodFailed
			s.Pods[0].Status.ContainerStatuses[0].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: 143, FinishedAt: metav1.NewTime(s.Now),
			}}
		}, wanted{Phase: job.Ended, Category: api.CategoryCancelled}},
		{"a cancelled process exits with 0: cancelled", cancelling, func(s *Snapshot) {
			s.Pods[0].Status.Phase = corev1.PodSucceeded
			s.Job.Status.Conditions = []batchv1.JobCondition{{
				Type: batchv1.JobComplete, Status: corev1.ConditionTrue,
				LastTransitionTime: metav1.NewTime(s.Job.DeletionTimestamp.Add(time.Second)),
			}}
		}, wanted{Phase: job.Ended, Category: api.CategoryCancelled}},
		{"a pod ends before the cancel reaches it: its own outcome", cancelling, func(s *Snapshot) {
			s.Pods[0].DeletionTimestamp, s.Pods[0].Status.Phase = nil, corev1.PodSucceeded
		}, wanted{Phase: job.Ended, Succeeded: true}},
		{"a planned outcome that cannot be parsed: unknown, with the error", cancelling, func(s *Snapshot) {
			s.Pods, s.Job.Annotations[AnnotationPlannedOutcome] = nil, "{"
		}, wanted{Phase: job.Ended, Category: api.CategoryUnknown, Message: "cannot read annotation"}},
		{"a Job and its pods are gone: deleted", running, func(s *Snapshot) { s.Job, s.Pods = nil, nil },
			wanted{Phase: job.Ended, Category: api.CategoryDeleted, Message: "finalizers included"}},
		{"a Job is gone and its pod runs: still running", running, func(s *Snapshot) { s.Job = nil },
			wanted{Phase: job.Running, Diagnosis: "being deleted"}},
		{"a Job is gone and its last pod had succeeded: succeeded", complete, func(s *Snapshot) { s.Job, s.PastPods, s.Pods = nil, s.Pods, nil },
			wanted{Phase: job.Ended, Succeeded: true, ExitCode: exitCode(0)}},
		{"a Job failed and no pod was seen: unknown", exited, func(s *Snapshot) {
			s.Pods, s.Job.Status.Conditions = nil, []batchv1.JobCondition{{
				Type: batchv1.JobFailed, Status: corev1.ConditionTrue,
				Reason: "BackoffLimitExceeded", Message: "Job has reached the specified backoff limit",
			}}
		}, wanted{Phase: job.Ended, Category: api.CategoryUnknown, Message: "backoff limit"}},
		{"a Job without a pod: pending", running, func(s *Snapshot) { s.Pods = nil }, wanted{Phase: job.Pending}},
		{"a pod is being evicted and still runs: the diagnosis says so", running, func(s *Snapshot) {
			at := metav1.NewTime(s.Now.Add(20 * time.Second))
			s.Pods[0].DeletionTimestamp = &at
			s.Pods[0].Status.Conditions = append(s.Pods[0].Status.Conditions,
				corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "EvictionByEvictionAPI"})
		}, wanted{Phase: job.Running, Diagnosis: "(EvictionByEvictionAPI); it has until "}},
		{"a pod is being deleted and still runs: the diagnosis says so", running, func(s *Snapshot) {
			at := metav1.NewTime(s.Now.Add(20 * time.Second))
			s.Pods[0].DeletionTimestamp = &at
		}, wanted{Phase: job.Running, Diagnosis: "is being deleted; it has until "}},
		{"a deleted pod outlasts its grace period: the diagnosis says it may still run", running, func(s *Snapshot) {
			at := metav1.NewTime(s.Now.Add(-time.Minute))
			s.Pods[0].DeletionTimestamp = &at
		}, wanted{Phase: job.Running, Diagnosis: "does not confirm"}},
		{"no job-container annotation: the first container is the job container", exited, func(s *Snapshot) { s.Job.Annotations = nil },
			wanted{Phase: job.Ended, Category: api.CategoryApp, ExitCode: exitCode(3)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := readRecording(t, handmade, test.of).snapshot()
			test.with(&s)
			check(t, Attempt(s).Observation, test.want)
		})
	}
}

func TestStrayPods(t *testing.T) {
	for _, test := range []struct {
		name, of string
		with     func(s *Snapshot)
		want     int
	}{
		{"a Job deleted in the background: its pod", deletedInBackground, func(*Snapshot) {}, 1},
		{"a Job deleted in the foreground: none, the garbage collector deletes them", cancelling, func(*Snapshot) {}, 0},
		{"a Job that is gone: its pod", running, func(s *Snapshot) { s.Job = nil }, 1},
		{"a Job that is not deleted: none", running, func(*Snapshot) {}, 0},
		{"a pod that is being deleted already: none", deletedInBackground, func(s *Snapshot) { s.Pods[0].DeletionTimestamp = &metav1.Time{Time: s.Now} }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := readRecording(t, handmade, test.of).snapshot()
			test.with(&s)
			if got := Attempt(s).StrayPods; len(got) != test.want {
				t.Errorf("%d pods to stop, want %d", len(got), test.want)
			}
		})
	}
}

func TestAJobContainerThatEndsBeforeItsPodGivesItsOutcome(t *testing.T) {
	r := readRecording(t, handmade, "a-job-container-that-ends-before-its-sidecar-has-not-ended-the-pod.yaml")
	outcome := Attempt(r.snapshot()).Lingering
	if outcome == nil || outcome.Category != api.CategoryApp || *outcome.ExitCode != 7 {
		t.Errorf("outcome of the job container is %+v, want exit code 7", outcome)
	}
}
