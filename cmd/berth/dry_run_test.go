package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/berth-dev/berth/cmd/berth/internal/templatefile"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

const clusterTemplate = `variables:
  properties:
    memory: {type: string, default: 64Mi}
job_configuration:
  job_manifest:
    spec:
      template:
        spec:
          containers:
          - name: job
            image: busybox:1.36
            resources: {requests: {memory: "{{ memory }}"}, limits: {memory: "{{ memory }}"}}
`

// until polls what another process has to do.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true,
		func(context.Context) (bool, error) { return holds(), nil })
	if err != nil {
		t.Fatalf("waited for: %s", what)
	}
}

func TestPreviewAndLintAskTheCluster(t *testing.T) {
	config := kubetest.Cluster(t)
	t.Parallel()
	client, namespace := kubetest.Client(t, config), kubetest.Namespace(t, config)
	_, u := startDev(t, t.TempDir())
	template := write(t, t.TempDir(), "template.yaml", clusterTemplate)
	u.ok(t, "pool", "create", "k8s", "--type", "kubernetes", "--template", template)
	preview := []string{"pool", "template", "preview", "k8s", "--on-cluster", "--job-variable"}

	none := u.run(t, append(preview, "memory=64Mi")...)
	if none.code != 4 || !strings.Contains(none.stderr, `work pool "k8s" has no worker`) {
		t.Errorf("without a worker: exit code %d\n%s", none.code, none.stderr)
	}
	worker := start(t, u.environ(), "worker", "start", "--pool", "k8s", "--name", "w1", "--namespace", namespace,
		"--kubeconfig", os.Getenv("E2E_KUBECONFIG"), "--metrics-listen", "127.0.0.1:0")
	until(t, "the worker is alive", func() bool {
		return len(decode[api.WorkerList](t, u, "worker", "ls", "--pool", "k8s").Items) == 1
	})

	taken := u.run(t, append(preview, "memory=64Mi")...)
	if taken.code != 0 || !strings.Contains(taken.stdout, "kind: Job") {
		t.Errorf("a Job that the cluster takes: exit code %d\n%s%s", taken.code, taken.stdout, taken.stderr)
	}
	demand(t, "preview", taken.stderr, "(worker w1, namespace "+namespace+"): accepted", "  Job accepted",
		`+ /spec/template/spec/containers/0/imagePullPolicy: "IfNotPresent"`, "  Pod accepted")

	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{corev1.ResourceRequestsMemory: resource.MustParse("512Mi")},
	}}
	if _, err := client.CoreV1().ResourceQuotas(namespace).Create(t.Context(), quota, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the quota counts", func() bool {
		q, err := client.CoreV1().ResourceQuotas(namespace).Get(t.Context(), "team", metav1.GetOptions{})
		return err == nil && len(q.Status.Hard) > 0
	})
	refused := u.run(t, append(preview, "memory=1Gi", "-o", "json")...)
	var answer api.TemplateDryRun
	if err := json.Unmarshal([]byte(refused.stdout), &answer); err != nil || refused.code != 1 {
		t.Fatalf("a Job over the quota: exit code %d, %v\n%s%s", refused.code, err, refused.stdout, refused.stderr)
	}
	if answer.Outcome != api.TemplateDryRunOutcomeRefused || len(answer.Clusters) != 1 ||
		!strings.Contains(refused.stdout, "exceeded quota: team") {
		t.Errorf("got %s", refused.stdout)
	}

	large := write(t, t.TempDir(), "large.yaml", strings.Replace(clusterTemplate, "64Mi", "2Gi", 1))
	lint := u.run(t, "pool", "template", "lint", "k8s", "-f", large, "--on-cluster", "--timeout", "20s")
	if lint.code != 1 {
		t.Errorf("lint ends with %d", lint.code)
	}
	demand(t, "lint", lint.stdout, "0 errors", "Pod refused", "exceeded quota: team, requested: requests.memory=2Gi")
	document := u.run(t, "pool", "template", "lint", "k8s", "-f", template, "--on-cluster", "-o", "json")
	var report templatefile.LintOnCluster
	if err := json.Unmarshal([]byte(document.stdout), &report); err != nil || document.code != 0 ||
		report.OnCluster.Outcome != api.TemplateDryRunOutcomeAccepted {
		t.Errorf("lint as a document: exit code %d, %v\n%s", document.code, err, document.stdout)
	}

	worker.stop(t)
	jobs, err := client.BatchV1().Jobs(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(jobs.Items) != 0 {
		t.Errorf("%d Jobs are left, %v", len(jobs.Items), err)
	}
}

func TestAPoolOfProcessesHasNoClusterToAsk(t *testing.T) {
	t.Parallel()
	u := governedPool(t)
	r := u.run(t, "pool", "template", "preview", "governed", "--deployment", "plain", "--on-cluster")
	if r.code != 4 || !strings.Contains(r.stderr, "is of type process") || !strings.Contains(r.stdout, "kind: Job") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	for flags, want := range map[string]string{
		"--timeout 5s": "needs --on-cluster", "--on-cluster --timeout 1h": "must be from 1s to 30s",
	} {
		r := u.run(t, append([]string{"pool", "template", "preview", "governed"}, strings.Fields(flags)...)...)
		if r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: exit code %d\n%s", flags, r.code, r.stderr)
		}
	}
}
