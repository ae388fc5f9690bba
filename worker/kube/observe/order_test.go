package observe

import (
	"fmt"
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// ending is how the only pod of a Job ends, and what of it is to be recorded.
type ending struct {
	exit, beside      int32 // of the job container and of one beside it; -1 if it never ran
	reason            string
	podReason         string
	podMessage        string
	disrupted, byHand bool

	// lost is true if a Job that outlives its pod cannot say so: a message about the pod alone.
	want api.Category // empty: succeeded
	lost bool
}

func (e ending) String() string {
	return fmt.Sprintf("exit %d, beside it %d, %s%s, disrupted %v, by hand %v",
		e.exit, e.beside, e.reason, e.podReason, e.disrupted, e.byHand)
}

// endings are all combinations that a kubelet can show.
func endings() []ending {
	var all []ending
	for _, exit := range []int32{0, 1, 137, 143} {
		for _, beside := range []int32{0, 1, 143} {
			for _, oom := range []bool{false, true} {
				for _, told := range []string{"", "evicted", "deleted"} {
					e := ending{exit: exit, beside: beside, disrupted: told == "evicted", byHand: told == "deleted"}
					if oom {
						e.reason = "OOMKilled"
					}
					switch {
					case e.disrupted:
						e.want = api.CategoryEvicted
						e.lost = exit == 0 && beside == 0 // Kubernetes counts a success
					case e.byHand:
						e.want, e.lost = api.CategoryDeleted, true
					case exit == 0:
						e.lost = beside != 0 // the Job failed
					case oom:
						e.want, e.lost = api.CategoryOOM, true
					default:
						e.want, e.lost = api.CategoryApp, exit != 1
					}
					all = append(all, e)
				}
			}
		}
	}
	for reason, category := range map[string]api.Category{
		"OutOfcpu": api.CategoryEvicted, "UnexpectedAdmissionError": api.CategoryEvicted, "NodeAffinity": api.CategoryEvicted,
		"SysctlForbidden": api.CategoryConfig,
	} {
		all = append(all, ending{exit: -1, beside: -1, podReason: reason, podMessage: "Pod was rejected", want: category, lost: true})
	}
	for _, message := range []string{
		`Container job exceeded its local ephemeral storage limit "10Mi". `, `Usage of EmptyDir volume "v" exceeds the limit "10Mi". `,
		"Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
	} {
		all = append(all, ending{exit: 137, beside: 137, podReason: "Evicted", podMessage: message, want: api.CategoryApp, lost: true})
	}
	return append(all, ending{exit: 137, beside: 137, podReason: "Evicted", podMessage: "The node was low on resource: memory. ",
		disrupted: true, want: api.CategoryEvicted})
}

var began = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func (e ending) job() *batchv1.Job {
	one := int32(1)
	j := &batchv1.Job{}
	j.Namespace, j.Name, j.UID = "jobs", "etl", "j1"
	j.Spec = batchv1.JobSpec{Completions: &one, Parallelism: &one, BackoffLimit: new(int32)}
	j.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	j.Spec.Template.Spec.Containers = []corev1.Container{{Name: "job"}, {Name: "beside"}}
	j.Status.StartTime = &metav1.Time{Time: began}
	return j
}

func (e ending) failed() bool {
	return e.exit != 0 || e.beside != 0 || e.podReason != ""
}

// pod is the pod of the Job: while it runs, or when it has ended.
func (e ending) pod(ended bool) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name, pod.UID, pod.CreationTimestamp = "jobs", "etl-x", "p1", metav1.NewTime(began)
	pod.Spec.NodeName = "node-1"
	pod.Spec.Containers = []corev1.Container{{Name: "job"}, {Name: "beside"}}
	pod.Status.Phase = corev1.PodRunning
	if e.disrupted {
		disrupt(pod, "EvictionByEvictionAPI")
	}
	if e.byHand {
		pod.DeletionTimestamp = &metav1.Time{Time: began.Add(40 * time.Second)}
		pod.DeletionGracePeriodSeconds = new(int64(30))
	}
	if !ended {
		return pod
	}
	pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodSucceeded, e.podReason, e.podMessage
	if e.failed() {
		pod.Status.Phase = corev1.PodFailed
	}
	for name, code := range map[string]int32{"job": e.exit, "beside": e.beside} {
		if code < 0 {
			continue
		}
		terminated := &corev1.ContainerStateTerminated{
			ExitCode: code, Reason: "Error", StartedAt: metav1.NewTime(began), FinishedAt: metav1.NewTime(began.Add(11 * time.Second)),
		}
		if name == "job" && e.reason != "" {
			terminated.Reason = e.reason
		}
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses,
			corev1.ContainerStatus{Name: name, State: corev1.ContainerState{Terminated: terminated}})
	}
	return pod
}

// condition is what the Job controller says under the podFailurePolicy of templating/manifest.
func (e ending) condition(kind batchv1.JobConditionType) batchv1.JobCondition {
	c := batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(began.Add(12 * time.Second))}
	switch {
	case !e.failed():
		c.Type = batchv1.JobComplete
		if kind == batchv1.JobFailureTarget {
			c.Type = batchv1.JobSuccessCriteriaMet
		}
	case e.disrupted:
		c.Reason = batchv1.JobReasonPodFailurePolicy
		c.Message = "Pod jobs/etl-x has condition DisruptionTarget matching FailJob rule at index 0"
	case e.exit > 0 && e.exit != 137 && e.exit != 143:
		c.Reason = batchv1.JobReasonPodFailurePolicy
		c.Message = fmt.Sprintf("Container job for pod jobs/etl-x failed with exit code %d matching FailJob rule at index 1", e.exit)
	default:
		c.Reason, c.Message = batchv1.JobReasonBackoffLimitExceeded, "Job has reached the specified backoff limit"
	}
	return c
}

// A fact is what one event of a watch adds to what is known.
type fact string

const (
	podEnded    fact = "the pod ended"
	podDeleted  fact = "the pod is gone"
	jobEnding   fact = "the Job is about to end"
	jobEnded    fact = "the Job ended"
	podStopping fact = "the pod is told to stop"
)

// facts are those of an ending, in one of the orders in which they happen.
func (e ending) facts() []fact {
	if e.byHand || e.disrupted {
		return []fact{podStopping, podEnded, jobEnding, jobEnded, podDeleted}
	}
	return []fact{podEnded, jobEnding, jobEnded}
}

// orders are the orders in which two watches may show the facts: each watch keeps its own order.
func orders(facts []fact) [][]fact {
	if len(facts) == 0 {
		return [][]fact{nil}
	}
	ofPod := func(f fact) bool { return f == podEnded || f == podDeleted || f == podStopping }
	var all [][]fact
	for _, pod := range []bool{true, false} {
		i := slices.IndexFunc(facts, func(f fact) bool { return ofPod(f) == pod })
		if i < 0 {
			continue
		}
		for _, rest := range orders(slices.Delete(slices.Clone(facts), i, i+1)) {
			all = append(all, append([]fact{facts[i]}, rest...))
		}
	}
	return all
}

// firstEnd is the first end that is observed while the facts arrive, a second apart.
func (e ending) firstEnd(order []fact) (job.Observation, []fact) {
	running := e
	running.disrupted, running.byHand = false, false
	s := Snapshot{JobName: "jobs/etl", Job: e.job(), Pods: []*corev1.Pod{running.pod(false)}, Now: began.Add(12 * time.Second)}
	for i, f := range order {
		switch f {
		case podStopping:
			s.Pods = []*corev1.Pod{e.pod(false)}
			if e.byHand {
				s.StoppedPods = []types.UID{"p1"}
			}
		case podEnded:
			s.Pods = []*corev1.Pod{e.pod(true)}
		case podDeleted:
			s.PastPods, s.Pods = s.Pods, nil
		case jobEnding:
			s.Job.Status.Conditions = append(s.Job.Status.Conditions, e.condition(batchv1.JobFailureTarget))
		case jobEnded:
			s.Job.Status.Conditions = append(s.Job.Status.Conditions, e.condition(batchv1.JobFailed))
		}
		s.Now = s.Now.Add(500 * time.Millisecond)
		if observed := Attempt(s).Observation; observed.Phase == job.Ended {
			return observed, order[:i+1]
		}
	}
	return job.Observation{}, order
}

func TestAnAttemptEndsTheSameWhateverIsSeenFirst(t *testing.T) {
	for _, e := range endings() {
		t.Run(e.String(), func(t *testing.T) {
			var first job.Observation
			for i, order := range orders(e.facts()) {
				got, after := e.firstEnd(order)
				if got.Phase != job.Ended || got.Succeeded != (e.want == "") || got.Category != e.want {
					t.Errorf("after %q: %+v, want category %q", after, got, e.want)
				}
				if i == 0 {
					first = got
				} else if got.Message != first.Message || (got.ExitCode == nil) != (first.ExitCode == nil) ||
					got.ExitCode != nil && (*got.ExitCode != *first.ExitCode || !got.EndedAt.Equal(*first.EndedAt)) {
					t.Errorf("after %q: %+v, in another order %+v", after, got, first)
				}
			}
		})
	}
}

// TestAnAttemptWhosePodNobodySawEndsTheSameOrUnknown: a Job that outlives its pod says less, and nothing else.
func TestAnAttemptWhosePodNobodySawEndsTheSameOrUnknown(t *testing.T) {
	for _, e := range endings() {
		s := Snapshot{JobName: "jobs/etl", Job: e.job(), Now: began.Add(time.Hour)}
		s.Job.Status.Conditions = []batchv1.JobCondition{e.condition(batchv1.JobFailed)}
		got := Attempt(s).Observation
		switch {
		case got.Phase != job.Ended:
			t.Errorf("%s: %+v, want an end", e, got)
		case got.Category == e.want && got.Succeeded == (e.want == ""):
		case !e.lost:
			t.Errorf("%s: category %q, want %q", e, got.Category, e.want)
		case e.failed() && got.Succeeded:
			t.Errorf("%s: succeeded although the Job failed", e)
		case e.want == api.CategoryOOM && got.Category == api.CategoryApp: // the Job only names the exit code
		case !e.byHand && e.failed() && got.Category != api.CategoryUnknown:
			t.Errorf("%s: category %q, want %q or unknown", e, got.Category, e.want)
		}
	}
}

func TestAPodThatFailsWhenItsDeadlinePassesWaitsForTheJob(t *testing.T) {
	e := ending{exit: 1, beside: 0}
	s := Snapshot{JobName: "jobs/etl", Job: e.job(), Pods: []*corev1.Pod{e.pod(true)}, Now: began.Add(12 * time.Second)}
	s.Job.Spec.ActiveDeadlineSeconds = new(int64(12))
	if got := Attempt(s).Observation; got.Phase == job.Ended {
		t.Errorf("it ended as %+v; the deadline may have come first", got)
	}
	s.Job.Spec.ActiveDeadlineSeconds = new(int64(3600))
	if got := Attempt(s).Observation; got.Category != api.CategoryApp {
		t.Errorf("long before the deadline: %+v", got)
	}
}
