package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/internal/testenv"
)

// benchSite is an installation with a worker and a deployment that does nothing.
func benchSite(b *testing.B, template string) *hosted {
	b.Helper()
	h := startBare(b, connect(b), nil)
	b.Cleanup(func() { h.removeFinalizers(b) })
	h.write(b, "template.yaml", template)
	h.ok(b, "pool", "create", h.pool, "--type", "kubernetes", "--template", "template.yaml")
	h.deploy(b, "nothing", "true")
	return h
}

// removeFinalizers takes the finalizers off what the worker had not come to when it was ended.
func (h *hosted) removeFinalizers(b *testing.B) {
	ctx := context.WithoutCancel(b.Context())
	jobs, err := h.client.BatchV1().Jobs(h.jobs).List(ctx, metav1.ListOptions{})
	if err != nil {
		b.Error(err)
		return
	}
	for _, j := range jobs.Items {
		if len(j.Finalizers) == 0 {
			continue
		}
		if _, err := h.client.BatchV1().Jobs(h.jobs).Patch(ctx, j.Name, types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
			b.Error(err)
		}
	}
}

// post sends a body to the API and demands that it is taken.
func (h *hosted) post(b *testing.B, path, body string) map[string]any {
	b.Helper()
	response, err := http.Post(h.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		b.Fatalf("POST %s: %s %s (%v)", path, response.Status, text, err)
	}
	var out map[string]any
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&out); err != nil {
		b.Fatal(err)
	}
	return out
}

const lightTemplateOfBench = `
variables: {type: object, properties: {command: {type: array}}}
job_configuration:
  stream_output: false
  job_manifest: {apiVersion: batch/v1, kind: Job, spec: {template: {spec: {automountServiceAccountToken: false,
    nodeSelector: {e2e.berth.dev/light: ""}, tolerations: [{key: e2e.berth.dev/light, operator: Exists}],
    containers: [{name: job, image: "busybox:1.36", command: "{{ command }}"}]}}}}
`

// manyJobs is how many Jobs are active at once; BENCH_JOBS says another number.
func manyJobs(b *testing.B) int {
	b.Helper()
	text := os.Getenv("BENCH_JOBS")
	if text == "" {
		return 10_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkManyJobs has one worker hold many Jobs at once, on a node that costs nothing: what it keeps
// resident while all run, and how often it writes to the API server for each from its creation to its
// release.
func BenchmarkManyJobs(b *testing.B) {
	jobs := manyJobs(b)
	for range b.N {
		h := benchSite(b, lightTemplateOfBench)
		node := h.lightNode(b, h.jobs, jobs+100)
		through, kubeconfig := h.apiProxy(b)
		var writes atomic.Int64
		through.set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if r.Method != http.MethodGet {
				writes.Add(1)
			}
			return false
		})
		worker, _ := startProcess(b, []string{"BERTH_API_URL=" + h.url}, "worker", "start", "--pool", h.pool,
			"--type", "kubernetes", "--name", "bench", "--kubeconfig", kubeconfig, "--cluster-id", "bench",
			"--namespace", h.jobs, "--metrics-listen", "127.0.0.1:0", "--log-level", "warn")
		for left := jobs; left > 0; left -= 1000 {
			runs := strings.TrimSuffix(strings.Repeat("{},", min(left, 1000)), ",")
			h.post(b, "/api/v1/deployments/nothing/runs/bulk", `{"runs":[`+runs+`]}`)
		}
		began := time.Now()
		h.awaitCount(b, "RUNNING", jobs)
		b.ReportMetric(float64(jobs)/time.Since(began).Seconds(), "started/s")
		b.ReportMetric(testenv.Memory(b, worker.cmd.Process.Pid, "VmRSS"), "resident-B/op")
		close(node.finish)
		h.awaitCount(b, "COMPLETED", jobs)
		eventually(b, "all Jobs to be let go of",
			func() (bool, error) { return writes.Load() >= int64(2*jobs), nil })
		b.ReportMetric(float64(writes.Load())/float64(jobs), "writes/job")
		b.ReportMetric(testenv.Memory(b, worker.cmd.Process.Pid, "VmRSS"), "resident-after-B/op")
	}
}

// awaitCount waits until so many runs are in the state.
func (h *hosted) awaitCount(b *testing.B, state string, want int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Minute)
	defer cancel()
	last := -1
	err := poll(ctx, func() (bool, error) {
		var counts struct {
			ByState map[string]int `json:"by_state"`
		}
		h.fetch(b, &counts, "/api/v1/runs/count")
		last = counts.ByState[state]
		return last >= want, nil
	})
	if err != nil {
		b.Fatalf("%d of %d runs are %s: %v", last, want, state, err)
	}
}
