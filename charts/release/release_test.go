package release

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/charts"
)

// newTestClient returns a Client with a release history in memory: the checks before an action need no
// cluster.
func newTestClient(t *testing.T, history ...release.Status) *Client {
	t.Helper()
	c := &Client{name: "berth", namespace: "ns", timeout: time.Minute, progress: newProgress(nil),
		config: &action.Configuration{
			Releases: storage.Init(driver.NewMemory()), Capabilities: chartutil.DefaultCapabilities,
			KubeClient: &kubefake.PrintingKubeClient{Out: io.Discard}, Log: func(string, ...any) {},
		}}
	for i, status := range history {
		rel := &release.Release{Name: "berth", Namespace: "ns", Version: i + 1,
			Info: &release.Info{
				Status: status,
			}, Chart: &chart.Chart{Metadata: &chart.Metadata{Name: "berth"}}}
		if err := c.config.Releases.Create(rel); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestCheckInstallable(t *testing.T) {
	for name, test := range map[string]struct {
		history []release.Status
		want    error
		says    string
	}{
		"not installed":                 {nil, nil, ""},
		"first install failed":          {[]release.Status{release.StatusFailed}, nil, ""},
		"two installs failed":           {[]release.Status{release.StatusSuperseded, release.StatusFailed}, nil, ""},
		"uninstalled with its history":  {[]release.Status{release.StatusUninstalled}, nil, ""},
		"deployed":                      {[]release.Status{release.StatusDeployed}, ErrInstalled, "upgrade it"},
		"deployed, then upgrade failed": {[]release.Status{release.StatusDeployed, release.StatusFailed}, ErrInstalled, "upgrade it"},
		"install in progress":           {[]release.Status{release.StatusPendingInstall}, ErrBusy, "pending-install"},
		"drain failed":                  {[]release.Status{release.StatusUninstalling}, ErrBusy, "uninstall the release again"},
	} {
		t.Run(name, func(t *testing.T) {
			err := newTestClient(t, test.history...).checkInstallable()
			if !errors.Is(err, test.want) {
				t.Fatalf("error = %v, want %v", err, test.want)
			}
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %q does not contain %q", err, test.says)
			}
		})
	}
}

func TestActionsOnAMissingReleaseReturnErrNotInstalled(t *testing.T) {
	c := newTestClient(t)
	_, upgradeErr := c.Upgrade(t.Context(), UpgradeOptions{})
	_, statusErr := c.Status(t.Context())
	for name, err := range map[string]error{
		"upgrade": upgradeErr, "status": statusErr, "check": c.Check(t.Context()),
		"uninstall": c.Uninstall(t.Context(), UninstallOptions{}),
	} {
		if !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), `"berth" in namespace "ns"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInvalidValuesAreFoundBeforeTheClusterIsContacted(t *testing.T) {
	two := map[string]any{"server": map[string]any{"replicas": 2}}
	c := newTestClient(t)
	_, installErr := c.Install(t.Context(), two)
	c = newTestClient(t, release.StatusDeployed)
	_, upgradeErr := c.Upgrade(t.Context(), UpgradeOptions{Values: two})
	_, unknownErr := c.Upgrade(t.Context(), UpgradeOptions{Values: map[string]any{"replicas": 2}})
	for err, says := range map[error]string{installErr: "exactly one server",
		upgradeErr: "exactly one server", unknownErr: "replicas"} {
		var bad *ValuesError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), says) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("error = %q, want a ValuesError of one line with %q", err, says)
		}
	}
}

func TestUpgradeMergesValuesOverThePrevious(t *testing.T) {
	now := map[string]any{"server": map[string]any{"replicas": 2}}
	before := map[string]any{"server": map[string]any{"replicas": 1, "logLevel": "debug"},
		"image": map[string]any{"tag": "x"}}
	want := map[string]any{"server": map[string]any{"replicas": 2, "logLevel": "debug"},
		"image": map[string]any{"tag": "x"}}
	if got := (UpgradeOptions{Values: now}).mergedOver(before); !reflect.DeepEqual(got, want) {
		t.Errorf("kept: %v, want %v", got, want)
	}
	if got := (UpgradeOptions{Values: now, ResetValues: true}).mergedOver(before); !reflect.DeepEqual(got,
		now) {
		t.Errorf("reset: %v, want %v", got, now)
	}
	if len(now["server"].(map[string]any)) != 1 {
		t.Errorf("the caller's values were changed: %v", now)
	}
}

func TestUpgradeRefusesAReleaseWithAnOperationInProgress(t *testing.T) {
	if _, err := newTestClient(t, release.StatusPendingUpgrade).Upgrade(t.Context(),
		UpgradeOptions{}); !errors.Is(err, ErrBusy) {
		t.Errorf("error = %v, want ErrBusy", err)
	}
}

func TestNewRefusesAnInvalidName(t *testing.T) {
	for _, name := range []string{"", "Berth", "a_b", strings.Repeat("x", 60)} {
		if _, err := New(Options{Target: Target{Name: name, Namespace: "ns"}}); err == nil {
			t.Errorf("the release name %q is taken", name)
		}
	}
}

// The Secret has no place in the release, so its name is taken from the hook that makes it.
func TestPurgedSecretIsTheOneOfTheHook(t *testing.T) {
	loaded, err := charts.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		values map[string]any
		want   string
	}{
		"default name":    {nil, "rel-berth-keys"},
		"overridden name": {map[string]any{"fullnameOverride": "harbour"}, "harbour-keys"},
		"existing Secret": {map[string]any{"keys": map[string]any{"existingSecret": "mine"}}, ""},
		"worker only": {map[string]any{"server": map[string]any{"enabled": false},
			"worker": map[string]any{"enabled": true, "apiURL": "http://x", "apiKey": map[string]any{"existingSecret": "k"}}}, ""},
	} {
		values := test.values
		if values == nil {
			values = map[string]any{}
		}
		install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
		install.ClientOnly, install.DryRun, install.ReleaseName, install.Namespace = true, true, "rel", "ns"
		install.KubeVersion = &chartutil.KubeVersion{Version: "v1.31.0", Major: "1", Minor: "31"}
		rel, err := install.Run(loaded, values)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := keysSecret(rel)
		if got != test.want {
			t.Errorf("%s: the Secret is %q, want %q", name, got, test.want)
		}
		made := slices.ContainsFunc(rel.Hooks,
			func(h *release.Hook) bool { return strings.Contains(h.Manifest, "--secret="+got+"\n") })
		if got != "" && !made {
			t.Errorf("%s: no hook makes a Secret %q", name, got)
		}
	}
}

func TestReadValuesMergesFilesThenSettings(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first := write("a.yaml", "server: {replicas: 1, logLevel: debug}\nworker: {pool: a}\n")
	second := write("b.yaml", "server: {replicas: 2}\n")
	got, err := ReadValues([]string{first, second}, []string{"worker.pool=c", "image.tag=dev"})
	if err != nil {
		t.Fatal(err)
	}
	values := chartutil.Values(got)
	for path, want := range map[string]any{"server.replicas": float64(2), "server.logLevel": "debug",
		"worker.pool": "c", "image.tag": "dev"} {
		if value, err := values.PathValue(path); err != nil || value != want {
			t.Errorf("%s = %v (%v), want %v", path, value, err, want)
		}
	}
	for name, files := range map[string][]string{"a missing file": {filepath.Join(dir, "none.yaml")},
		"no YAML": {write("bad.yaml", "a: [")}} {
		if _, err := ReadValues(files, nil); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestProgressReportsEachStepOnce(t *testing.T) {
	var reported []string
	p := newProgress(func(line string) { reported = append(reported, line) })
	for range 3 {
		p.helmLog("StatefulSet is not ready: %s/%s. %d out of %d expected pods are ready", "ns",
			"berth-server", 0, 1)
		p.helmLog("Deployment is not ready: %s/%s. %d out of %d expected pods are ready", "ns",
			"berth-worker", 0, 2)
	}
	p.helmLog("Deployment is not ready: %s/%s. %d out of %d expected pods are ready", "ns", "berth-worker", 1,
		2)
	p.helmLog("Watching for changes to %s %s with timeout of %v", "Job", "berth-keys", time.Minute)
	p.helmLog("PersistentVolumeClaim is not bound: %s/%s", "ns", "data")
	p.helmLog("beginning wait for %d resources to be deleted with timeout of %v", 1, time.Minute)
	p.helmLog("creating %d resource(s)", 12)
	p.helmLog("beginning wait for %d resources to be deleted with timeout of %v", 9, time.Minute)
	want := []string{
		"waiting for statefulset berth-server: 0 of 1 pods ready",
		"waiting for deployment berth-worker: 0 of 2 pods ready",
		"waiting for deployment berth-worker: 1 of 2 pods ready", "waiting for hook berth-keys",
		"waiting for persistentvolumeclaim data", "waiting for the deletion of 9 objects and their pods",
	}
	if !slices.Equal(reported, want) {
		t.Errorf("reported:\n%s\nwant:\n%s", strings.Join(reported, "\n"), strings.Join(want, "\n"))
	}
}

func TestLogsOfAFailedHookAreReportedByLine(t *testing.T) {
	var reported []string
	w := newProgress(func(line string) { reported = append(reported, line) }).writer("berth-keys-x")
	for _, chunk := range []string{"first\nsec", "ond\n", "\nlast\n"} {
		if n, err := io.WriteString(w, chunk); n != len(chunk) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if want := []string{"berth-keys-x: first", "berth-keys-x: second", "berth-keys-x: ",
		"berth-keys-x: last"}; !slices.Equal(reported, want) {
		t.Errorf("reported %q, want %q", reported, want)
	}
}

func TestPodFindings(t *testing.T) {
	waiting := func(reason, message string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	}
	exit := func(code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code,
			Reason: "Error"}}
	}
	for name, test := range map[string]struct {
		status corev1.PodStatus
		want   string
	}{
		"missing image": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "server",
			State: waiting("ImagePullBackOff", "no such image")}}},
			"pod p: container server is waiting: ImagePullBackOff no such image"},
		"failing migration": {corev1.PodStatus{
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "migrate",
				State: waiting("CrashLoopBackOff", "back-off"), LastTerminationState: exit(1)}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "server",
				State: waiting("PodInitializing", "")}}},
			"pod p: container migrate is waiting: CrashLoopBackOff back-off; terminated with exit code 1 (Error)"},
		"unschedulable": {corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse,
			Message: "0/1 nodes are available"}}},
			"pod p: not scheduled: 0/1 nodes are available"},
		"not ready": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "worker",
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}},
			"pod p: container worker is running but not ready"},
		"ready": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "worker", Ready: true,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}}, ""},
		"completed": {corev1.PodStatus{Phase: corev1.PodSucceeded, ContainerStatuses: []corev1.ContainerStatus{{State: exit(0)}}}, ""},
	} {
		got := strings.Join(podFindings(corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"},
			Status: test.status}), "\n")
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestEventFindingsAreTheNewestOfEachObject(t *testing.T) {
	event := func(kind, name, reason string, minute int) corev1.Event {
		return corev1.Event{InvolvedObject: corev1.ObjectReference{Kind: kind, Name: name}, Reason: reason,
			Message:       "m",
			LastTimestamp: metav1.NewTime(time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC))}
	}
	got := eventFindings([]corev1.Event{
		event("Job", "berth-keys", "FailedCreate", 1), event("Job", "berth-keys", "Newest", 3),
		event("Pod", "other", "BackOff", 4),
		event("StatefulSet", "berth-server", "FailedCreate", 2),
	}, "berth")
	if want := []string{"job berth-keys: Newest: m",
		"statefulset berth-server: FailedCreate: m"}; !slices.Equal(got, want) {
		t.Errorf("findings %q, want %q", got, want)
	}
}

func TestHelmErrorsBecomeOneLine(t *testing.T) {
	cause := errors.New("1 error occurred:\n\t* timed out waiting for the condition\n\n")
	err := oneLine(cause)
	if err.Error() != "timed out waiting for the condition" || !errors.Is(err, cause) {
		t.Errorf("%q", err)
	}
}

func TestDrainFailed(t *testing.T) {
	hook := func(event release.HookEvent, phase release.HookPhase, started time.Time) *release.Hook {
		return &release.Hook{Events: []release.HookEvent{event},
			LastRun: release.HookExecution{StartedAt: helmtime.Time{Time: started}, Phase: phase}}
	}
	now := time.Now()
	for name, test := range map[string]struct {
		status release.Status
		hook   *release.Hook
		want   bool
	}{
		"hook started":      {release.StatusUninstalling, hook(release.HookPreDelete, release.HookPhaseRunning, now), true},
		"hook succeeded":    {release.StatusUninstalling, hook(release.HookPreDelete, release.HookPhaseSucceeded, now), false},
		"hook not started":  {release.StatusUninstalling, hook(release.HookPreDelete, "", time.Time{}), false},
		"other hook failed": {release.StatusUninstalling, hook(release.HookPreInstall, release.HookPhaseFailed, now), false},
		"not uninstalling":  {release.StatusDeployed, hook(release.HookPreDelete, release.HookPhaseFailed, now), false},
	} {
		rel := &release.Release{Info: &release.Info{Status: test.status}, Hooks: []*release.Hook{test.hook}}
		if got := drainFailed(rel); got != test.want {
			t.Errorf("%s: drainFailed = %v", name, got)
		}
	}
}

func TestReleaseIsHealthyWhenDeployedWithAllPodsReady(t *testing.T) {
	for name, test := range map[string]struct {
		status Status
		want   bool
	}{
		"all ready":       {Status{State: "deployed", Workloads: []Workload{{Ready: 2, Want: 2}}}, true},
		"one pod missing": {Status{State: "deployed", Workloads: []Workload{{Ready: 2, Want: 2}, {Ready: 1, Want: 2}}}, false},
		"failed":          {Status{State: "failed", Workloads: []Workload{{Ready: 2, Want: 2}}}, false},
		"scaled to zero":  {Status{State: "deployed", Workloads: []Workload{{Ready: 0, Want: 0}}}, false},
	} {
		if got := test.status.Healthy(); got != test.want {
			t.Errorf("%s: healthy = %v", name, got)
		}
	}
}
