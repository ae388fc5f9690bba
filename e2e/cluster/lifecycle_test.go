package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/berth-dev/berth/e2e/cluster/binary"
	"github.com/berth-dev/berth/e2e/cluster/image"
	"github.com/berth-dev/berth/e2e/cluster/local"
	"github.com/berth-dev/berth/e2e/cluster/node"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// TestClusterLivesAndLeavesNothing starts and stops a separate cluster, beside any cluster that is up.
func TestClusterLivesAndLeavesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "a cluster built from source needs root")
	}
	if testing.Short() {
		missing(t, "a cluster takes too long for -short")
	}
	cluster := newCluster(t)
	before := traces(t, cluster.Dir)
	up(t, cluster)

	t.Run("a pod that is not root finds names and writes to its volume",
		func(t *testing.T) { runsWorkload(t, cluster) })
	t.Run("the product's image runs with a read-only root", func(t *testing.T) { runsProduct(t, cluster) })
	t.Run("PostgreSQL runs from its image", func(t *testing.T) { runsPostgres(t, cluster) })
	t.Run("up again changes nothing", func(t *testing.T) {
		first := status(t, cluster).PID
		up(t, cluster)
		if again := status(t, cluster).PID; again != first {
			t.Errorf("the first process is %d, was %d", again, first)
		}
	})
	for _, component := range []string{"kube-apiserver", "etcd", "containerd", "kubelet"} {
		t.Run("it survives kill -9 of "+component, func(t *testing.T) { survivesKill(t, cluster, component) })
	}
	t.Run("up after kill -9 of everything starts anew", func(t *testing.T) {
		kill(t, status(t, cluster).PID)
		up(t, cluster)
	})
	t.Run("down leaves nothing, twice", func(t *testing.T) {
		for range 2 {
			if err := cluster.Down(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if after := traces(t, cluster.Dir); after != before {
			t.Errorf("traces of the cluster are left.\nbefore:\n%s\nafter:\n%s", before, after)
		}
	})
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("REQUIRE_ALL") == "1" {
		t.Fatalf("not run, and REQUIRE_ALL=1: %s", what)
	}
	t.Skipf("not run: %s", what)
}

// newCluster returns a cluster in a new directory; it is taken down when the test ends.
func newCluster(t *testing.T) *local.Cluster {
	t.Helper()
	path, err := os.MkdirTemp("", "berth") // t.TempDir is too long for the sockets
	if err != nil {
		t.Fatal(err)
	}
	dir, err := state.New(path)
	if err != nil {
		t.Fatal(err)
	}
	builder, err := binary.NewBuilder(".", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	cluster := &local.Cluster{Dir: dir, Builder: builder, Progress: os.Stderr}
	t.Cleanup(func() {
		if t.Failed() {
			showLogs(t, dir)
		}
		if err := cluster.Down(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("take the cluster down: %v", err)
		}
	})
	return cluster
}

// showLogs prints the end of every component's log, for whoever has to find out why a test failed.
func showLogs(t *testing.T, dir state.Dir) {
	t.Helper()
	logs, err := filepath.Glob(dir.Path("log", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range logs {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		t.Logf("%s ends with:\n%s", filepath.Base(path), data[max(0, len(data)-2000):])
	}
}

func up(t *testing.T, cluster *local.Cluster) {
	t.Helper()
	if err := cluster.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := status(t, cluster); !status.Up {
		t.Fatalf("up ended well, but the cluster is not up: %s", status.Detail)
	}
}

func survivesKill(t *testing.T, cluster *local.Cluster, name string) {
	killed := component(t, cluster, name)
	kill(t, killed.PID)
	await(t, "the supervisor to notice", func(context.Context) (bool, error) {
		return component(t, cluster, name).PID != killed.PID, nil
	})
	up(t, cluster)
	again := component(t, cluster, name)
	if again.PID == killed.PID || again.PID == 0 || again.Restarts != killed.Restarts+1 {
		t.Errorf("%s is %+v, was %+v", name, again, killed)
	}
}

func component(t *testing.T, cluster *local.Cluster, name string) node.ComponentStatus {
	t.Helper()
	for _, component := range status(t, cluster).Components {
		if component.Name == name {
			return component
		}
	}
	t.Fatalf("there is no component called %s", name)
	return node.ComponentStatus{}
}

// kill ends a process and returns when it has ended.
func kill(t *testing.T, pid int) {
	t.Helper()
	if pid <= 1 {
		t.Fatalf("there is no process to kill: %d", pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, fmt.Sprintf("end of process %d", pid), func(context.Context) (bool, error) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return errors.Is(err, fs.ErrNotExist) || bytes.Contains(data, []byte(") Z ")), nil
	})
}

func client(t *testing.T, cluster *local.Cluster) kubernetes.Interface {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// loadProduct packs a static program as if it were the product, and loads it.
func loadProduct(t *testing.T, cluster *local.Cluster) {
	t.Helper()
	program, err := cluster.Builder.Build(t.Context(), "etcd")
	if err != nil {
		t.Fatal(err)
	}
	spec, err := image.Berth(t.Context(), program, "test")
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	if err := writeArchive(t.Context(), os.Stderr, archive, spec); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Load(t.Context(), archive); err != nil {
		t.Fatal(err)
	}
}

// traces lists everything on the machine that a cluster in dir could leave: processes that mention it, mounts
// below it, its control groups, and packet filter rules for its addresses.
func traces(t *testing.T, dir state.Dir) string {
	t.Helper()
	var found strings.Builder
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range processes {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte(dir)) {
			fmt.Fprintf(&found, "process %s\n", bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, string(dir)) {
			found.WriteString("mount " + line)
		}
	}
	groups, err := filepath.Glob("/sys/fs/cgroup/*/" + dir.Cgroup())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&found, "control groups %v\n", groups)
	rules, err := exec.Command("iptables-save").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rules)) {
		if strings.Contains(line, "10.96.0.") || strings.Contains(line, "10.88.") {
			found.WriteString("packet filter rule " + line)
		}
	}
	return found.String()
}
