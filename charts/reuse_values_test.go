package charts

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/internal/testenv"
)

func TestTheDefaultsInTheTemplatesAreThoseOfTheValues(t *testing.T) {
	const path = "berth/templates/_defaults.tpl"
	values, err := os.ReadFile("berth/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := defaultsTemplate(values)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s differs from values.yaml: run go test ./charts -update", path)
	}
}

// renderReusing renders the chart as `helm upgrade --reuse-values` does: the defaults of the older chart replace those
// of this one.
func renderReusing(t *testing.T, older map[string]any, given string) (map[string]string, error) {
	t.Helper()
	loaded, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	loaded.Values = older
	values, err := chartutil.ReadValues([]byte(given))
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(loaded, values, chartutil.ReleaseOptions{
		Name: "rel", Namespace: "berth-system", Revision: 2, IsUpgrade: true,
	}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(loaded, all)
}

func defaultValues(t *testing.T) map[string]any {
	t.Helper()
	loaded, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Values
}

// TestAnyValueMayBeMissing takes away each value and each group of values in turn, as if it were new in this chart.
func TestAnyValueMayBeMissing(t *testing.T) {
	paths := map[string]bool{}
	for _, v := range readValues(t) {
		for path := v.path; path != ""; path = path[:max(strings.LastIndex(path, "."), 0)] {
			paths[path] = true
		}
	}
	if len(paths) < 100 {
		t.Fatalf("%d values: this test looks at the wrong thing", len(paths))
	}
	sets := []string{"", external, remote}
	want := map[string]map[string]string{}
	for _, given := range sets {
		rendered, err := renderReusing(t, defaultValues(t), given)
		if err != nil {
			t.Fatal(err)
		}
		want[given] = rendered
	}
	for path := range paths {
		older, keys := defaultValues(t), strings.Split(path, ".")
		at := older
		for _, key := range keys[:len(keys)-1] {
			at = at[key].(map[string]any)
		}
		delete(at, keys[len(keys)-1])
		given := sets[len(path)%len(sets)]
		rendered, err := renderReusing(t, older, given)
		if err != nil {
			t.Errorf("%q without %s: %v", given, path, err)
		} else if !maps.Equal(rendered, want[given]) {
			t.Errorf("%q differs without %s", given, path)
		}
	}
}

// TestAValueThatIsSwitchedOffStaysSo: what Helm deletes because it is null is not the same as what is false or empty.
func TestAValueThatIsSwitchedOffStaysSo(t *testing.T) {
	objects := render(t, `{server: {persistence: {enabled: false}}, jobs: {podSecurity: ""}, worker: {replicas: 0},
		podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}}`)
	text := ""
	for _, o := range objects {
		text += o.text
	}
	for _, unwanted := range []string{"PersistentVolumeClaim", "pod-security.kubernetes.io/enforce", "runAsUser: 65532", "fsGroup: 65532"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("%s is rendered", unwanted)
		}
	}
	if !strings.Contains(text, "replicas: 0") {
		t.Error("no workers became some")
	}
}

// TestTheValuesOfEachOlderChartRender goes through the history of values.yaml. A value that is gone or has another type
// is refused by its name.
func TestTheValuesOfEachOlderChartRender(t *testing.T) {
	history, err := exec.CommandContext(t.Context(), "git", "log", "--format=%h", "--", "berth/values.yaml").Output()
	if err != nil {
		testenv.Missing(t, "the history of the repository")
	}
	for _, commit := range strings.Fields(string(history)) {
		text, err := exec.CommandContext(t.Context(), "git", "show", commit+":./berth/values.yaml").Output()
		if err != nil {
			t.Fatalf("%s: %v", commit, err)
		}
		older := map[string]any{}
		if err := yaml.Unmarshal(text, &older); err != nil {
			t.Fatalf("%s: %v", commit, err)
		}
		_, err = renderReusing(t, older, "")
		if err != nil && !namesAValue(err, older) {
			t.Errorf("%s: %v", commit, err)
		}
	}
}

// namesAValue reports whether an error is a refusal by the schema, with the name of one of the values.
func namesAValue(err error, values map[string]any) bool {
	if !strings.Contains(err.Error(), "values don't meet the specifications of the schema") {
		return false
	}
	text, encodeErr := json.Marshal(values)
	if encodeErr != nil {
		return false
	}
	for _, word := range strings.FieldsFunc(err.Error(), func(r rune) bool { return strings.ContainsRune(" ':,()\n", r) }) {
		if strings.Contains(string(text), `"`+word+`":`) {
			return true
		}
	}
	return false
}
