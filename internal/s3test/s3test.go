// Package s3test starts a storage that speaks the S3 protocol for tests: the Versity S3 Gateway, which keeps objects
// in a directory. It is built by its own module, gateway, whose many dependencies this one does not need.
//
// A test reaches it through a proxy that can do what networks do: lose requests and answers, and cut them off.
// The process ends with the test, and with the process of the test, however that ends.
package s3test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/testenv"
)

// Credentials of every gateway.
const (
	AccessKey = "berth-test"
	SecretKey = "berth-test-secret"
)

// Bucket is in every gateway.
const Bucket = "outputs"

// SetCredentials gives the process the credentials, in its environment. TestMain calls it.
func SetCredentials() error {
	return errors.Join(os.Setenv("AWS_ACCESS_KEY_ID", AccessKey), os.Setenv("AWS_SECRET_ACCESS_KEY", SecretKey),
		os.Setenv("AWS_EC2_METADATA_DISABLED", "true"))
}

// Gateway is a running storage.
type Gateway struct {
	URL      string // of the proxy
	dir      string
	process  *exec.Cmd
	lifeline io.WriteCloser // closing it kills the gateway
	proxy    *proxy
}

// supervise kills the gateway when its input ends. Without a last line it ended with the process of the test, which
// could not remove the directory.
const supervise = `"$@" </dev/null >"$DIR/log" 2>&1 &
read -r _ && keep=1
kill -9 $!
wait
[ "$keep" ] || rm -rf "$DIR"
`

// Start starts a storage for this test with an empty bucket.
func Start(t testing.TB) *Gateway {
	t.Helper()
	dir, err := os.MkdirTemp("", "berth-s3-") // short, for the path of the socket
	if err != nil {
		t.Fatal(err)
	}
	g := &Gateway{dir: dir}
	g.proxy = newProxy(g.socket())
	front := httptest.NewServer(g.proxy)
	g.URL = front.URL
	t.Cleanup(func() {
		front.Close()
		g.Kill(t)
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the storage: %v", err)
		}
	})
	for _, folder := range []string{"data", "meta"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	g.Restart(t)
	g.createBucket(t)
	return g
}

func (g *Gateway) socket() string { return filepath.Join(g.dir, "s") }

// Restart starts the storage again after Kill, with the objects that it has stored.
func (g *Gateway) Restart(t testing.TB) {
	t.Helper()
	if err := os.Remove(g.socket()); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	g.process = exec.Command("/bin/sh", "-c", supervise, "supervise", binary(t), "--port", g.socket(), "posix",
		"--sidecar", filepath.Join(g.dir, "meta"), filepath.Join(g.dir, "data"))
	g.process.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey,
		"DIR="+g.dir)
	g.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if g.lifeline, err = g.process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := g.process.Start(); err != nil {
		t.Fatalf("start the storage: %v", err)
	}
	if err := g.awaitReady(t.Context()); err != nil {
		log, _ := os.ReadFile(filepath.Join(g.dir, "log"))
		t.Fatalf("start the storage: %v\n%s", err, log)
	}
}

func (g *Gateway) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		connection, err := net.Dial("unix", g.socket())
		if err == nil {
			return connection.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// Kill kills the storage, with all requests that it handles.
func (g *Gateway) Kill(t testing.TB) {
	t.Helper()
	if g.lifeline == nil {
		return
	}
	_, err := io.WriteString(g.lifeline, "\n")
	err = errors.Join(err, g.lifeline.Close())
	g.lifeline = nil
	if wait := g.process.Wait(); err != nil || wait != nil && !strings.Contains(wait.Error(), "exit status") {
		t.Errorf("kill the storage: %v, %v", err, wait)
	}
}

// Files lists what the bucket holds, with the parts of unfinished uploads.
func (g *Gateway) Files(t testing.TB) []string {
	t.Helper()
	root := filepath.Join(g.dir, "data", Bucket)
	var files []string
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			var inside string
			if inside, err = filepath.Rel(root, path); err == nil {
				files = append(files, filepath.ToSlash(inside))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Damage changes a stored object behind the back of the storage.
func (g *Gateway) Damage(t testing.TB, key string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(g.dir, "data", Bucket, filepath.FromSlash(key))
	content, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(content), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// built is the binary, built once in a process: a package variable, because every test of it needs it.
var built struct {
	once sync.Once
	path string
	err  error
}

// binary builds the gateway, which takes a minute on a new machine, and returns its path in the build cache.
func binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		_, source, _, _ := runtime.Caller(0)
		build := exec.Command(testenv.Program(t, "go", "install Go"), "tool", "-n", "versitygw")
		build.Dir = filepath.Join(filepath.Dir(source), "gateway")
		out, err := build.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		built.path, built.err = strings.TrimSpace(string(out)), err
	})
	if built.err != nil {
		t.Fatalf("build the storage of the tests: %v", built.err)
	}
	return built.path
}
