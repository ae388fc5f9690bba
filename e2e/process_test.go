package e2e

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a berth process that the test started on this host.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	log    *logBuffer
}

// logBuffer keeps the output of a process for the report of a failed test.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startProcess starts the binary and waits until it prints a line that begins with "ready"; it returns the
// rest of that line. The process ends with the test.
func startProcess(t testing.TB, env []string, args ...string) (*process, string) {
	t.Helper()
	p := &process{cmd: exec.Command(binary, args...), exited: make(chan struct{}), log: &logBuffer{}}
	p.cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin"}, env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go p.wait(stdout, ready)
	t.Cleanup(func() {
		p.kill(t)
		if t.Failed() {
			t.Logf("berth %s:\n%s", strings.Join(args, " "), p.log)
		}
	})
	select {
	case line := <-ready:
		return p, line
	case <-p.exited:
		t.Fatalf("berth %s ended before it was ready:\n%s", strings.Join(args, " "), p.log)
	case <-time.After(patience):
		t.Fatalf("berth %s is not ready:\n%s", strings.Join(args, " "), p.log)
	}
	return nil, ""
}

func (p *process) wait(stdout io.Reader, ready chan<- string) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "ready"); ok {
			select {
			case ready <- strings.TrimSpace(rest):
			default:
			}
		}
		_, _ = io.WriteString(p.log, lines.Text()+"\n")
	}
	_ = p.cmd.Wait() // the exit status does not matter: tests kill it
	close(p.exited)
}

// kill sends SIGKILL and waits until the process is gone.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("kill: %v", err)
	}
	<-p.exited
}

// hosted is an installation whose server and workers are processes of this host, while its Jobs run in the
// cluster.
type hosted struct {
	site
	dir    string
	listen string
	server *process
}

// startHosted starts a server on SQLite and gives it the pool of the scenarios, without a worker.
func startHosted(t testing.TB, c *cluster) *hosted {
	t.Helper()
	h := startBare(t, c, nil)
	h.createPool(t)
	return h
}

// startBare starts a server on SQLite that has no pool yet.
func startBare(t testing.TB, c *cluster, labels map[string]string) *hosted {
	t.Helper()
	h := &hosted{dir: t.TempDir(), listen: "127.0.0.1:0"}
	h.cluster = c
	h.jobs = c.namespace(t, "berth-hosted", labels)
	h.pool = "hosted"
	h.cli = cli{dir: t.TempDir()}
	h.startServer(t)
	return h
}

// startServer starts the server, the second time on the address and the data of the first.
func (h *hosted) startServer(t testing.TB) {
	t.Helper()
	server, url := startProcess(t, nil, "server", "--listen", h.listen, "--data-dir",
		filepath.Join(h.dir, "server"), "--auth", "none", "--lease", "5s")
	h.server, h.url, h.listen = server, url, strings.TrimPrefix(url, "http://")
}

// startWorker starts a worker of the pool under the given name.
func (h *hosted) startWorker(t testing.TB, name string) *process {
	t.Helper()
	worker, _ := startProcess(t, []string{"BERTH_API_URL=" + h.url}, "worker", "start", "--pool", h.pool,
		"--type", "kubernetes", "--name", name, "--kubeconfig", h.kubeconfig, "--namespace", h.jobs,
		"--metrics-listen", "127.0.0.1:0")
	return worker
}
