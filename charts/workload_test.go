package charts

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

func TestServerKeepsSQLiteOnItsOwnVolume(t *testing.T) {
	objects := render(t, "")
	set := find[*appsv1.StatefulSet](t, objects, "rel-berth-server")
	if *set.Spec.Replicas != 1 || len(set.Spec.VolumeClaimTemplates) != 0 {
		t.Errorf("%d replicas with %d claim templates, want one without any: they cannot grow", *set.Spec.Replicas,
			len(set.Spec.VolumeClaimTemplates))
	}
	claim := find[*corev1.PersistentVolumeClaim](t, objects, "rel-berth-server-data")
	if claim.Spec.StorageClassName != nil {
		t.Errorf("storage class %q, want the cluster's default (none given)", *claim.Spec.StorageClassName)
	}
	if claim.Annotations["helm.sh/resource-policy"] != "keep" {
		t.Errorf("the volume is deleted on uninstall: %v", claim.Annotations)
	}
	other := find[*corev1.PersistentVolumeClaim](t, render(t, `{server: {persistence: {size: 20Gi, storageClass: fast,
		accessMode: ReadWriteOncePod, whenDeleted: Delete, annotations: {a: b}}}}`), "rel-berth-server-data")
	if size := other.Spec.Resources.Requests[corev1.ResourceStorage]; size.String() != "20Gi" || *other.Spec.StorageClassName != "fast" ||
		other.Spec.AccessModes[0] != corev1.ReadWriteOncePod || other.Annotations["helm.sh/resource-policy"] != "" ||
		other.Annotations["a"] != "b" {
		t.Errorf("%+v", other)
	}
	for name, test := range map[string]struct{ values, claim string }{
		"its own":        {"", "rel-berth-server-data"},
		"existing claim": {`{server: {persistence: {existingClaim: mine}}}`, "mine"},
		"no persistence": {`{server: {persistence: {enabled: false}}}`, ""},
	} {
		set := find[*appsv1.StatefulSet](t, render(t, test.values), "rel-berth-server")
		var claim string
		for _, volume := range set.Spec.Template.Spec.Volumes {
			if volume.Name == "data" && volume.PersistentVolumeClaim != nil {
				claim = volume.PersistentVolumeClaim.ClaimName
			}
		}
		if claim != test.claim {
			t.Errorf("%s: claim %q, want %q", name, claim, test.claim)
		}
	}
}

func TestServerWithPostgreSQLIsADeploymentWithoutVolume(t *testing.T) {
	objects := render(t, external)
	server := find[*appsv1.Deployment](t, objects, "rel-berth-server")
	if *server.Spec.Replicas != 2 || server.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 {
		t.Errorf("replicas %d, maxUnavailable %v", *server.Spec.Replicas,
			server.Spec.Strategy.RollingUpdate.MaxUnavailable)
	}
	pod := server.Spec.Template.Spec
	wantSetting(t, objects, "rel-berth-server", "BERTH_DATABASE_URL", "postgres", "pooled")
	wantSetting(t, objects, "rel-berth-server", "BERTH_DATABASE_DIRECT_URL", "postgres", "direct")
	wantSetting(t, objects, "rel-berth-server", "BERTH_DATABASE_READ_URL", "postgres", "standby")
	if len(pod.TopologySpreadConstraints) != 2 ||
		pod.TopologySpreadConstraints[0].LabelSelector.MatchLabels["app.kubernetes.io/component"] != "server" {
		t.Errorf("the replicas are not spread: %v", pod.TopologySpreadConstraints)
	}
	budget := find[*policyv1.PodDisruptionBudget](t, objects, "rel-berth-server")
	if budget.Spec.MaxUnavailable.IntValue() != 1 ||
		budget.Spec.Selector.MatchLabels["app.kubernetes.io/component"] != "server" {
		t.Errorf("disruption budget %v", budget.Spec)
	}
	for _, o := range objects {
		if o.Kind == "PodDisruptionBudget" && o.Name != "rel-berth-server" {
			t.Errorf("%s blocks the drain of a node with the only replica", o)
		}
	}
}

func TestSchemaIsMigratedBeforeTheServerStarts(t *testing.T) {
	for name, values := range renders() {
		pod, ok := podTemplates(render(t, values))["rel-berth-server"]
		if !ok {
			continue
		}
		last := len(pod.Spec.InitContainers) - 1
		if last < 0 || !slices.Equal(pod.Spec.InitContainers[last].Args[:2], []string{"migrate", "up"}) {
			t.Errorf("%s: init containers %v, want migrate up", name, pod.Spec.InitContainers)
		}
	}
}

func TestProbesUseTheRightPortsAndPaths(t *testing.T) {
	objects := render(t, "")
	for workload, port := range map[string]string{"rel-berth-server": "http", "rel-berth-worker": "metrics"} {
		c := container(t, objects, workload)
		for path, probe := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe,
			"/readyz": c.ReadinessProbe} {
			if probe == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.String() != port {
				t.Errorf("%s: probe %v, want %s on %s", workload, probe, path, port)
			}
		}
		if c.StartupProbe == nil {
			t.Errorf("%s has no startup probe", workload)
		}
		if !slices.ContainsFunc(c.Ports,
			func(p corev1.ContainerPort) bool { return p.Name == "metrics" && p.ContainerPort == 9090 }) {
			t.Errorf("%s has no metrics port: %v", workload, c.Ports)
		}
	}
}

func TestServicesSelectTheirPodsAndNoHooks(t *testing.T) {
	for name, values := range renders() {
		objects := render(t, values)
		for _, o := range objects {
			service, ok := o.typed.(*corev1.Service)
			if !ok {
				continue
			}
			var selected []string
			for of, pod := range podTemplates(objects) {
				if subset(service.Spec.Selector, pod.Labels) {
					selected = append(selected, of)
				}
			}
			want := strings.TrimSuffix(o.Name, "-metrics")
			if !slices.Equal(selected, []string{want}) {
				t.Errorf("%s: %s selects pods of %v, want %s only", name, o, selected, want)
			}
		}
	}
}

func TestServiceMonitorsSelectTheMetricsServices(t *testing.T) {
	count := 0
	for _, o := range render(t, most) {
		if o.Kind == "ServiceMonitor" {
			count++
			if o.Labels["release"] != "prometheus" ||
				!strings.Contains(o.text, `berth.dev/metrics: "true"`) ||
				!strings.Contains(o.text, "interval: 30s") {
				t.Errorf("%s:\n%s", o, o.text)
			}
		}
	}
	if count != 2 {
		t.Errorf("%d ServiceMonitors, want one for the server and one for the worker", count)
	}
}

func TestKeysComeFromTheHooksSecret(t *testing.T) {
	objects := render(t, "")
	wantSetting(t, objects, "rel-berth-server", "BERTH_BOOTSTRAP_ADMIN_KEY", "rel-berth-keys", "admin")
	wantSetting(t, objects, "rel-berth-server", "BERTH_BOOTSTRAP_WORKER_KEY", "rel-berth-keys", "worker")
	wantSetting(t, objects, "rel-berth-worker", "BERTH_API_KEY", "rel-berth-keys", "worker")
	hook := find[*batchv1.Job](t, objects, "rel-berth-keys")
	want := []string{"keys", "ensure", "--namespace=berth-system", "--secret=rel-berth-keys", "--log-format=json"}
	if args := hook.Spec.Template.Spec.Containers[0].Args; !slices.Equal(args, want) {
		t.Errorf("the hook runs %v, want %v", args, want)
	}
	if events := hook.Annotations["helm.sh/hook"]; events != "pre-install,pre-upgrade" {
		t.Errorf("the hook runs on %s", events)
	}
}

func TestUninstallDrainsIfItIsOne(t *testing.T) {
	for values, want := range map[string][]string{
		"": {"--namespace=berth-system-jobs", "--watch-namespace=berth-system-jobs", "--log-level=info", "--log-format=json"},
		most: {"--namespace=jobs", "--watch-namespace=jobs",
			"--watch-namespace=team-a", "--watch-namespace=team-b",
			"--legacy-finalizer=old.example.com/hold", "--cluster-id=east", "--keep-jobs", "--log-level=info", "--log-format=json"},
		"{worker: {drain: {requireUninstall: false}}}": {"--namespace=berth-system-jobs", "--watch-namespace=berth-system-jobs",
			"--require-uninstall=false", "--log-level=info", "--log-format=json"},
	} {
		objects := render(t, values)
		hook := find[*batchv1.Job](t, objects, "rel-berth-drain")
		if events := hook.Annotations["helm.sh/hook"]; events != "pre-delete" {
			t.Errorf("the hook runs on %s, after the server is deleted", events)
		}
		want = append([]string{"hook", "drain", "--release=rel", "--release-namespace=berth-system", "--revision=1",
			"--deployment=rel-berth-worker", "--recorded-installations=rel-berth-installations", "--test-pod=rel-berth-test"}, want...)
		if got := hook.Spec.Template.Spec.Containers[0].Args; !slices.Equal(got, want) {
			t.Errorf("it runs %v, want %v", got, want)
		}
		find[*corev1.Pod](t, objects, "rel-berth-test")
		record := find[*corev1.ConfigMap](t, objects, "rel-berth-installations")
		if args := container(t, objects, "rel-berth-worker").Args; record.Data != nil ||
			!slices.Contains(args, "--record-installation="+record.Name) {
			t.Errorf("the workers record nothing in %s: %v", record.Name, args)
		}
	}
}

func TestExistingKeysDisableTheHook(t *testing.T) {
	objects := render(t, existing)
	wantSetting(t, objects, "rel-berth-server", "BERTH_BOOTSTRAP_ADMIN_KEY", "mine", "root")
	wantSetting(t, objects, "rel-berth-server", "BERTH_BOOTSTRAP_WORKER_KEY", "mine", "work")
	wantSetting(t, objects, "rel-berth-worker", "BERTH_API_KEY", "mine", "work")
	wantSetting(t, objects, "rel-berth-drain", "BERTH_API_KEY", "mine", "work")
	for _, o := range objects {
		if strings.HasSuffix(o.Name, "-keys") {
			t.Errorf("%s is rendered although the keys exist", o)
		}
	}
}

func TestWorkerForAnExternalServerIsInstalledAlone(t *testing.T) {
	objects := render(t, remote)
	worker := container(t, objects, "rel-berth-worker")
	wantSetting(t, objects, "rel-berth-worker", "BERTH_API_KEY", "etl-key", "key")
	if !slices.Contains(worker.Env,
		corev1.EnvVar{Name: "BERTH_API_URL", Value: "https://berth.example.com"}) {
		t.Errorf("environment %v", worker.Env)
	}
	for _, o := range objects {
		ofJobs := o.Name == "berth-system-rel-berth-job" || o.Name == "berth-system-rel-berth-jobs"
		if !strings.HasPrefix(strings.TrimPrefix(o.Name, "berth-system-"), "rel-berth-worker") && !ofJobs {
			t.Errorf("%s is rendered, but only the installation of the server may be drained", o)
		}
	}
}

func TestServerEnsuresThePoolsOfTheWorkerAndOfTheValues(t *testing.T) {
	for name, test := range map[string]struct {
		values string
		want   []string
	}{
		"default":        {"", []string{"--ensure-pool=default=kubernetes"}},
		"another worker": {"{worker: {pool: etl}}", []string{"--ensure-pool=default=kubernetes", "--ensure-pool=etl=kubernetes"}},
		"no default":     {"{server: {ensurePools: {default: null}}, worker: {pool: etl}}", []string{"--ensure-pool=etl=kubernetes"}},
		"no worker":      {"{worker: {enabled: false}}", []string{"--ensure-pool=default=kubernetes"}},
	} {
		var got []string
		for _, arg := range container(t, render(t, test.values), "rel-berth-server").Args {
			if strings.HasPrefix(arg, "--ensure-pool") {
				got = append(got, arg)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestImageIsTheSameEverywhere(t *testing.T) {
	for values, want := range map[string]string{
		"":                           "ghcr.io/berth-dev/berth:0.1.0",
		"{image: {tag: dev}}":        "ghcr.io/berth-dev/berth:dev",
		"{image: {repository: x/y}}": "x/y:0.1.0",
		"{image: {repository: x:5/y, tag: z, digest: 'sha256:" + strings.Repeat("a", 64) +
			"'}}": "x:5/y@sha256:" + strings.Repeat("a", 64),
	} {
		for of, pod := range podTemplates(render(t, values)) {
			for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
				if c.Image != want {
					t.Errorf("%s: %s runs %s, want %s", values, of, c.Image, want)
				}
			}
		}
	}
}

// All configuration is in the pod template and not in a ConfigMap, so that every change replaces the pods.
func TestEveryChangeOfConfigurationChangesThePodTemplate(t *testing.T) {
	before := podTemplates(render(t, ""))
	for workload, all := range map[string][]string{
		"rel-berth-server": {
			"{server: {logLevel: debug}}", "{server: {logFormat: text}}",
			"{server: {ensurePools: {x: process}}}",
			"{server: {extraArgs: [--x]}}", "{server: {extraEnv: [{name: A, value: b}]}}",
			"{keys: {existingSecret: k}}",
			"{server: {podAnnotations: {restarted: now}}}",
		},
		"rel-berth-worker": {
			"{worker: {pool: p}}", "{worker: {limit: 3}}", "{jobs: {namespace: j}}",
			"{worker: {namespaces: [team]}}", "{worker: {templateEnv: [A]}}",
			"{worker: {clusterID: c}}", "{worker: {apiURL: 'http://u'}}",
			"{worker: {apiKey: {existingSecret: s}}}", "{worker: {logLevel: debug}}",
			"{worker: {extraArgs: [--x]}}", "{worker: {extraEnv: [{name: A, value: b}]}}",
			"{server: {service: {port: 80}}}",
		},
	} {
		for _, values := range all {
			if reflect.DeepEqual(podTemplates(render(t, values))[workload], before[workload]) {
				t.Errorf("%s does not change the pods of %s", values, workload)
			}
		}
	}
}

// Selectors and parts of a StatefulSet are immutable, so an upgrade of chart or image must not change them.
func TestSelectorsContainNoVersion(t *testing.T) {
	for _, o := range render(t, "") {
		var selector map[string]string
		switch typed := o.typed.(type) {
		case *appsv1.StatefulSet:
			selector = typed.Spec.Selector.MatchLabels
		case *appsv1.Deployment:
			selector = typed.Spec.Selector.MatchLabels
		}
		for label := range selector {
			if label == "app.kubernetes.io/version" || label == "helm.sh/chart" {
				t.Errorf("%s: %s changes with the version", o, label)
			}
		}
	}
}

// setting returns the Secret and key of a setting of every container of a pod, as SECRET/KEY; empty if it has none.
func setting(t *testing.T, objects []object, workload, name string) string {
	t.Helper()
	pod := podTemplates(objects)[workload].Spec
	for _, volume := range pod.Volumes {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			item := source.Secret.Items[0]
			switch {
			case item.Path != name && (name != "BERTH_CA_FILE" || item.Path != "ca.crt") &&
				(name != "BERTH_DATABASE_CA_FILE" || item.Path != "database-ca.crt"):
				continue
			case len(source.Secret.Items) != 1:
				t.Errorf("%s has more than %s of Secret %s", workload, name, source.Secret.Name)
			}
			for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
				if c.Name == "wait" || c.Name == "side" {
					continue
				}
				wanted := corev1.EnvVar{Name: "BERTH_SETTINGS_DIR", Value: "/etc/berth/settings"}
				if strings.HasSuffix(name, "_CA_FILE") {
					wanted = corev1.EnvVar{Name: name, Value: "/etc/berth/settings/" + item.Path}
				}
				mounted := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
					return m.Name == volume.Name && m.MountPath == "/etc/berth/settings" && m.ReadOnly
				})
				if !slices.Contains(c.Env, wanted) || !mounted {
					t.Errorf("%s of %s does not read %s: %v, %v", c.Name, workload, name, c.Env, c.VolumeMounts)
				}
			}
			return source.Secret.Name + "/" + item.Key
		}
	}
	for _, c := range pod.Containers {
		for _, env := range c.Env {
			if env.Name == name && env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
				return env.ValueFrom.SecretKeyRef.Name + "/" + env.ValueFrom.SecretKeyRef.Key
			}
		}
	}
	return ""
}

func wantSetting(t *testing.T, objects []object, workload, name, secret, key string) {
	t.Helper()
	if got := setting(t, objects, workload, name); got != secret+"/"+key {
		t.Errorf("%s has %s from %q, want Secret %s, key %s", workload, name, got, secret, key)
	}
}

func subset(of, in map[string]string) bool {
	for k, v := range of {
		if in[k] != v {
			return false
		}
	}
	return true
}
