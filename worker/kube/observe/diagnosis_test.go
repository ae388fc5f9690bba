package observe

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/server/api"
)

// TestPodDiagnosis runs the cases of testdata/pod-diagnosis.json, which are adapted from the tests of
// Prefect's Kubernetes worker 3.8.
func TestPodDiagnosis(t *testing.T) {
	text, err := os.ReadFile("testdata/pod-diagnosis.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name     string           `json:"name"`
		Status   corev1.PodStatus `json:"status"`
		Expected *struct {
			Level     Level   `json:"level"`
			Category  string  `json:"category"`
			Container *string `json:"container_named_in_summary"`
		} `json:"expected"`
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 16 {
		t.Fatalf("%d cases, there were 16", len(cases))
	}
	for _, test := range cases {
		t.Run(test.Name, func(t *testing.T) {
			got := DiagnosePod(&corev1.Pod{Status: test.Status})
			if test.Expected == nil {
				if got != nil {
					t.Errorf("diagnosed %+v, want nothing", got)
				}
				return
			}
			if got == nil || got.Level != test.Expected.Level || got.Code != test.Expected.Category {
				t.Fatalf("diagnosed %+v, want %+v", got, *test.Expected)
			}
			if name := test.Expected.Container; name != nil && !strings.Contains(got.Summary, *name) {
				t.Errorf("summary %q does not name container %q", got.Summary, *name)
			}
		})
	}
}

func TestAFailedPullAndItsBackOffHaveTheSameDiagnosis(t *testing.T) {
	pod := func(reason, message string) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Name: "main", Image: "x:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}}}
	}
	failed := DiagnosePod(pod("ErrImagePull", "not found"))
	backOff := DiagnosePod(pod("ImagePullBackOff", `Back-off pulling image "x:1": ErrImagePull: not found`))
	if failed.Summary != backOff.Summary || !strings.HasSuffix(failed.Summary, ": not found") {
		t.Errorf("%q and %q", failed.Summary, backOff.Summary)
	}
}

func TestEventsExplainWhyNothingHappens(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	event := func(minute int, kind, reason, message string) corev1.Event {
		return corev1.Event{
			InvolvedObject: corev1.ObjectReference{
				UID: "uid-of-job",
			}, Type: kind, Reason: reason, Message: message,
			LastTimestamp: metav1.NewTime(at.Add(time.Duration(minute) * time.Minute)),
		}
	}
	const (
		quota       = `pods "x" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0`
		podSecurity = `pods "x" is forbidden: violates PodSecurity "restricted:latest"`
		account     = `pods "x" is forbidden: error looking up service account a/b: serviceaccount "b" not found`
		webhook     = `admission webhook "a.b" denied the request: no`
		volume      = `configmap "none" not found`
	)
	for _, test := range []struct {
		name   string
		events []corev1.Event
		code   string
		cause  api.Category
	}{
		{"the quota is exceeded", []corev1.Event{event(1, "Warning", "FailedCreate", quota)}, "Quota", api.CategoryQuota},
		{"Pod Security rejects the pod", []corev1.Event{event(1, "Warning", "FailedCreate", podSecurity)}, "PodSecurity", api.CategoryConfig},
		{"the ServiceAccount is missing", []corev1.Event{event(1, "Warning", "FailedCreate", account)}, "ServiceAccount", api.CategoryConfig},
		{"a webhook rejects the pod", []corev1.Event{event(1, "Warning", "FailedCreate", webhook)}, "AdmissionWebhook", api.CategoryConfig},
		{"a volume cannot be mounted", []corev1.Event{event(1, "Warning", "FailedMount", volume)}, "FailedMount", api.CategoryConfig},
		{"of two warnings the newest counts", []corev1.Event{
			event(2, "Warning", "FailedMount", volume), event(1, "Warning", "FailedCreate", quota),
		}, "FailedMount", api.CategoryConfig},
		{"the image is pulled after a mount failed: nothing to explain", []corev1.Event{
			event(1, "Warning", "FailedMount", volume), event(2, "Normal", "Pulling", "Pulling image"),
		}, "", ""},
		{"the pod is scheduled after scheduling failed: nothing to explain", []corev1.Event{
			event(1, "Warning", "FailedScheduling", "0/3 nodes"), event(2, "Normal", "Scheduled", "assigned"),
		}, "", ""},
		{"a mount fails after the volume was attached: explained", []corev1.Event{
			event(1, "Normal", "Scheduled", "assigned"), event(2, "Normal", "SuccessfulAttachVolume", "attached"),
			event(3, "Warning", "FailedMount", volume),
		}, "FailedMount", api.CategoryConfig},
		{"a normal event without progress: the warning stands", []corev1.Event{
			event(1, "Warning", "FailedCreate", quota), event(2, "Normal", "Suspended", "Job suspended"),
		}, "Quota", api.CategoryQuota},
		{"only normal events: nothing to explain", []corev1.Event{event(1, "Normal", "SuccessfulCreate", "Created pod")}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := diagnoseEvents(test.events, "uid-of-job")
			if test.code == "" {
				if d != nil {
					t.Errorf("diagnosed %+v, want nothing", d)
				}
				return
			}
			if d == nil || d.Code != test.code || d.Cause != test.cause {
				t.Errorf("diagnosed %+v, want %s and %s", d, test.code, test.cause)
			}
			if other := diagnoseEvents(test.events, "uid-of-another"); other != nil {
				t.Errorf("another object's events explain: %+v", other)
			}
		})
	}
}
