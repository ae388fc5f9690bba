package arch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/berth-dev/berth/internal/arch"
)

func TestNoImportGoesThroughAWall(t *testing.T) {
	packages := listPackages(t)
	if len(packages) < 10 {
		t.Fatalf("go list found %d packages, which can not be all", len(packages))
	}
	for _, v := range arch.Violations(packages) {
		t.Error(v)
	}
}

// What a worker or another client links is what it can be attacked through, and what its users download.
func TestClientsLinkNeitherRouterNorValidator(t *testing.T) {
	clients := []string{
		arch.Module + "/server/api", arch.Module + "/server/api/apiclient", arch.Module + "/worker/...",
	}
	out, err := exec.Command("go", append([]string{"list", "-deps"}, clients...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dependencies := strings.Fields(string(out))
	if len(dependencies) < 100 {
		t.Fatalf("go list found %d dependencies, which cannot be all", len(dependencies))
	}
	for _, path := range dependencies {
		for _, unwanted := range []string{
			"github.com/gorilla/mux", "github.com/getkin/kin-openapi",
			arch.Module + "/server/api/apiserver", arch.Module + "/server/api/apispec",
		} {
			if strings.HasPrefix(path, unwanted) {
				t.Errorf("a client links %s", path)
			}
		}
	}
}

// The provider of the tests would be a second way to issue tokens, and code to audit without a use.
func TestTheProductLinksNoProvider(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", arch.Module+"/cmd/berth").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dependencies := strings.Fields(string(out))
	if len(dependencies) < 100 {
		t.Fatalf("go list found %d dependencies, which cannot be all", len(dependencies))
	}
	for _, path := range dependencies {
		if strings.HasPrefix(path, "github.com/zitadel/") || strings.HasPrefix(path, arch.Module+"/internal/") {
			t.Errorf("the binary links %s", path)
		}
	}
}

func TestViolationsAreSeen(t *testing.T) {
	for _, tc := range []struct {
		name     string
		from, to string
		want     string
	}{
		{"the language may not know the server", "templating", arch.Module + "/server", "templating imports server"},
		{"the worker may not know the server's inside", "worker", arch.Module + "/server/store", "worker imports server/store"},
		{"the worker may know the wire types", "worker", arch.Module + "/server/api", ""},
		{
			"the client knows the wire types only",
			"server/api/apiclient", arch.Module + "/server/api/apispec", "server/api/apiclient imports server/api/apispec",
		},
		{"the lifecycle may know the wire types", "server/lifecycle", arch.Module + "/server/api", ""},
		{"the lifecycle may not know the store", "server/lifecycle", arch.Module + "/server/store", "server/lifecycle imports server/store"},
		{"the API knows nothing of ours", "server/api", arch.Module + "/templating", "server/api imports templating"},
		{"the server may not know the worker", "server", arch.Module + "/worker/job", "server imports worker/job"},
		{"held attempts may not call the server", "worker/held", arch.Module + "/server/api/apiclient", "worker/held imports server/api/apiclient"},
		{"held attempts do no I/O", "worker/held", "net/http", "worker/held imports net/http"},
		{"the output buffer may not know held attempts", "worker/output", arch.Module + "/worker/held", "worker/output imports worker/held"},
		{"a runtime may not know held attempts", "worker/process", arch.Module + "/worker/held", "worker/process imports worker/held"},
		{"client-go stays in worker/kube", "worker", "k8s.io/client-go/kubernetes", "worker imports k8s.io/client-go/kubernetes"},
		{"worker/kube may use client-go", "worker/kube", "k8s.io/client-go/rest", ""},
		{"observing knows no client-go", "worker/kube/observe", "k8s.io/client-go/kubernetes", "worker/kube/observe imports k8s.io/client-go/kubernetes"},
		{"observing knows no finalizer code, which links client-go", "worker/kube/observe", arch.Module + "/worker/kube/finalizer", "worker/kube/observe imports worker/kube/finalizer"},
		{"observing may know the API's types", "worker/kube/observe", "k8s.io/api/batch/v1", ""},
		{"drivers stay in the database package", "server/store", "github.com/jmoiron/sqlx", "server/store imports github.com/jmoiron/sqlx"},
		{"SQL stays in the store", "server/handler", arch.Module + "/server/store/database", "server/handler imports server/store/database"},
		{"the database package may use drivers", "server/store/database", "github.com/lib/pq", ""},
		{"the database package knows nothing of ours", "server/store/database", arch.Module + "/server/lifecycle", "server/store/database imports server/lifecycle"},
		{"the language knows no Kubernetes", "templating", "k8s.io/api/batch/v1", "templating imports k8s.io/api/batch/v1"},
		{"the scheduler knows no HTTP", "server/scheduler", "net/http", "server/scheduler imports net/http"},
		{"making a run knows no HTTP", "server/newrun", "net/http/httptest", "server/newrun imports net/http/httptest"},
		{"applying a file knows no HTTP handler", "server/apply", arch.Module + "/server/handler", "server/apply imports server/handler"},
		{"the catalog knows nothing of runs", "server/catalog", arch.Module + "/server/newrun", "server/catalog imports server/newrun"},
		{"handlers may apply files", "server/handler", arch.Module + "/server/apply", ""},
		{"test support is for tests", "server", arch.Module + "/internal/pgtest", "server imports internal/pgtest"},
		{"test support may use test support", "server/store/storetest", arch.Module + "/internal/pgtest", ""},
		{"a folder without a rule imports nothing of ours", "misc", arch.Module + "/templating", "misc imports templating"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := arch.Violations(
				[]arch.Package{{ImportPath: arch.Module + "/" + tc.from, Imports: []string{tc.to}}})
			switch {
			case tc.want == "" && len(got) > 0:
				t.Errorf("refused: %v", got)
			case tc.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tc.want)):
				t.Errorf("got %v, want one that begins with %q", got, tc.want)
			}
		})
	}
}

func listPackages(t *testing.T) []arch.Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", arch.Module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var packages []arch.Package
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p arch.Package
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
