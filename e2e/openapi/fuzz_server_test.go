package openapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/seal"
)

// patience bounds waits for what must happen. Only failing tests wait that long.
const patience = 2 * time.Minute

// testServer is a `berth server` process.
type testServer struct {
	url, admin, worker string
	exited             chan struct{}
}

func buildBerth(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "berth")
	build := command{name: "go", env: []string{"CGO_ENABLED=0"}}
	if output, err := build.run(t.Context(), "build", "-o", binary, "../../cmd/berth"); err != nil {
		t.Fatalf("build the server: %v\n%s", err, output)
	}
	return binary
}

// publicURL is where people reach the server, as it tells the sign-in provider and the recipients of tokens.
const publicURL = "https://berth.example.com"

// startServer starts a server that ends with the test.
func startServer(t *testing.T, binary string, provider *oidctest.Provider, arguments ...string) *testServer {
	t.Helper()
	provider.Register(publicURL + "/sign-in/callback")
	access := filepath.Join(t.TempDir(), "access.yaml")
	const grants = "grants: [{user: ada@example.com, role: viewer}, {user: bob@example.com, role: viewer}]\n"
	if err := os.WriteFile(access, []byte(grants), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &testServer{admin: newKey(t), worker: newKey(t), exited: make(chan struct{})}
	cmd := exec.Command(binary, append([]string{"server", "--listen", "127.0.0.1:0", "--rate-limit", "0",
		"--ensure-pool", poolName + "=kubernetes", "--public-url", publicURL, "--access-file", access,
		"--webhook-allow", "http://127.0.0.1=127.0.0.0/8", "--oidc-issuer", provider.URL, "--oidc-client-id", oidctest.ClientID}, arguments...)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "BERTH_BOOTSTRAP_ADMIN_KEY=" + s.admin,
		"BERTH_BOOTSTRAP_WORKER_KEY=" + s.worker,
		"BERTH_OIDC_CLIENT_SECRET=" + oidctest.ClientSecret, "BERTH_IDENTITY_KEY=" + newIdentityKey(t)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var log bytes.Buffer
	cmd.Stderr = &log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		defer close(s.exited)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
				ready <- url
			}
		}
		_ = cmd.Wait() // it is interrupted below
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-s.exited:
		case <-time.After(patience):
			t.Error("the server does not stop")
			_ = cmd.Process.Kill()
			<-s.exited
		}
		if t.Failed() {
			t.Logf("log of the server:\n%s", &log)
		}
	})
	select {
	case s.url = <-ready:
	case <-s.exited:
		t.Fatalf("the server ended before it was ready:\n%s", &log)
	case <-time.After(patience):
		t.Fatal("the server is not ready")
	}
	return s
}

func newKey(t *testing.T) string {
	t.Helper()
	key, err := apikey.New()
	if err != nil {
		t.Fatal(err)
	}
	return key.Text
}

// newIdentityKey is a key that encrypts the keys that sign run tokens.
func newIdentityKey(t *testing.T) string {
	t.Helper()
	key, err := seal.NewText()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// call calls the API and decodes its answer, which must be a success.
func (s *testServer) call(t *testing.T, key, method, path string, body, answer any) {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= 300 {
		t.Fatalf("%s %s: %s: %v: %s", method, path, response.Status, err, content)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(content, answer); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, content)
	}
}

// metrics reads the metrics of the server.
func (s *testServer) metrics(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	request.Header.Set("Authorization", "Bearer "+s.admin)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// usage is what the server process takes.
type usage struct {
	memory     uint64 // resident, in bytes
	goroutines int
	cpu        time.Duration // since the start
}

func (u usage) String() string {
	return fmt.Sprintf("%d MB, %d goroutines, %s of CPU", u.memory>>20, u.goroutines, u.cpu)
}

func (s *testServer) usage(t *testing.T) usage {
	t.Helper()
	m := s.metrics(t)
	return usage{
		memory:     uint64(m["process_resident_memory_bytes"].GetMetric()[0].GetGauge().GetValue()),
		goroutines: int(m["go_goroutines"].GetMetric()[0].GetGauge().GetValue()),
		cpu: time.Duration(m["process_cpu_seconds_total"].GetMetric()[0].GetCounter().GetValue() *
			float64(time.Second)),
	}
}

const (
	// idleShare is the share of a core that an idle server may take. The loops of a server run every second.
	idleShare = 0.1
	// moreMemory and moreGoroutines are how much more a server may take than before. Caches have bounds.
	moreMemory, moreGoroutines = 96 << 20, 4
)

// waitUntilIdle waits until the server takes no more than before, and returns what it takes.
func (s *testServer) waitUntilIdle(t *testing.T, before *usage) usage {
	t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last, at := s.usage(t), time.Now()
	for {
		<-ticker.C
		now := s.usage(t)
		share := (now.cpu - last.cpu).Seconds() / time.Since(at).Seconds()
		last, at = now, time.Now()
		idle := share < idleShare
		if before != nil {
			idle = idle && now.memory <= before.memory+moreMemory && now.goroutines <= before.goroutines+moreGoroutines
		}
		switch {
		case idle:
			return now
		case at.After(deadline):
			t.Errorf("the server is not idle: it takes %v, and %.0f %% of a core; before it took %v", now,
				100*share, before)
			return now
		}
	}
}

// leastServed is the share of the operations that the fuzzer must have called with success. Some need what only a
// story brings about, such as something to approve.
const leastServed = 0.9

// servedMost checks that the fuzzer has got behind the checks of nearly all operations, and that no answer was a server
// error.
func (s *testServer) servedMost(t *testing.T) {
	t.Helper()
	served := map[string]bool{}
	for _, m := range s.metrics(t)["berth_http_request_seconds"].GetMetric() {
		labels := map[string]string{}
		for _, pair := range m.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		operation := labels["method"] + " " + labels["route"]
		switch {
		case strings.HasPrefix(labels["code"], "2"):
			served[operation] = true
		case strings.HasPrefix(labels["code"], "5"):
			t.Errorf("%s was answered with %s, %d times", operation, labels["code"],
				m.GetHistogram().GetSampleCount())
		}
	}
	all := operationsOf(t)
	missed := slices.DeleteFunc(slices.Clone(all), func(operation string) bool { return served[operation] })
	t.Logf("never answered with success: %s", strings.Join(missed, ", "))
	if float64(len(all)-len(missed)) < leastServed*float64(len(all)) {
		t.Errorf("%d of %d operations were never answered with success", len(missed), len(all))
	}
}
