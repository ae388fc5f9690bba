package podstatus

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	start  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	always = corev1.ContainerRestartPolicyAlways
)

func exited(name string, code int32) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: code, StartedAt: metav1.NewTime(start)},
	}}
}

func running(name string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, State: corev1.ContainerState{
		Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(start)},
	}}
}

// podWith is a pod with an init container "prepare", a native sidecar "proxy" and a job container "main".
func podWith(init, containers []corev1.ContainerStatus) *corev1.Pod {
	return &corev1.Pod{
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "prepare"}, {Name: "proxy", RestartPolicy: &always}},
			Containers:     []corev1.Container{{Name: "main"}},
		},
		Status: corev1.PodStatus{InitContainerStatuses: init, ContainerStatuses: containers},
	}
}

func TestFirstFailed(t *testing.T) {
	type statuses = []corev1.ContainerStatus
	for _, test := range []struct {
		name             string
		init, containers statuses
		want             string
	}{
		{"no container has failed: none", statuses{exited("prepare", 0)}, statuses{exited("main", 0)}, ""},
		{"the init container has failed", statuses{exited("prepare", 9)}, nil, "prepare"},
		{"the job container has failed", statuses{exited("prepare", 0)}, statuses{exited("main", 3)}, "main"},
		{
			"the sidecar was killed after the job container failed: the job container",
			statuses{exited("proxy", 137)}, statuses{exited("main", 3)}, "main",
		},
		{"only the sidecar has failed: the sidecar", statuses{exited("proxy", 1)}, statuses{running("main")}, "proxy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if status := FirstFailed(podWith(test.init, test.containers)); status != nil {
				got = status.Name
			}
			if got != test.want {
				t.Errorf("first failed container %q, want %q", got, test.want)
			}
		})
	}
}

func TestStartedAtIsOfTheLatestInstance(t *testing.T) {
	earlier := exited("main", 1).State
	later := corev1.ContainerState{
		Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(start.Add(time.Minute))},
	}
	waiting := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	for _, test := range []struct {
		name   string
		status *corev1.ContainerStatus
		want   *time.Time
	}{
		{"no status: not started", nil, nil},
		{"never started", &corev1.ContainerStatus{State: waiting}, nil},
		{
			"running after a restart: the start of the running instance",
			&corev1.ContainerStatus{State: later, LastTerminationState: earlier}, new(start.Add(time.Minute)),
		},
		{
			"waiting for a restart: the start of the instance before",
			&corev1.ContainerStatus{State: waiting, LastTerminationState: earlier}, new(start),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := StartedAt(test.status)
			if (got == nil) != (test.want == nil) || (got != nil && !got.Equal(*test.want)) {
				t.Errorf("started at %v, want %v", got, test.want)
			}
		})
	}
}

func TestASidecarIsStoppedAfterAllOthersHaveEnded(t *testing.T) {
	proxy := []corev1.ContainerStatus{running("proxy")}
	for _, test := range []struct {
		name string
		pod  *corev1.Pod
		of   string
		want bool
	}{
		{"no other container has started", podWith(proxy, nil), "proxy", false},
		{"the job container runs", podWith(proxy, []corev1.ContainerStatus{running("main")}), "proxy", false},
		{"the job container has ended", podWith(proxy, []corev1.ContainerStatus{exited("main", 0)}), "proxy", true},
		{"not a sidecar", podWith(proxy, []corev1.ContainerStatus{exited("main", 0)}), "prepare", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := SidecarStopping(test.pod, test.of); got != test.want {
				t.Errorf("stopping is %v, want %v", got, test.want)
			}
		})
	}
}

func TestOverdueCountsFromTheEndOfTheGracePeriod(t *testing.T) {
	pod := &corev1.Pod{}
	if got := Overdue(pod, start); got != 0 {
		t.Errorf("a pod that is not being deleted is overdue by %s", got)
	}
	pod.DeletionTimestamp = &metav1.Time{Time: start}
	for _, offset := range []time.Duration{-time.Second, time.Minute} {
		if got := Overdue(pod, start.Add(offset)); got != offset {
			t.Errorf("overdue by %s, want %s", got, offset)
		}
	}
}
