package charts

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestEveryPodTakesWhatItsUserAdds: server, workers and hooks alike.
func TestEveryPodTakesWhatItsUserAdds(t *testing.T) {
	pods := podTemplates(render(t, extensions()))
	if len(pods) != 5 {
		t.Fatalf("%d pods", len(pods))
	}
	for of, pod := range pods {
		spec := pod.Spec
		if spec.InitContainers[0].Name != "wait" || spec.Containers[len(spec.Containers)-1].Name != "side" {
			t.Errorf("%s has the init containers %v and the containers %v", of, spec.InitContainers, spec.Containers)
		}
		if *spec.RuntimeClassName != "gvisor" || spec.SchedulerName != "volcano" || spec.DNSPolicy != corev1.DNSNone ||
			spec.DNSConfig.Nameservers[0] != "10.0.0.10" || spec.HostAliases[0].IP != "10.0.0.1" || pod.Annotations["note"] != "yes" {
			t.Errorf("%s is placed otherwise: %+v", of, spec)
		}
		own := slices.DeleteFunc(slices.Concat(spec.InitContainers, spec.Containers), func(c corev1.Container) bool {
			return c.Name == "wait" || c.Name == "side"
		})
		for _, c := range own {
			if c.Env[len(c.Env)-1].Name != "EXTRA" || len(c.EnvFrom) != 2 || c.VolumeMounts[len(c.VolumeMounts)-1].MountPath != "/more" {
				t.Errorf("%s of %s has %v, %v, %v", c.Name, of, c.Env, c.EnvFrom, c.VolumeMounts)
			}
		}
		if volumes := spec.Volumes; volumes[len(volumes)-1].Name != "all" {
			t.Errorf("%s has the volumes %v", of, volumes)
		}
	}
	for _, workload := range []string{"rel-berth-server", "rel-berth-worker"} {
		args := pods[workload].Spec.Containers[0].Args
		for _, secret := range []string{"of-env", "of-env-from", "of-volume", "of-projected", "of-sidecar"} {
			if !slices.Contains(args, "--protect=secret/"+secret) {
				t.Errorf("%s does not protect Secret %s", workload, secret)
			}
		}
	}
}

func TestAnotherRegistryIsThatOfEveryImage(t *testing.T) {
	for values, want := range map[string]string{
		"{global: {imageRegistry: mirror.example.com:5000/hub/}}":                                       "mirror.example.com:5000/hub/berth-dev/berth:0.1.0",
		"{global: {imageRegistry: mirror.example.com}, image: {repository: team/berth}}":                "mirror.example.com/team/berth:0.1.0",
		"{global: {imageRegistry: mirror.example.com}, image: {repository: localhost/berth, tag: x}}":   "mirror.example.com/berth:x",
		"{global: {imageRegistry: m.example.com}, image: {repository: 'reg.example.com:5000/a/berth'}}": "m.example.com/a/berth:0.1.0",
	} {
		for of, pod := range podTemplates(render(t, merged(t, values, "{global: {imagePullSecrets: [a, {name: b}]}, image: {pullSecrets: [{name: b}]}}"))) {
			for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
				if c.Image != want {
					t.Errorf("%s: %s runs %s, want %s", values, of, c.Image, want)
				}
			}
			if got := pod.Spec.ImagePullSecrets; len(got) != 2 || got[0].Name != "b" || got[1].Name != "a" {
				t.Errorf("%s pulls with %v", of, got)
			}
		}
	}
}

func TestSecretsAreInTheEnvironmentOnlyIfAskedTo(t *testing.T) {
	for name, values := range renders() {
		for of, pod := range podTemplates(render(t, values)) {
			for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
				for _, env := range c.Env {
					secret := env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil && env.Name != "EXTRA" && c.Name != "wait"
					if secret && !strings.Contains(values, "secretsAsFiles: false") {
						t.Errorf("%s: %s of %s has %s in its environment", name, c.Name, of, env.Name)
					}
				}
			}
		}
	}
	objects := render(t, renders()["secrets in the environment"])
	wantSetting(t, objects, "rel-berth-server", "BERTH_DATABASE_URL", "postgres", "url")
	wantSetting(t, objects, "rel-berth-server", "BERTH_DATABASE_CA_FILE", "ca", "ca.crt")
	wantSetting(t, objects, "rel-berth-worker", "BERTH_API_KEY", "rel-berth-keys", "worker")
}

func TestADatabaseCanBeGivenByItsParts(t *testing.T) {
	objects := render(t, databaseParts)
	find[*appsv1.Deployment](t, objects, "rel-berth-server")
	server := container(t, objects, "rel-berth-server")
	for _, want := range []corev1.EnvVar{
		{Name: "BERTH_DATABASE_HOST", Value: "db"}, {Name: "BERTH_DATABASE_PORT", Value: "5432"}, {Name: "BERTH_DATABASE_NAME", Value: "berth"},
	} {
		if !slices.Contains(server.Env, want) {
			t.Errorf("the server has no %v: %v", want, server.Env)
		}
	}
	wantSetting(t, objects, "rel-berth-server", "BERTH_DATABASE_USER", "pg-app", "username")
	wantSetting(t, objects, "rel-berth-server", "BERTH_DATABASE_PASSWORD", "pg-app", "password")
	wantSetting(t, objects, "rel-berth-server", "BERTH_DATABASE_CA_FILE", "pg-ca", "ca.crt")
	if slices.ContainsFunc(server.Env, func(e corev1.EnvVar) bool { return e.Name == "BERTH_DATABASE_USER" }) {
		t.Errorf("the default user hides that of the Secret: %v", server.Env)
	}
	if _, err := renderFiles(t, "{database: {external: {existingSecret: a, host: {value: b}}}}"); err == nil ||
		!strings.Contains(err.Error(), "mutually exclusive") {
		t.Errorf("a URL and its parts: %v", err)
	}
}

func TestHowPodsAreReplacedAndProbedIsAValue(t *testing.T) {
	objects := render(t, `
database: {external: {existingSecret: postgres}}
server: {minReadySeconds: 5, revisionHistoryLimit: 2, strategy: {type: Recreate, rollingUpdate: null}, livenessProbe: {periodSeconds: 60},
  readinessProbe: {exec: {command: [berth, version]}}}
worker: {minReadySeconds: 6, revisionHistoryLimit: 3, strategy: {type: Recreate}, startupProbe: {failureThreshold: 9}}`)
	server := find[*appsv1.Deployment](t, objects, "rel-berth-server").Spec
	worker := find[*appsv1.Deployment](t, objects, "rel-berth-worker").Spec
	if server.MinReadySeconds != 5 || *server.RevisionHistoryLimit != 2 || server.Strategy.Type != appsv1.RecreateDeploymentStrategyType ||
		worker.MinReadySeconds != 6 || *worker.RevisionHistoryLimit != 3 || worker.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Errorf("%+v\n%+v", server, worker)
	}
	probes := server.Template.Spec.Containers[0]
	if probes.LivenessProbe.PeriodSeconds != 60 || probes.LivenessProbe.HTTPGet.Path != "/healthz" ||
		probes.ReadinessProbe.HTTPGet != nil || probes.ReadinessProbe.Exec.Command[0] != "berth" ||
		worker.Template.Spec.Containers[0].StartupProbe.FailureThreshold != 9 {
		t.Errorf("%+v", probes)
	}
}

func TestPodsAreAnnotatedForAScrapeOnRequest(t *testing.T) {
	for of, pod := range podTemplates(render(t, "{metrics: {scrapeAnnotations: true}}")) {
		want := ""
		if of == "rel-berth-server" || of == "rel-berth-worker" {
			want = "9090"
		}
		if got := pod.Annotations["prometheus.io/port"]; got != want {
			t.Errorf("%s has the port %q", of, got)
		}
	}
}

func TestExtraObjectsAreRendered(t *testing.T) {
	objects := render(t, `
extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: "{{ .Release.Name }}-one"}, data: {url: '{{ include "berth.server.url" . }}'}}
  - |
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: {{ include "berth.fullname" . }}-two`)
	one := find[*corev1.ConfigMap](t, objects, "rel-one")
	if one.Data["url"] != "http://rel-berth-server.berth-system.svc:4200" {
		t.Errorf("%v", one.Data)
	}
	find[*corev1.ConfigMap](t, objects, "rel-berth-two")
}
