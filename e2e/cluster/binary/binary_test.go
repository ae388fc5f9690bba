package binary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReportedVersionIsThePinnedOne(t *testing.T) {
	data, err := os.ReadFile("../kube/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), "k8s.io/kubernetes "+KubernetesVersion+"\n") {
		t.Errorf("kube/go.mod does not pin k8s.io/kubernetes at %s, which the API server would report",
			KubernetesVersion)
	}
}

func TestProgramIsBuiltOnceForItsSources(t *testing.T) {
	source := t.TempDir()
	write(t, source, "pause/go.mod", "module pause\n\ngo 1.24\n")
	write(t, source, "pause/main.go", "package main\n\nfunc main() {}\n")
	var told strings.Builder
	builder := &Builder{Source: source, Cache: t.TempDir(), Progress: &told}
	first := build(t, builder)
	if again := build(t, builder); again != first || strings.Count(told.String(), "building") != 1 {
		t.Errorf("built %s, then %s, and said:\n%s", first, again, told.String())
	}
	write(t, source, "pause/main.go", "package main\n\nfunc main() { println() }\n")
	if changed := build(t, builder); changed == first {
		t.Error("other sources gave the same file")
	}
}

func TestBuildThatFailsLeavesNothingThatLooksBuilt(t *testing.T) {
	source := t.TempDir()
	write(t, source, "pause/go.mod", "module pause\n\ngo 1.24\n")
	write(t, source, "pause/main.go", "package main\n\nfunc main() { undefined() }\n")
	builder := &Builder{Source: source, Cache: t.TempDir(), Progress: &strings.Builder{}}
	if _, err := builder.Build(t.Context(), "pause"); err == nil ||
		!strings.Contains(err.Error(), "undefined") {
		t.Errorf("error is %v; want the compiler's", err)
	}
	left, err := os.ReadDir(builder.Cache)
	if err != nil || len(left) != 0 {
		t.Errorf("the cache holds %v, %v", left, err)
	}
}

func TestUnknownProgramIsRefused(t *testing.T) {
	if _, err := (&Builder{Cache: t.TempDir()}).Build(t.Context(), "nonsense"); err == nil {
		t.Error("Build took a name that it does not know")
	}
}

func build(t *testing.T, builder *Builder) string {
	t.Helper()
	path, err := builder.Build(t.Context(), "pause")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&0o111 == 0 {
		t.Fatalf("%s can not be run: %v", path, err)
	}
	return path
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
