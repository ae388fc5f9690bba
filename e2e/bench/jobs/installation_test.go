// Package jobs measures a server and a worker, both processes of this host, on the cluster of E2E_KUBECONFIG,
// beside what a bare client of the API server does there. It has nothing but benchmarks; `make bench` runs
// them where there is a cluster.
package jobs

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
	"github.com/berth-dev/berth/worker/kube/cluster"
	"github.com/berth-dev/berth/worker/kube/kubetest"
)

const patience = 3 * time.Minute

// installation is a server with a pool, and a worker for it.
type installation struct {
	b         *testing.B
	binary    string
	client    *apiclient.ClientWithResponses
	url       string
	config    cluster.Config
	cluster   kubernetes.Interface
	namespace string
}

const poolName = "bench"

// install starts a server and a pool whose Jobs are as the manifest says.
func install(b *testing.B, manifest string) *installation {
	b.Helper()
	config := kubetest.Cluster(b)
	config.REST.QPS = -1 // the bare client is not to wait for itself
	in := &installation{
		b: b, config: config, cluster: kubetest.Client(b, config),
		namespace: kubetest.Namespace(b, config),
	}
	in.binary = filepath.Join(b.TempDir(), "berth")
	build := exec.Command("go", "build", "-o", in.binary, "github.com/berth-dev/berth/cmd/berth")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	in.url = in.start("server", "--listen", "127.0.0.1:0", "--data-dir", b.TempDir(), "--auth", "none",
		"--rate-limit", "0")
	client, err := apiclient.NewClientWithResponses(in.url)
	if err != nil {
		b.Fatal(err)
	}
	in.client = client
	template := json.RawMessage(
		`{"variables":{"type":"object","properties":{}},"job_configuration":{"job_manifest":` + manifest + `}}`)
	made, err := client.CreateWorkPoolWithResponse(b.Context(),
		api.WorkPoolCreate{Name: poolName, Type: api.Kubernetes, BaseJobTemplate: template})
	in.is(201, made, err)
	applied, err := client.ApplyWithResponse(b.Context(), nil,
		api.ApplyRequest{Deployments: &[]api.DeploymentSpec{{Name: poolName, Pool: poolName}}})
	in.is(200, applied, err)
	return in
}

// answer is what every answer of the client has.
type answer interface{ StatusCode() int }

func (in *installation) is(status int, a answer, err error) {
	in.b.Helper()
	if err != nil || a.StatusCode() != status {
		in.b.Fatalf("got %+v, %v", a, err)
	}
}

// work starts the worker.
func (in *installation) work(args ...string) {
	in.b.Helper()
	in.start(
		append(
			[]string{
				"worker", "start", "--pool", poolName, "--type", "kubernetes", "--kubeconfig",
				os.Getenv("E2E_KUBECONFIG"), "--namespace", in.namespace, "--metrics-listen", "127.0.0.1:0",
			},
			args...)...)
}

// start starts a process that ends with the benchmark, and returns what it says when it is ready.
func (in *installation) start(args ...string) string {
	in.b.Helper()
	command := exec.Command(in.binary, args...)
	command.Env = append(os.Environ(), "BERTH_API_URL="+in.url, "BERTH_LOG_LEVEL=warn")
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log strings.Builder
	command.Stderr = &log
	stdout, err := command.StdoutPipe()
	if err != nil {
		in.b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		in.b.Fatal(err)
	}
	in.b.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait() // how it ended does not matter: what was measured is known
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "ready"); ok {
			go func() {
				for lines.Scan() { // a full pipe would block the process
				}
			}()
			return strings.TrimSpace(rest)
		}
	}
	in.b.Fatalf("berth %s ended before it was ready:\n%s", strings.Join(args, " "), &log)
	return ""
}

// create makes so many runs.
func (in *installation) create(n int) {
	in.b.Helper()
	const most = 1000
	for ; n > 0; n -= most {
		made, err := in.client.CreateRunsWithResponse(in.b.Context(), poolName,
			api.RunsCreate{Runs: make([]api.RunsCreateItem, min(n, most))})
		in.is(200, made, err)
	}
}

func (in *installation) pause(paused bool) {
	in.b.Helper()
	changed, err := in.client.UpdateWorkPoolWithResponse(in.b.Context(), poolName, nil,
		api.WorkPoolUpdate{Paused: &paused})
	in.is(200, changed, err)
}

// end cancels whatever is left and waits until it has ended, so that no finalizer is.
func (in *installation) end() {
	in.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	deployment := poolName
	for tick := time.NewTicker(100 * time.Millisecond); ; <-tick.C {
		if _, err := in.client.CancelRunsWithResponse(ctx, api.RunSelection{Filter: &api.RunSelectionFilter{Deployment: &deployment}}); err != nil {
			in.b.Fatal(err)
		}
		counted, err := in.client.CountRunsWithResponse(ctx, nil)
		if err != nil || counted.JSON200 == nil {
			in.b.Fatalf("count runs: %v", err)
		}
		live := int64(0)
		for state, n := range counted.JSON200.ByState {
			if !terminal(api.StateType(state)) {
				live += n
			}
		}
		if live == 0 {
			return
		}
	}
}

func terminal(state api.StateType) bool {
	switch state {
	case api.COMPLETED, api.FAILED, api.CRASHED, api.CANCELLED:
		return true
	}
	return false
}
