package charts

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	appsv1 "k8s.io/api/apps/v1"
)

func TestEveryObjectDecodesStrictlyAndIsUnique(t *testing.T) {
	for name, values := range renders() {
		t.Run(name, func(t *testing.T) {
			all := names(render(t, values))
			for i := 1; i < len(all); i++ {
				if all[i] == all[i-1] {
					t.Errorf("%s is rendered twice", all[i])
				}
			}
		})
	}
}

func TestDefaultInstallHasTheseObjects(t *testing.T) {
	want := []string{
		"ConfigMap/berth-system/rel-berth-installations",
		"Deployment/berth-system/rel-berth-worker",
		"Job/berth-system/rel-berth-drain", "Job/berth-system/rel-berth-keys",
		"Namespace//berth-system-jobs",
		"PersistentVolumeClaim/berth-system/rel-berth-server-data",
		"Pod/berth-system/rel-berth-test",
		"Role/berth-system-jobs/berth-system-rel-berth-drain", "Role/berth-system-jobs/berth-system-rel-berth-worker",
		"Role/berth-system/rel-berth-drain-record", "Role/berth-system/rel-berth-drain-stop", "Role/berth-system/rel-berth-installations", "Role/berth-system/rel-berth-keys",
		"RoleBinding/berth-system-jobs/berth-system-rel-berth-drain", "RoleBinding/berth-system-jobs/berth-system-rel-berth-worker",
		"RoleBinding/berth-system/rel-berth-drain-record", "RoleBinding/berth-system/rel-berth-drain-stop", "RoleBinding/berth-system/rel-berth-installations",
		"RoleBinding/berth-system/rel-berth-keys",
		"Service/berth-system/rel-berth-server", "Service/berth-system/rel-berth-server-metrics",
		"Service/berth-system/rel-berth-worker-metrics",
		"ServiceAccount/berth-system-jobs/berth-system-rel-berth-job",
		"ServiceAccount/berth-system/rel-berth-drain", "ServiceAccount/berth-system/rel-berth-keys",
		"ServiceAccount/berth-system/rel-berth-server", "ServiceAccount/berth-system/rel-berth-worker",
		"StatefulSet/berth-system/rel-berth-server",
	}
	if got := names(render(t, "")); !slices.Equal(got, want) {
		t.Errorf("objects:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRenderingTwiceIsIdentical(t *testing.T) {
	for name, values := range renders() {
		first, second := render(t, values), render(t, values)
		for i := range first {
			if first[i].text != second[i].text {
				t.Errorf("%s: %s differs between two renderings", name, first[i])
			}
		}
	}
}

func TestNoManifestContainsASecret(t *testing.T) {
	for name, values := range renders() {
		for _, o := range render(t, values) {
			if o.Kind == "Secret" {
				t.Errorf("%s: %s is part of the release: an upgrade would change it", name, o)
			}
		}
	}
}

func TestGoldenRenders(t *testing.T) {
	for file, values := range map[string]string{"default.yaml": "", "external.yaml": external,
		"remote-worker.yaml": remote} {
		t.Run(file, func(t *testing.T) {
			var got strings.Builder
			for _, o := range render(t, values) {
				got.WriteString("---\n# Source: " + o.template + "\n" + o.text)
			}
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf(
					"the rendering differs from %s: check the difference; if it is intended, run go test ./charts -update",
					path)
			}
		})
	}
}

func TestHelmLintHasNoWarnings(t *testing.T) {
	linter := lint.AllWithKubeVersion("berth", map[string]any{}, "berth-system",
		&chartutil.KubeVersion{Version: "v1.31.0", Major: "1", Minor: "31"})
	for _, message := range linter.Messages {
		if message.Severity >= support.WarningSev {
			t.Error(message)
		}
	}
}

func TestRefusedValuesNameTheRemedy(t *testing.T) {
	for name, test := range map[string]struct{ values, want string }{
		"two servers with SQLite": {`{server: {replicas: 2}}`,
			"SQLite allows exactly one server: set database.external.existingSecret"},
		"partitions with SQLite":          {`{database: {partition: weekly}}`, "SQLite has no partitions: set database.external.existingSecret"},
		"neither server nor worker":       {`{server: {enabled: false}, worker: {enabled: false}}`, "nothing would be installed"},
		"worker without a server":         {`{server: {enabled: false}}`, "set worker.apiURL"},
		"worker without a key":            {`{server: {enabled: false}, worker: {apiURL: "http://x"}}`, "set worker.apiKey.existingSecret"},
		"other data key without a Secret": {`{keys: {adminKey: root}}`, "set keys.existingSecret"},
		"unknown value":                   {`{replicas: 2}`, "replicas"},
		"sign-in without a public URL":    {`{server: {signIn: {issuer: "https://i.example.com", clientID: b}}}`, "set server.publicURL"},
		"grant without a role":            {`{server: {signIn: {grants: [{group: g}]}}}`, "role"},
		"unknown nested value":            {`{server: {persistence: {sise: 1Gi}}}`, "sise"},
		"replica count as a string":       {`{server: {replicas: "2"}}`, "server"},
		"unknown pull policy":             {`{image: {pullPolicy: Sometimes}}`, "pullPolicy"},
		"invalid digest":                  {`{image: {digest: "latest"}}`, "digest"},
		"URL without a scheme":            {`{worker: {apiURL: "berth:4200"}}`, "apiURL"},
		"invalid namespace":               {`{worker: {namespaces: [Team_A]}}`, "namespaces"},
		"duplicate namespace":             {`{worker: {namespaces: [a, a]}}`, "namespaces"},
		"unknown pool type":               {`{server: {ensurePools: {x: ecs}}}`, "ensurePools"},
		"Secret for jobs without its key": {`{worker: {jobAPI: {existingSecret: keys}}}`, "worker.jobAPI is incomplete"},
		"created and existing key for jobs": {`{worker: {jobAPI: {createKey: true, existingSecret: keys, key: jobs}}}`,
			"mutually exclusive"},
		"key for jobs without its Secret":             {`{worker: {jobAPI: {key: jobs}}}`, "worker.jobAPI is incomplete"},
		"negative limit":                              {`{worker: {limit: -1}}`, "limit"},
		"invalid retention period":                    {`{server: {keep: {runs: forever}}}`, "runs"},
		"negative rate limit":                         {`{server: {rateLimit: -1}}`, "rateLimit"},
		"negative replica count":                      {`{server: {replicas: -1}}`, "replicas"},
		"misspelled field of an environment variable": {`{worker: {extraEnv: [{name: A, valeu: b}]}}`, "extraEnv"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := renderFiles(t, test.values)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestLongNamesLeaveRoomForSuffixesOfKubernetes(t *testing.T) {
	long := strings.Repeat("x", 60)
	for _, o := range render(t, "{fullnameOverride: "+long+"}") {
		limit := 63
		if _, ok := o.typed.(*appsv1.StatefulSet); ok {
			limit = 63 - 11 // the revision's hash is appended in a label value
		}
		if len(o.Name) > limit {
			t.Errorf("%s has a name of %d characters, more than %d", o.Kind, len(o.Name), limit)
		}
	}
}

func TestEmbeddedChartIsComplete(t *testing.T) {
	root, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	onDisk := os.DirFS("berth")
	err = fs.WalkDir(onDisk, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if _, err := fs.Stat(root, path); err != nil {
			t.Errorf("%s is not embedded", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(root, "templates/_names.tpl"); err != nil {
		t.Error(err)
	}
}
