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

func TestEveryObjectDecodesStrictlyAndIsThereOnce(t *testing.T) {
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

func TestDefaultInstallIsTheseObjects(t *testing.T) {
	want := []string{
		"Deployment/berth-system/rel-berth-worker",
		"Job/berth-system/rel-berth-drain", "Job/berth-system/rel-berth-keys", "Job/berth-system/rel-berth-test",
		"Role/berth-system/rel-berth-drain", "Role/berth-system/rel-berth-drain-stop", "Role/berth-system/rel-berth-keys", "Role/berth-system/rel-berth-worker",
		"RoleBinding/berth-system/rel-berth-drain", "RoleBinding/berth-system/rel-berth-drain-stop", "RoleBinding/berth-system/rel-berth-keys", "RoleBinding/berth-system/rel-berth-worker",
		"Service/berth-system/rel-berth-server", "Service/berth-system/rel-berth-server-metrics", "Service/berth-system/rel-berth-worker-metrics",
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

func TestNoManifestCarriesASecret(t *testing.T) {
	for name, values := range renders() {
		for _, o := range render(t, values) {
			if o.Kind == "Secret" {
				t.Errorf("%s: %s is part of the release: an upgrade would change it", name, o)
			}
		}
	}
}

func TestGoldenRenders(t *testing.T) {
	for file, values := range map[string]string{"default.yaml": "", "external.yaml": external, "remote-worker.yaml": remote} {
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
				t.Errorf("the render differs from %s: look at it, and when it is meant, run go test ./charts -update", path)
			}
		})
	}
}

func TestHelmLintFindsNothing(t *testing.T) {
	linter := lint.AllWithKubeVersion("berth", map[string]any{}, "berth-system", &chartutil.KubeVersion{Version: "v1.31.0", Major: "1", Minor: "31"})
	for _, message := range linter.Messages {
		if message.Severity >= support.WarningSev {
			t.Error(message)
		}
	}
}

func TestRefusedValuesSayWhatToDo(t *testing.T) {
	for name, test := range map[string]struct{ values, want string }{
		"two servers on SQLite":             {`{server: {replicas: 2}}`, "SQLite takes exactly one server: set database.external.existingSecret"},
		"nothing to install":                {`{server: {enabled: false}, worker: {enabled: false}}`, "nothing to install"},
		"a worker without a server":         {`{server: {enabled: false}}`, "set worker.apiURL"},
		"a worker without a key":            {`{server: {enabled: false}, worker: {apiURL: "http://x"}}`, "set worker.apiKey.existingSecret"},
		"another data key of the hook's":    {`{keys: {adminKey: root}}`, "set keys.existingSecret"},
		"an unknown value":                  {`{replicas: 2}`, "replicas"},
		"an unknown value far below":        {`{server: {persistence: {sise: 1Gi}}}`, "sise"},
		"a replica count that is text":      {`{server: {replicas: "2"}}`, "server"},
		"a pull policy that does not exist": {`{image: {pullPolicy: Sometimes}}`, "pullPolicy"},
		"a digest that is none":             {`{image: {digest: "latest"}}`, "digest"},
		"a URL without a scheme":            {`{worker: {apiURL: "berth:4200"}}`, "apiURL"},
		"a namespace that can not be":       {`{worker: {namespaces: [Team_A]}}`, "namespaces"},
		"a namespace given twice":           {`{worker: {namespaces: [a, a]}}`, "namespaces"},
		"an unknown kind of pool":           {`{server: {ensurePools: {x: ecs}}}`, "ensurePools"},
		"half a Secret for jobs":            {`{worker: {jobAPI: {existingSecret: keys}}}`, "worker.jobAPI is half given"},
		"two keys for jobs":                 {`{worker: {jobAPI: {createKey: true, existingSecret: keys, key: jobs}}}`, "not both"},
		"the other half":                    {`{worker: {jobAPI: {key: jobs}}}`, "worker.jobAPI is half given"},
		"a negative limit":                  {`{worker: {limit: -1}}`, "limit"},
		"a period that is none":             {`{server: {keep: {runs: forever}}}`, "runs"},
		"a rate below nothing":              {`{server: {rateLimit: -1}}`, "rateLimit"},
		"a negative count":                  {`{server: {replicas: -1}}`, "replicas"},
		"an environment variable misspelt":  {`{worker: {extraEnv: [{name: A, valeu: b}]}}`, "extraEnv"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := renderFiles(t, test.values)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestLongNamesLeaveRoomForWhatKubernetesAppends(t *testing.T) {
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

func TestEmbeddedChartIsWholeWithItsUnderscoreFiles(t *testing.T) {
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
