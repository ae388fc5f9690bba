package manifest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating/manifest"
)

// secretive has every kind of value that an environment can have.
const secretive = `initContainers: [{name: first, image: 'busybox:1.36', env: [{name: PASSWORD, value: other-hunter}]}],
  containers: [{name: main, image: 'busybox:1.36', env: [
    {name: PASSWORD, value: hunter2}, {name: URL, value: 'pg://me:$(PASSWORD)@db'}, {name: DOLLARS, value: 'a$$(PASSWORD)'}, {name: EMPTY, value: ''},
    {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}, {name: WHERE, value: 'on $(NODE)'}, {name: THERE, value: '$(WHERE)!'},
    {name: UNKNOWN, value: '$(NOBODY)'}, {name: ODD/name, value: odd}]}]`

func TestEnvironmentAsSecretLeavesNoValueInTheManifest(t *testing.T) {
	f := build(t, job("  policy: {env_as_secret: true}\n", "", secretive))
	if f.Secret == nil || f.Secret.Name != f.Job.Name ||
		f.Job.Annotations[manifest.AnnotationSecret] != f.Job.Name {
		t.Fatalf("secret %v, annotations %v", f.Secret, f.Job.Annotations)
	}
	text, err := json.Marshal(f.Job)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"hunter", "odd\"", "pg://", "BERTH_PARAMETERS\",\"value\""} {
		if strings.Contains(string(text), value) {
			t.Errorf("the manifest shows %q", value)
		}
	}
	// What the containers see in the end, a kubelet's way.
	for _, tc := range []struct {
		container corev1.Container
		want      map[string]string
	}{
		{f.Job.Spec.Template.Spec.InitContainers[0], map[string]string{"PASSWORD": "other-hunter"}},
		{f.Job.Spec.Template.Spec.Containers[0], map[string]string{
			"PASSWORD": "hunter2", "URL": "pg://me:hunter2@db", "DOLLARS": "a$(PASSWORD)", "EMPTY": "", "NODE": "node-1", "WHERE": "on node-1", "THERE": "on node-1!",
			"UNKNOWN": "$(NOBODY)", "ODD/name": "odd",
		}},
	} {
		got := environment(t, tc.container, f.Secret)
		for name := range got {
			if isOurs(name) {
				delete(got, name)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.container.Name, diff)
		}
	}
	if len(f.Warnings) != 2 ||
		!strings.Contains(
			f.Warnings[0].Message, `"WHERE" depends on a variable that only the cluster knows`,
		) {
		t.Errorf("warnings %v, want one for each value that stays", f.Warnings)
	}
}

// environment is what a container sees, as a kubelet works it out.
func environment(t *testing.T, c corev1.Container, secret *manifest.Sealed) map[string]string {
	t.Helper()
	env := map[string]string{}
	for _, v := range c.Env {
		switch {
		case v.ValueFrom == nil:
			env[v.Name] = manifest.Expand(v.Value,
				func(name string) (string, bool) { value, ok := env[name]; return value, ok })
		case v.ValueFrom.SecretKeyRef != nil && v.ValueFrom.SecretKeyRef.Name == secret.Name:
			value, ok := secret.Data[v.ValueFrom.SecretKeyRef.Key]
			if !ok {
				t.Errorf("%s refers to key %q, which the Secret does not have", v.Name,
					v.ValueFrom.SecretKeyRef.Key)
			}
			env[v.Name] = value
		default:
			env[v.Name] = "node-1"
		}
	}
	return env
}

func TestTheWorkerCanWantEnvironmentAsSecretToo(t *testing.T) {
	id := identity()
	id.EnvAsSecret = true
	f, err := manifest.Build(render(t, job("", "", oneContainer), nil), id)
	if err != nil {
		t.Fatal(err)
	}
	if f.Secret == nil || f.Secret.Data[manifest.EnvParameters] == "" {
		t.Errorf("secret %v, want the parameters in it", f.Secret)
	}
	if plain := build(t, job("", "", oneContainer)); plain.Secret != nil ||
		plain.Job.Annotations[manifest.AnnotationSecret] != "" {
		t.Errorf("without it: %v", plain.Secret)
	}
}

func TestAnEnvironmentThatNoSecretHoldsIsRefused(t *testing.T) {
	rendered := render(t, job("  policy: {env_as_secret: true}\n", "", oneContainer), nil)
	rendered.Configuration["env"] = map[string]any{
		"A": strings.Repeat("a", 600<<10), "B": strings.Repeat("b", 600<<10),
	}
	_, err := manifest.Build(rendered, identity())
	if err == nil || !strings.Contains(err.Error(), "a Secret can hold") {
		t.Errorf("%.200v", err)
	}
}
