package local

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

func TestMountsBelowAreListedTheDeepestFirst(t *testing.T) {
	const mountinfo = `21 1 254:0 / / rw - ext4 /dev/vda rw
30 21 0:5 / /state rw - tmpfs t rw
31 30 0:6 / /state/volumes rw - tmpfs t rw
32 31 0:7 / /state/volumes/a\040b rw - tmpfs t rw
33 32 0:8 / /state/volumes/a\040b rw - tmpfs t rw
34 21 0:9 / /state2 rw - tmpfs t rw
35 21 0:9 / /other/state rw - tmpfs t rw
`
	want := []string{"/state/volumes/a b", "/state/volumes/a b", "/state/volumes", "/state"}
	if got := mountsBelow(mountinfo, "/state"); !slices.Equal(got, want) {
		t.Errorf("mountsBelow = %q, want %q", got, want)
	}
}

func TestCleaningRefusesADirectoryThatIsNotACluster(t *testing.T) {
	dir := state.Dir(t.TempDir())
	precious := filepath.Join(string(dir), "thesis.tex")
	if err := os.WriteFile(precious, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := claim(dir); err == nil {
		t.Error("claim took a directory with other things in it")
	}
	if err := clean(dir); err == nil {
		t.Error("clean did not refuse a directory with other things in it")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
}

func TestCleaningRemovesAClaimedDirectoryAndMayBeRepeated(t *testing.T) {
	dir := state.Dir(filepath.Join(t.TempDir(), "c"))
	if err := claim(dir); err != nil {
		t.Fatal(err)
	}
	if err := claim(dir); err != nil {
		t.Errorf("claiming again: %v", err)
	}
	if err := os.MkdirAll(dir.Path("node-1", "kubelet"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := clean(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(string(dir)); !os.IsNotExist(err) {
			t.Errorf("the directory is still there: %v", err)
		}
	}
}
