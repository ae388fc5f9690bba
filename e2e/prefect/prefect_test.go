package prefect_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/testenv"
)

const startTimeout = 2 * time.Minute

// server is a running Prefect server.
type server struct {
	t   *testing.T
	url string // of its API
}

// start starts a program that ends with the test. It is told to end, and given time to.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Logf("end %s: %v", cmd.Path, err)
		}
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			if err := cmd.Process.Kill(); err != nil {
				t.Errorf("kill %s: %v", cmd.Path, err)
			}
			<-ended
		}
	})
}

func startServer(t *testing.T) *server {
	t.Helper()
	venv := testenv.PythonPackages(t, "requirements.txt")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	// The module, as the script starts another process, which would outlive it.
	cmd := exec.Command(filepath.Join(venv, "bin", "python"), "-m", "uvicorn", "--factory", "--host", "127.0.0.1",
		"--port", fmt.Sprint(port), "prefect.server.api.server:create_app")
	cmd.Env = append(os.Environ(), "PREFECT_HOME="+t.TempDir(), "DO_NOT_TRACK=1", "PREFECT_SERVER_ANALYTICS_ENABLED=false",
		"PREFECT__SERVER_WEBSERVER_ONLY=1")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	start(t, cmd)
	s := &server{t, fmt.Sprintf("http://127.0.0.1:%d/api", port)}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				tick.Stop()
				return s
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("Prefect does not start:\n%s", &log)
		}
	}
}

// call calls Prefect's API, and returns its answer. While another transaction has its database, Prefect answers 503.
func (s *server) call(method, path, body string) map[string]any {
	s.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range 100 {
		status, text := s.once(method, path, body)
		if status == http.StatusServiceUnavailable {
			<-tick.C
			continue
		}
		var object map[string]any
		if err := json.Unmarshal(text, &object); status/100 != 2 || err != nil {
			s.t.Fatalf("%s %s: %d %v\n%s", method, path, status, err, text)
		}
		return object
	}
	s.t.Fatalf("%s %s: Prefect's database is always busy", method, path)
	return nil
}

func (s *server) once(method, path, body string) (status int, text []byte) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err = io.ReadAll(answer.Body); err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, text
}

// fill makes what a small installation has: pools of three types, one with its default base job template, a queue,
// deployments with each kind of schedule, variables and a secret.
func (s *server) fill() {
	s.t.Helper()
	metadata := s.call(http.MethodGet, "/collections/views/aggregate-worker-metadata", "")
	kubernetes := metadata["prefect-kubernetes"].(map[string]any)["kubernetes"].(map[string]any)
	template, err := json.Marshal(kubernetes["default_base_job_configuration"])
	if err != nil {
		s.t.Fatal(err)
	}
	post := func(path, format string, args ...any) map[string]any {
		s.t.Helper()
		return s.call(http.MethodPost, path, fmt.Sprintf(format, args...))
	}
	post("/work_pools/", `{"name":"k8s","type":"kubernetes","concurrency_limit":20,"base_job_template":%s}`, template)
	post("/work_pools/k8s/queues", `{"name":"urgent","priority":1,"concurrency_limit":3}`)
	post("/work_pools/", `{"name":"local","type":"process"}`)
	post("/work_pools/", `{"name":"fargate","type":"ecs"}`)
	post("/variables/", `{"name":"team","value":"data"}`)
	flow := post("/flows/", `{"name":"etl"}`)["id"]
	post("/deployments/", `{"name":"nightly","flow_id":%q,"work_pool_name":"k8s","work_queue_name":"urgent","version":"1.10",
		"entrypoint":"flows.py:etl","parameters":{"ratio":1.0},"concurrency_limit":1,
		"job_variables":{"image":"registry/etl:1.10","env":{"TEAM":"{{ prefect.variables.team }}","KEY":"{{ prefect.blocks.secret.api-key }}"}},
		"schedules":[
			{"schedule":{"cron":"30 2 * * *","timezone":"Europe/Berlin"},"active":true},
			{"schedule":{"interval":5400,"anchor_date":"2026-01-01T00:15:00+00:00"},"active":false,"slug":"often"},
			{"schedule":{"rrule":"DTSTART:20260101T180000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR","timezone":"UTC"},"active":true}]}`, flow)
	post("/deployments/", `{"name":"here","flow_id":%q,"work_pool_name":"local","paused":true,
		"job_variables":{"command":"echo 'a b' c"},"schedules":[{"schedule":{"cron":"@daily"},"active":true}]}`, flow)
	post("/deployments/", `{"name":"there","flow_id":%q,"work_pool_name":"fargate"}`, flow)
	kind := s.call(http.MethodGet, "/block_types/slug/secret", "")["id"]
	schema := post("/block_schemas/", `{"fields":{"type":"object","properties":{"value":{"type":"string"}}},"block_type_id":%q}`, kind)["id"]
	post("/block_documents/", `{"name":"api-key","block_type_id":%q,"block_schema_id":%q,"data":{"value":"hunter2"}}`, kind, schema)
	post("/automations/", `{"name":"tell us","trigger":{"type":"event","posture":"Reactive","threshold":1,"within":0,
		"expect":["prefect.flow-run.Failed"]},"actions":[{"type":"do-nothing"}]}`)
}

// berth is the binary with a separate home.
type berth struct {
	t      *testing.T
	binary string
	env    []string
}

func (b berth) run(args ...string) string {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), b.binary, args...)
	cmd.Env = b.env
	output, err := cmd.CombinedOutput()
	if err != nil {
		b.t.Fatalf("berth %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// startDev starts `berth dev`, which the commands then ask.
func (b *berth) startDev() {
	b.t.Helper()
	cmd := exec.Command(b.binary, "dev", "--data-dir", b.t.TempDir(), "--port", "0")
	cmd.Env = b.env
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.t.Fatal(err)
	}
	start(b.t, cmd)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	url, ready := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ready {
		b.t.Fatalf("berth dev printed %q: %v", line, err)
	}
	b.env = append(b.env, "BERTH_API_URL="+url)
}

func TestARealPrefectServerIsImportedAndDeployed(t *testing.T) {
	testenv.Slow(t, "it installs Prefect from the Python package index")
	prefect := startServer(t)
	prefect.fill()

	home, out := t.TempDir(), filepath.Join(t.TempDir(), "made")
	b := &berth{t: t, binary: filepath.Join(home, "bin", "berth"), env: append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home)}
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", b.binary, "../../cmd/berth").CombinedOutput(); err != nil {
		t.Fatalf("build berth: %v\n%s", err, output)
	}
	said := b.run("import", "prefect", "--prefect-url", prefect.url, "--out", out)
	for _, want := range []string{
		"imported 2 work pools, 2 deployments, 4 schedules, 1 variable", "pool fargate: ", "deployment there: ", "secret api-key: ",
		"automation tell us: ", "job_variables.env.KEY is not taken over: it takes the block secret/api-key",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the import does not say %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "hunter2") {
		t.Errorf("the import tells a secret:\n%s", said)
	}

	b.startDev()
	file := filepath.Join(out, "berth.yaml")
	b.run("deploy", "-f", file, "--yes")
	if plan := b.run("deploy", "-f", file, "--dry-run"); !strings.Contains(plan, "nothing to change") {
		t.Errorf("a second deploy would change something:\n%s", plan)
	}
	var made struct {
		Items []struct {
			Name   string
			Active bool
			NextAt string `json:"next_at"`
		}
	}
	if err := json.Unmarshal([]byte(b.run("schedule", "ls", "nightly", "-o", "json")), &made); err != nil || len(made.Items) != 3 {
		t.Errorf("%d schedules: %v", len(made.Items), err)
	}
	preview := b.run("pool", "template", "preview", "k8s", "--deployment", "nightly")
	for _, want := range []string{"registry/etl:1.10", "name: TEAM", "value: data"} {
		if !strings.Contains(preview, want) {
			t.Errorf("the Job has no %q:\n%s", want, preview)
		}
	}
}
