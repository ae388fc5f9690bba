package arch

import (
	"fmt"
	"strings"
)

// Module is the project's module path.
const Module = "github.com/berth-dev/berth"

// A room is a folder with the folders of ours that it may import. The longest prefix of a package's path
// decides which room it is in. A room may always import itself and what lies below it.
type room struct {
	path string
	may  []string
}

func rooms() []room {
	return []room{
		{"cmd", []string{"server", "worker", "templating", "charts"}},
		{"server", []string{"templating"}},
		{"server/api", nil},
		{"server/api/apiclient", []string{"server/api"}},
		{"server/api/apiserver", []string{"server/api"}},
		{"server/api/apispec", nil},
		{"server/apikey", nil},
		{"server/lifecycle", []string{"server/api"}},
		{"server/jsondoc", []string{"templating"}},
		{"server/finding", []string{"server/api", "server/problem", "templating"}},
		{"server/timetable", serverRecords()},
		{"server/wire", append(serverRecords(), "server/logline", "server/timetable")},
		{"server/catalog", serverRecords()},
		{"server/rulebook", append(serverRecords(), "server/access", "server/wire")},
		{
			"server/newrun",
			append(serverRecords(), "server/access", "server/catalog", "server/rulebook", "server/wire"),
		},
		{"server/approval", append(serverRecords(), "server/access", "server/wire")},
		{
			"server/apply",
			append(serverRecords(), "server/access", "server/approval", "server/catalog", "server/newrun", "server/rulebook",
				"server/wire"),
		},
		{
			"server/impact",
			append(serverRecords(), "server/catalog", "server/newrun", "server/rulebook", "server/wire"),
		},
		{"server/scheduler", append(serverRecords(), "server/newrun", "server/rulebook", "server/wire")},
		{"server/archive", nil},
		{"server/logline", []string{"server/store"}},
		{"server/archiver", []string{"server/archive", "server/metric", "server/store"}},
		{"server/store", []string{"server/lifecycle", "server/apikey", "server/requestid", "templating/freeze"}},
		{"server/store/database", nil},
		{
			"server/identity",
			[]string{
				"server/access", "server/api", "server/apikey", "server/openid", "server/outbound", "server/problem", "server/seal",
				"server/store",
			},
		},
		{"server/outbound", nil},
		{"server/seal", nil},
		{"server/event", nil},
		{
			"server/webhook",
			[]string{"server/event", "server/lifecycle", "server/outbound", "server/seal", "server/store"},
		},
		{"server/traceparent", nil},
		{"server/requestid", nil},
		{"server/tracing", []string{"server/lifecycle", "server/store", "server/traceparent", "templating/runtrace"}},
		{"server/openid", []string{"server/outbound"}},
		{
			"server/trust",
			[]string{
				"server/access", "server/api", "server/apikey", "server/openid", "server/outbound", "server/problem", "server/store",
			},
		},
		{
			"server/signin",
			[]string{"server/access", "server/apikey", "server/identity", "server/problem", "server/store"},
		},
		{"server/ui", []string{"server/api", "server/problem", "server/requestid", "templating"}},
		{"server/keycookie", []string{"server/problem", "server/seal"}},
		{"worker", []string{"templating", "server/api"}},
		{"worker/job", []string{"server/api"}},
		{"worker/client", []string{"server/api"}},
		{"worker/retry", []string{"worker/client"}},
		{"worker/health", nil},
		{"worker/held", []string{"worker/job", "server/api"}},
		{"worker/output", []string{"worker/job", "server/api"}},
		{"worker/prepare", []string{"worker/job", "worker/held", "server/api", "templating"}},
		{"worker/kube", []string{"worker/job", "server/api", "templating"}},
		{
			"worker/kube/observe",
			[]string{"worker/job", "server/api", "templating/manifest", "worker/kube/podstatus"},
		},
		{"worker/kube/podstatus", nil},
		{"worker/process", []string{"worker/job", "server/api", "templating"}},
		{"templating", nil},
		{"charts", nil},
		{"examples", []string{"templating"}},
		{"internal", nil},
		{"e2e", nil},
		{"e2e/storm", []string{"server/api", "worker/client"}},
	}
}

// serverRecords are the packages that describe what the server stores and answers, and that know no HTTP
// handler.
func serverRecords() []string {
	return []string{
		"server/api", "server/finding", "server/jsondoc", "server/lifecycle", "server/problem", "server/schedule",
		"server/store", "server/traceparent", "templating",
	}
}

// An enclave is a dependency, from outside or one of ours, that only some folders may import directly.
type enclave struct {
	dependency string
	only       []string
	why        string
}

func enclaves() []enclave {
	const driversWhy = "only server/store/database knows the drivers"
	const noKubeTypes = "the template language and the server use no Kubernetes types except quantities"
	const quantity = "k8s.io/apimachinery/pkg/api/resource"
	return []enclave{
		{"k8s.io/client-go", []string{"worker/kube"}, "only worker/kube calls Kubernetes"},
		{
			"sigs.k8s.io/controller-runtime", []string{"worker/kube/finalizer"},
			"one package changes finalizers",
		},
		{
			quantity,
			[]string{"server/catalog", "worker", "templating/manifest", "templating/rule", "charts"},
			noKubeTypes,
		},
		{"cel.dev/", []string{"templating/rule"}, "one package knows the language of rules"},
		{"k8s.io/", []string{"worker", "templating/manifest", "charts"}, noKubeTypes},
		{"helm.sh/helm", []string{"charts"}, "only the chart's own packages know Helm"},
		{Module + "/server/store/database", []string{"server/store"}, "all SQL is in the store"},
		{"github.com/jmoiron/sqlx", []string{"server/store/database"}, driversWhy},
		{"github.com/lib/pq", []string{"server/store/database", "internal/pgtest"}, driversWhy},
		{"github.com/pressly/goose", []string{"server/store/database"}, driversWhy},
		{"modernc.org/sqlite", []string{"server/store/database"}, driversWhy},
		{
			"database/sql",
			[]string{"server/store/database", "server/store/cycletest", "internal/pgtest", "e2e/storm"}, driversWhy,
		},
		{
			"net/http", []string{"cmd", "server", "worker", "charts", "internal", "e2e"},
			"the template language does no I/O",
		},
		{"github.com/gorilla/mux", []string{"server"}, "only the server routes requests"},
		{"github.com/getkin/kin-openapi", []string{"server"}, "only the server validates requests"},
		{"github.com/spf13/cobra", []string{"cmd"}, "only the command line knows its flags"},
		{
			"github.com/coreos/go-oidc", []string{"server/identity", "server/trust"},
			"sign-in and token exchange speak OpenID Connect",
		},
		{"go.opentelemetry.io/otel/exporters", []string{"server/tracing"}, "one package sends traces"},
		{"go.opentelemetry.io/otel", []string{"server/tracing", "server/traceparent"}, "two packages know what a span is"},
		{"github.com/minio/minio-go", []string{"server/archive", "internal/s3test"}, "one package speaks the S3 protocol"},
		{"github.com/klauspost/compress/zstd", []string{"server/archive"}, "one package knows the format of archived output"},
		{"golang.org/x/oauth2", []string{"server/identity"}, "one package speaks OpenID Connect"},
		{"github.com/zitadel/oidc", []string{"internal/oidctest"}, "the product links no OpenID Connect provider"},
	}
}

// A ban keeps a dependency out of a folder that its room or enclave would let in.
type ban struct {
	dependency string
	folder     string
	why        string
}

func bans() []ban {
	const server, spec = Module + "/server/api/apiserver", Module + "/server/api/apispec"
	const client = Module + "/server/api/apiclient"
	const why = "clients link neither the router nor the validator"
	const noHTTP = "handlers call the server's business, which knows no HTTP"
	const oneCaller = "only worker/client calls the server"
	return []ban{
		{server, "worker", why},
		{spec, "worker", why},
		{server, "server/api/apiclient", why},
		{spec, "server/api/apiclient", why},
		{"net/http", "server/apply", noHTTP},
		{"net/http", "server/approval", noHTTP},
		{"net/http", "server/catalog", noHTTP},
		{"net/http", "server/impact", noHTTP},
		{"net/http", "server/newrun", noHTTP},
		{"net/http", "server/rulebook", noHTTP},
		{"net/http", "server/scheduler", noHTTP},
		{server, "server/apply", noHTTP},
		{server, "server/approval", noHTTP},
		{server, "server/catalog", noHTTP},
		{server, "server/impact", noHTTP},
		{server, "server/newrun", noHTTP},
		{server, "server/rulebook", noHTTP},
		{server, "server/scheduler", noHTTP},
		{client, "worker/job", oneCaller},
		{client, "worker/held", oneCaller},
		{client, "worker/output", oneCaller},
		{client, "worker/prepare", oneCaller},
		{client, "worker/retry", oneCaller},
		{client, "worker/kube", oneCaller},
		{client, "worker/process", oneCaller},
		{"net/http", "e2e/storm/verdict", "the verdict of a storm is a pure function of what was seen and stored"},
		{"database/sql", "e2e/storm/verdict", "the verdict of a storm is a pure function of what was seen and stored"},
		{"net/http", "worker/held", "the table of held attempts does no I/O"},
		{"k8s.io/client-go", "worker/kube/observe", "observing is a pure function of Kubernetes' API types"},
		{
			"k8s.io/client-go", "worker/kube/podstatus",
			"reading a pod's status needs only Kubernetes' API types",
		},
	}
}

// Package is a package of ours as `go list` prints it.
type Package struct {
	ImportPath string
	Imports    []string
}

// Violations lists every import that breaks a rule, in words.
func Violations(packages []Package) []string {
	var out []string
	for _, p := range packages {
		here := inside(p.ImportPath)
		for _, imported := range p.Imports {
			if b, ok := banned(here, imported); ok {
				out = append(out, fmt.Sprintf("%s imports %s: %s", here, inside(imported), b.why))
				continue
			}
			if ours(imported) {
				if why := refused(here, inside(imported)); why != "" {
					out = append(out, fmt.Sprintf("%s imports %s: %s", here, inside(imported), why))
					continue
				}
			}
			if e, ok := forbidden(here, imported); ok {
				out = append(
					out,
					fmt.Sprintf("%s imports %s: %s (only %v may)", here, inside(imported), e.why, e.only),
				)
			}
		}
	}
	return out
}

func ours(path string) bool { return path == Module || strings.HasPrefix(path, Module+"/") }

func inside(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, Module), "/") }

func below(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

func roomOf(path string) room {
	var best room
	for _, r := range rooms() {
		if below(path, r.path) && len(r.path) > len(best.path) {
			best = r
		}
	}
	return best
}

// testSupport packages help tests: storetest, kubetest, enginetest, and all that is internal. Tests alone
// import them, and programs that are tests themselves.
func testSupport(folder string) bool {
	return strings.HasSuffix(folder, "test") || below(folder, "internal") || below(folder, "e2e")
}

// refused returns why a package may not import another of ours, or "" if it may.
func refused(from, to string) string {
	here := roomOf(from)
	switch {
	case here.path == "":
		return "a folder without a rule gets one before it gets imports"
	case testSupport(to) && !testSupport(from):
		return "only tests may"
	case testSupport(to), below(to, here.path):
		return ""
	}
	for _, may := range here.may {
		if below(to, may) {
			return ""
		}
	}
	return fmt.Sprintf("%s may import of ours only %v", here.path, here.may)
}

func banned(from, dependency string) (ban, bool) {
	for _, b := range bans() {
		if strings.HasPrefix(dependency, b.dependency) && below(from, b.folder) {
			return b, true
		}
	}
	return ban{}, false
}

func forbidden(from, dependency string) (enclave, bool) {
	for _, e := range enclaves() {
		if !strings.HasPrefix(dependency, e.dependency) {
			continue
		}
		for _, folder := range e.only {
			if below(from, folder) {
				return enclave{}, false
			}
		}
		return e, true
	}
	return enclave{}, false
}
