package state

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDirectoryIsAbsoluteAndShortEnoughForSockets(t *testing.T) {
	dir, err := New("relative")
	if err != nil || !filepath.IsAbs(string(dir)) {
		t.Errorf("New(relative) = %q, %v; want an absolute path", dir, err)
	}
	if _, err := New("/" + strings.Repeat("x", maxPath)); err == nil ||
		!strings.Contains(err.Error(), EnvDir) {
		t.Errorf("a directory too long for sockets gave %v; want an error that names %s", err, EnvDir)
	}
}

func TestDirectoryIsTheSameThroughALink(t *testing.T) {
	base, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Symlink(base, base+"-link"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(base + "-link") })
	straight, err := New(base + "/c")
	if err != nil {
		t.Fatal(err)
	}
	linked, err := New(base + "-link/c")
	if err != nil {
		t.Fatal(err)
	}
	if straight != linked || straight.ID() != linked.ID() {
		t.Errorf("%q and %q are the same directory", straight, linked)
	}
}

func TestConfigurationIsReadAsWritten(t *testing.T) {
	dir := Dir(t.TempDir())
	want := Config{Provider: "source", Port: 6443, NodeCount: 2, Args: map[string][]string{"etcd": {"--x=1"}}}
	if err := WriteConfig(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadConfig(dir)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ReadConfig = %+v, %v; want %+v", got, err, want)
	}
	if _, err := ReadConfig(Dir(t.TempDir())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a configuration: %v; want os.ErrNotExist", err)
	}
}

func TestShapeIsNodesAndArguments(t *testing.T) {
	base := Config{NodeCount: 1, Args: map[string][]string{"etcd": {"--x"}}}
	for name, test := range map[string]struct {
		other Config
		want  bool
	}{
		"another port and other programs are the same shape": {Config{NodeCount: 1, Port: 1, Args: base.Args, Binaries: map[string]string{"kube": "k"}}, true},
		"no number of nodes means one":                       {Config{Args: base.Args}, true},
		"two nodes are another shape":                        {Config{NodeCount: 2, Args: base.Args}, false},
		"another argument is another shape":                  {Config{NodeCount: 1, Args: map[string][]string{"etcd": {"--y"}}}, false},
		"an argument less is another shape":                  {Config{NodeCount: 1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := SameShape(base, test.other); got != test.want {
				t.Errorf("SameShape = %v, want %v", got, test.want)
			}
		})
	}
}

func TestArgumentsAreReadByComponent(t *testing.T) {
	got, err := ParseArgs([]string{"etcd=--a=1", "kubelet=--b", "etcd=--c=x=y"})
	want := map[string][]string{"etcd": {"--a=1", "--c=x=y"}, "kubelet": {"--b"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseArgs = %v, %v; want %v", got, err, want)
	}
	for _, wrong := range []string{"etcd", "=--a", "etcd=a", ""} {
		if _, err := ParseArgs([]string{wrong}); err == nil {
			t.Errorf("ParseArgs(%q) took what makes no sense", wrong)
		}
	}
}

func TestNodesHaveAddressesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	nodes := Config{NodeCount: 9}.Nodes()
	for _, node := range nodes {
		for _, own := range []string{node.Name, node.IP, node.PodCIDR} {
			if seen[own] {
				t.Errorf("%s is given twice", own)
			}
			seen[own] = true
		}
	}
	if len(nodes) != 9 || len(Config{}.Nodes()) != 1 {
		t.Errorf("got %d nodes of 9, %d of a configuration that does not say", len(nodes),
			len(Config{}.Nodes()))
	}
}

func TestLockIsHeldByOneAndLeavesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "lock")
	unlock, err := Lock(t.Context(), path, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var told strings.Builder
	if _, err := Lock(short, path, &told); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second Lock gave %v while the first is held", err)
	}
	if !strings.Contains(told.String(), path) {
		t.Errorf("who waits is told %q; want the file's name", told.String())
	}
	unlock()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file is still there: %v", err)
	}
	again, err := Lock(t.Context(), path, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
