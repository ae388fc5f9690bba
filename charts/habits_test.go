package charts

import (
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	corev1 "k8s.io/api/core/v1"
)

// TestAParentChartSwitchesTheChartOffByACondition renders an umbrella chart, whose values reach this chart with
// the key of the condition among them.
func TestAParentChartSwitchesTheChartOffByACondition(t *testing.T) {
	for enabled, want := range map[string]bool{"true": true, "false": false} {
		berth, err := Load()
		if err != nil {
			t.Fatal(err)
		}
		parent := &chart.Chart{Metadata: &chart.Metadata{
			APIVersion: "v2", Name: "platform", Version: "1.0.0",
			Dependencies: []*chart.Dependency{{Name: "berth", Version: berth.Metadata.Version, Condition: "berth.enabled"}},
		}}
		parent.AddDependency(berth)
		given, err := chartutil.ReadValues([]byte("{global: {region: eu}, berth: {enabled: " + enabled + ", commonLabels: {team: data}}}"))
		if err != nil {
			t.Fatal(err)
		}
		if err := chartutil.ProcessDependencies(parent, given); err != nil {
			t.Fatal(err)
		}
		values, err := chartutil.ToRenderValues(parent, given,
			chartutil.ReleaseOptions{Name: "rel", Namespace: "platform", IsInstall: true}, chartutil.DefaultCapabilities)
		if err != nil {
			t.Fatalf("enabled: %s: %v", enabled, err)
		}
		rendered, err := engine.Engine{Strict: true}.Render(parent, values)
		if err != nil {
			t.Fatal(err)
		}
		if there := len(objectsOf(t, rendered)) > 0; there != want {
			t.Errorf("enabled: %s installs something: %t", enabled, there)
		}
	}
}

func TestCommonLabelsReplaceStandardLabelsAndSelectNothing(t *testing.T) {
	for _, o := range render(t, `{commonLabels: {app.kubernetes.io/part-of: platform, team: data}, worker: {podLabels: {team: etl}}}`) {
		if o.Labels["app.kubernetes.io/part-of"] != "platform" || o.Labels["team"] != "data" {
			t.Errorf("%s has the labels %v", o, o.Labels)
		}
		if strings.Count(o.text, "app.kubernetes.io/part-of: ") != strings.Count(o.text, "part-of: platform") {
			t.Errorf("%s has a label twice:\n%s", o, o.text)
		}
	}
	for _, where := range []string{"commonLabels: {LABEL: x}", "server: {podLabels: {LABEL: x}}", "worker: {podLabels: {LABEL: x}}",
		"hooks: {podLabels: {LABEL: x}}"} {
		for _, label := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"} {
			_, err := renderFiles(t, "{"+strings.ReplaceAll(where, "LABEL", label)+"}")
			if err == nil || !strings.Contains(err.Error(), label) {
				t.Errorf("%s: %v, want a refusal that names the label", where, err)
			}
		}
	}
}

// TestReleasesThatServeOneNamespaceShareNothing: of the same name in several namespaces, and of names that are equal
// up to where they are cut.
func TestReleasesThatServeOneNamespaceShareNothing(t *testing.T) {
	long := strings.Repeat("a", 50)
	owner := map[string]string{}
	for _, r := range []struct{ release, namespace string }{
		{"berth", "team-a"}, {"berth", "team-b"}, {long + "a", "team-a"}, {long + "b", "team-a"},
		{"berth", strings.Repeat("n", 62) + "a"}, {"berth", strings.Repeat("n", 62) + "b"},
	} {
		rendered, err := renderRelease(t, r.release, r.namespace, "{jobs: {namespace: shared, createNamespace: false}}")
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objectsOf(t, rendered) {
			if len(o.Name) > 63 {
				t.Errorf("%s has %d characters", o, len(o.Name))
			}
			if first := owner[o.String()]; first != "" {
				t.Errorf("%s is of %s and of %s/%s", o, first, r.namespace, r.release)
			}
			owner[o.String()] = r.namespace + "/" + r.release
		}
	}
}

// TestJobsOfAnotherNamespaceHaveTheirAccount: its name is what the worker is told.
func TestJobsOfAnotherNamespaceHaveTheirAccount(t *testing.T) {
	rendered, err := renderRelease(t, "berth", strings.Repeat("n", 63), "{worker: {namespaces: [team-a]}}")
	if err != nil {
		t.Fatal(err)
	}
	objects := objectsOf(t, rendered)
	args := container(t, objects, "berth-worker").Args
	for _, o := range objects {
		if _, ok := o.typed.(*corev1.ServiceAccount); ok && strings.HasSuffix(o.Name, "-job") &&
			!strings.Contains(strings.Join(args, " ")+" ", "--job-service-account="+o.Name+" ") {
			t.Errorf("the worker is not told of %s: %v", o, args)
		}
	}
}

// TestEveryObjectIsInTheNamespaceOfTheOverride but those of the namespaces of the Jobs, and no text names another but what
// reads Helm's record of the release, which stays there.
func TestEveryObjectIsInTheNamespaceOfTheOverride(t *testing.T) {
	for name, values := range renders() {
		for _, o := range render(t, merged(t, values, "{namespaceOverride: elsewhere}")) {
			text := strings.ReplaceAll(o.text, "--release-namespace=berth-system\n", "")
			if strings.Contains(text, "berth-system") && !strings.HasSuffix(o.Name, "rel-berth-drain-record") {
				t.Errorf("%s: %s names the namespace of the release:\n%s", name, o, o.text)
			}
		}
	}
}

func TestAnnotationsAndLabelsReachEveryObject(t *testing.T) {
	for name, values := range renders() {
		objects := render(t, merged(t, values, `{commonAnnotations: {who: platform, helm.sh/hook: never}, commonLabels: {team: data}}`))
		for _, o := range objects {
			if o.Annotations["who"] != "platform" || o.Labels["team"] != "data" || o.Annotations["helm.sh/hook"] == "never" && o.Kind == "Job" {
				t.Errorf("%s: %s has the annotations %v and the labels %v", name, o, o.Annotations, o.Labels)
			}
		}
	}
	objects := render(t, `
server: {annotations: {at: server}, labels: {at: server}, serviceAccount: {labels: {at: account}}, service: {labels: {at: service}},
  persistence: {labels: {at: volume}}}
worker: {annotations: {at: worker}, labels: {at: worker}, serviceAccount: {labels: {at: account}}}
hooks: {annotations: {at: hooks}, labels: {at: hooks}}
jobs: {namespaceAnnotations: {at: jobs}, serviceAccount: {labels: {at: account}}}`)
	want := map[string]string{
		"StatefulSet/rel-berth-server": "server", "Deployment/rel-berth-worker": "worker", "Job/rel-berth-keys": "hooks",
		"Job/rel-berth-drain": "hooks", "Pod/rel-berth-test": "hooks", "ServiceAccount/rel-berth-server": "account",
		"ServiceAccount/rel-berth-worker": "account", "ServiceAccount/berth-system-rel-berth-job": "account",
		"Service/rel-berth-server": "service", "PersistentVolumeClaim/rel-berth-server-data": "volume", "Namespace/berth-system-jobs": "jobs",
	}
	for _, o := range objects {
		got := o.Labels["at"]
		if got == "" || o.Annotations["at"] != "" {
			got = o.Annotations["at"]
		}
		if got != want[o.Kind+"/"+o.Name] {
			t.Errorf("%s has %q", o, got)
		}
	}
}

// TestTheTestPodCanBeLeftOut where tools apply hooks like any other object.
func TestTheTestPodCanBeLeftOut(t *testing.T) {
	rendered := names(render(t, "{hooks: {test: {enabled: false}}, worker: {drain: {enabled: false}}, keys: {existingSecret: k}}"))
	for _, name := range rendered {
		if strings.HasPrefix(name, "Pod/") || strings.HasPrefix(name, "Job/") {
			t.Errorf("there is %s", name)
		}
	}
}
