package provider

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// fakeKind stands in for kind, which needs a Docker engine: it notes how it was called, and knows the
// clusters that were created and not deleted. Its kubeconfig leads nowhere.
const fakeKind = `#!/bin/sh
echo "$*" >>"$FAKE/calls"
case "$1 $2" in
"create cluster") echo "$4" >"$FAKE/cluster"; echo "{}" >"$8" ;;
"delete cluster") rm -f "$FAKE/cluster" ;;
"get clusters") cat "$FAKE/cluster" 2>/dev/null || true ;;
"load image-archive") [ -e "$3" ] || { echo "no such archive" >&2; exit 1; } ;;
esac
`

func TestKindIsAskedForAClusterOfTheDirectory(t *testing.T) {
	kind, calls := newKind(t)
	if status, err := kind.Status(t.Context()); err != nil || status.Up || status.Detail == "" {
		t.Errorf("before anything, status is %+v, %v", status, err)
	}
	if err := kind.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "create cluster --name " + kind.name() + " --config " + kind.Config + " --kubeconfig " + kind.Kubeconfig() + " --wait 120s"
	if got := calls(); !strings.Contains(got, want) {
		t.Errorf("kind was called:\n%swant:\n%s", got, want)
	}
	config, err := state.ReadConfig(kind.Dir)
	if err != nil || config.Provider != "kind" {
		t.Errorf("the directory says %+v, %v", config, err)
	}
}

func TestKindClusterThatDoesNotAnswerIsMadeAnew(t *testing.T) {
	kind, calls := newKind(t)
	for range 2 {
		if err := kind.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := calls(); strings.Count(got, "create cluster") != 2 ||
		strings.Count(got, "delete cluster") != 1 {
		t.Errorf("kind was called:\n%s", got)
	}
}

func TestKindErrorsSayWhatKindSaid(t *testing.T) {
	kind, _ := newKind(t)
	if err := kind.Load(t.Context(), "/nonexistent.tar"); err == nil ||
		!strings.Contains(err.Error(), "no such archive") {
		t.Errorf("error is %v", err)
	}
}

func TestKindClusterLeavesNoDirectory(t *testing.T) {
	kind, calls := newKind(t)
	if err := kind.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := kind.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(calls(), "delete cluster --name "+kind.name()) {
		t.Errorf("kind was called:\n%s", calls())
	}
	if _, err := os.Stat(string(kind.Dir)); !os.IsNotExist(err) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func newKind(t *testing.T) (kind Kind, calls func() string) {
	t.Helper()
	fake := t.TempDir()
	if err := os.WriteFile(filepath.Join(fake, "kind"), []byte(fakeKind), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAKE", fake)
	t.Setenv("PATH", fake+":"+os.Getenv("PATH"))
	kind = Kind{Dir: state.Dir(filepath.Join(fake, "c")), Progress: io.Discard, Config: "/kind-config.yaml"}
	return kind, func() string {
		data, err := os.ReadFile(filepath.Join(fake, "calls"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}
