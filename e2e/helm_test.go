package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/internal/testenv"
)

// helm is a Helm program, by the package that it is built from.
type helm string

const (
	helm3 helm = "helm.sh/helm/v3/cmd/helm@v3.22.0"
	helm4 helm = "helm.sh/helm/v4/cmd/helm@v4.3.2"
)

// building lets one test at a time build a program; the others find it.
var building sync.Mutex

var noProxy = regexp.MustCompile(`dial tcp|no such host|i/o timeout|GOPROXY=off`)

// program builds Helm once for this machine, as a user's package manager would install it.
func (h helm) program(t testing.TB) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "berth", "e2e", strings.ReplaceAll(string(h), "/", "_"))
	path := filepath.Join(dir, "helm")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, "go", "install", string(h))
	install.Dir = t.TempDir() // outside of any module
	install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		if noProxy.Match(out) {
			testenv.Missing(t, "Helm cannot be built: no Go module proxy answers")
		}
		t.Fatalf("go install %s: %v\n%s", h, err, out)
	}
	return path
}

// run runs Helm on the cluster and returns how it ended.
func (h helm) run(t testing.TB, c *cluster, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.program(t), args...)
	home := t.TempDir()
	cmd.Env = []string{"KUBECONFIG=" + c.kubeconfig, "HOME=" + home, "PATH=/usr/bin:/bin"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	out := result{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// ok runs Helm, demands exit code 0 and returns standard output.
func (h helm) ok(t testing.TB, c *cluster, args ...string) string {
	t.Helper()
	out := h.run(t, c, args...)
	if out.code != 0 {
		t.Fatalf("helm %s: exit code %d\n%s", strings.Join(args, " "), out.code, out)
	}
	return out.stdout
}

// valuesFile writes values where Helm can read them.
func valuesFile(t testing.TB, values map[string]any) string {
	t.Helper()
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "values.yaml")
	writeFile(t, path, string(text))
	return path
}

// apply applies a stream of manifests as kubectl does, which knows no hooks.
func (c *cluster) apply(t testing.TB, manifests string) {
	t.Helper()
	client, err := dynamic.NewForConfig(c.config)
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.client.Discovery()))
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifests)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := yaml.YAMLToJSON(document)
		if err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		object := &unstructured.Unstructured{}
		if err := json.Unmarshal(text, &object.Object); err != nil || object.Object == nil {
			continue // only comments
		}
		kind := object.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Resource(mapping.Resource).Namespace(object.GetNamespace()).Apply(t.Context(), object.GetName(), object,
			metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		if err != nil {
			t.Fatalf("apply %s %s: %v", kind.Kind, object.GetName(), err)
		}
	}
}
