package charts

import (
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const applies = `
apply:
  file:
    pools: [{name: etl, type: kubernetes, template: {from: ./etl.yaml}}]
    deployments: [{name: report, pool: etl, job_variables: {image: "{{ x }}"}}]
  files: {etl.yaml: "job: {}\n"}
  configMaps: [team-a]
  prune: true`

// TestTheServerAppliesWhatIsDeclared: server and hook have the same files, and the hook asks only after an install or upgrade.
func TestTheServerAppliesWhatIsDeclared(t *testing.T) {
	objects := render(t, applies)
	declared := find[*corev1.ConfigMap](t, objects, "rel-berth-apply")
	var file map[string]any
	if err := yaml.Unmarshal([]byte(declared.Data["berth.yaml"]), &file); err != nil || len(file) != 2 || declared.Data["etl.yaml"] != "job: {}\n" {
		t.Errorf("%v: %v", err, declared.Data)
	}
	if !strings.Contains(declared.Data["berth.yaml"], "{{ x }}") {
		t.Error("Helm has rendered a template of Berth's")
	}
	args := container(t, objects, "rel-berth-server").Args
	if !slices.Contains(args, "--apply-dir=/etc/berth/apply") || !slices.Contains(args, "--apply-prune") {
		t.Errorf("the server is started with %v", args)
	}
	hook := find[*batchv1.Job](t, objects, "rel-berth-apply")
	if hook.Annotations["helm.sh/hook"] != "post-install,post-upgrade,post-rollback" {
		t.Errorf("%v", hook.Annotations)
	}
	want := []string{"hook", "applied", "--dir=/etc/berth/apply", "--prune", "--timeout=220s"}
	if got := container(t, objects, "rel-berth-apply").Args; !slices.Equal(got, want) {
		t.Errorf("the hook runs %v, want %v", got, want)
	}
	for _, of := range []string{"rel-berth-server", "rel-berth-apply"} {
		mounts := map[string]string{}
		for _, m := range container(t, objects, of).VolumeMounts {
			mounts[m.MountPath] = m.Name
		}
		volumes := map[string]string{}
		for _, v := range podTemplates(objects)[of].Spec.Volumes {
			if v.ConfigMap != nil {
				volumes[v.Name] = v.ConfigMap.Name
				if strings.HasPrefix(v.Name, "apply-") && (v.ConfigMap.Optional == nil || !*v.ConfigMap.Optional) {
					t.Errorf("%s does not start without ConfigMap %s", of, v.ConfigMap.Name)
				}
			}
		}
		for _, name := range []string{"rel-berth-apply", "team-a"} {
			if volumes[mounts["/etc/berth/apply/"+name]] != name {
				t.Errorf("%s does not have ConfigMap %s: %v, %v", of, name, mounts, volumes)
			}
		}
	}
	wantSetting(t, objects, "rel-berth-apply", "BERTH_API_KEY", "rel-berth-keys", "admin")
	for _, o := range render(t, "") {
		if strings.HasSuffix(o.Name, "-apply") {
			t.Errorf("%s is there for nothing", o)
		}
	}
}

// TestAChangeOfWhatIsDeclaredRestartsNothing: the server notices it by itself.
func TestAChangeOfWhatIsDeclaredRestartsNothing(t *testing.T) {
	before, after := render(t, applies), render(t, strings.Replace(applies, "name: report", "name: reports", 1))
	for i := range before {
		if before[i].text != after[i].text && before[i].Kind != "ConfigMap" {
			t.Errorf("%s changes", before[i])
		}
	}
}
