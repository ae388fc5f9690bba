package arch_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/arch"
	"github.com/berth-dev/berth/templating/manifest"
)

func TestFinalizersAreTouchedInOnePackage(t *testing.T) {
	const root = "../.."
	seen := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() &&
			(entry.Name() == ".git" || entry.Name() == "build" || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		inside, err := filepath.Rel(root, path)
		if err != nil || entry.IsDir() {
			return err
		}
		inside = filepath.ToSlash(inside)
		switch filepath.Ext(path) {
		case ".go":
			seen++
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			found, err := arch.FinalizerViolations(inside, source, manifest.Finalizer)
			for _, v := range found {
				t.Error(v)
			}
			return err
		case ".sh", ".tpl", ".yaml", ".yml", ".js", ".html":
			if strings.Contains(inside, "testdata/") || strings.HasPrefix(inside, "templating/manifest/") {
				return nil // what a cluster or a template showed
			}
			source, err := os.ReadFile(path)
			if strings.Contains(string(source), manifest.Finalizer) {
				t.Errorf("%s: the name of our finalizer is spelled here", inside)
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 300 {
		t.Errorf("looked at %d Go files, which can not be all", seen)
	}
}

func TestWhatTouchesAFinalizerElsewhereIsSeen(t *testing.T) {
	for _, tc := range []struct {
		name, path, body string
		want             bool
	}{
		{"the name spelled in the worker", "worker/kube/x.go", `const f = "` + manifest.Finalizer + `"`, true},
		{"the name spelled in a test", "e2e/x_test.go", `const f = "held by ` + manifest.Finalizer + `"`, true},
		{"the name where it belongs", "templating/manifest/name.go", `const f = "` + manifest.Finalizer + `"`, false},
		{"an assignment", "worker/kube/x.go", `func f(j *J) { j.Finalizers = nil }`, true},
		{"an assignment in a test", "worker/kube/x_test.go", `func f(j *J) { j.Finalizers = nil }`, false},
		{"a setter", "server/x.go", `func f(j J) { j.SetFinalizers(nil) }`, true},
		{"a patch", "worker/kube/x.go", `var p = map[string]any{"finalizers": nil}`, true},
		{"a patch where it belongs", "worker/kube/finalizer/x.go", `var p = map[string]any{"finalizers": nil}`, false},
		{"reading them", "worker/kube/x.go", `func f(j J) int { return len(j.Finalizers) }`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, err := arch.FinalizerViolations(tc.path, []byte("package x\n"+tc.body), manifest.Finalizer)
			if err != nil {
				t.Fatal(err)
			}
			if (len(found) > 0) != tc.want {
				t.Errorf("found %v", found)
			}
		})
	}
}
