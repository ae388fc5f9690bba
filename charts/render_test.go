package charts

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write golden files and the README's table of values")

// object is a rendered manifest: its text, and the typed object decoded from it (nil for custom resources).
type object struct {
	metav1.PartialObjectMetadata
	template string
	text     string
	typed    runtime.Object
}

func (o object) String() string { return o.Kind + "/" + o.Namespace + "/" + o.Name }

func (o object) isHook() bool { return o.Annotations["helm.sh/hook"] != "" }

// renderFiles renders the chart as `helm install rel --namespace berth-system` would.
func renderFiles(t *testing.T, valuesYAML string) (map[string]string, error) {
	t.Helper()
	return renderRelease(t, "rel", "berth-system", valuesYAML)
}

// renderRelease renders the chart as `helm install RELEASE --namespace NAMESPACE` would.
func renderRelease(t *testing.T, release, namespace, valuesYAML string) (map[string]string, error) {
	t.Helper()
	loaded, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	given, err := chartutil.ReadValues([]byte(valuesYAML))
	if err != nil {
		t.Fatal(err)
	}
	values, err := chartutil.ToRenderValues(loaded, given, chartutil.ReleaseOptions{
		Name: release, Namespace: namespace, Revision: 1, IsInstall: true,
	}, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(loaded, values)
}

// merged returns values with others over them, as two -f do.
func merged(t *testing.T, valuesYAML, overYAML string) string {
	t.Helper()
	values, err := chartutil.ReadValues([]byte(valuesYAML))
	if err != nil {
		t.Fatal(err)
	}
	over, err := chartutil.ReadValues([]byte(overYAML))
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(chartutil.MergeTables(over, values))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// render returns every object of the chart with these values, hooks included, in a fixed order.
func render(t *testing.T, valuesYAML string) []object {
	t.Helper()
	rendered, err := renderFiles(t, valuesYAML)
	if err != nil {
		t.Fatalf("render: %v", err)
	}
	return objectsOf(t, rendered)
}

func objectsOf(t *testing.T, rendered map[string]string) []object {
	t.Helper()
	decoder := strictDecoder(t)
	var objects []object
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for _, text := range strings.Split("\n"+rendered[name], "\n---") {
			if strings.TrimSpace(text) == "" {
				continue
			}
			o := object{template: name, text: strings.TrimSpace(text) + "\n"}
			if err := yaml.Unmarshal([]byte(text), &o.PartialObjectMetadata); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, text)
			}
			if !slices.Contains([]string{"monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1", "keda.sh/v1alpha1"}, o.APIVersion) {
				typed, _, err := decoder.Decode([]byte(text), nil, nil)
				if err != nil {
					t.Fatalf("%s: %s: %v\n%s", name, o, err, text)
				}
				o.typed = typed
			}
			objects = append(objects, o)
		}
	}
	return objects
}

func strictDecoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, networkingv1.AddToScheme, corev1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// podTemplates returns the pod templates of the objects, by object name.
func podTemplates(objects []object) map[string]corev1.PodTemplateSpec {
	pods := map[string]corev1.PodTemplateSpec{}
	for _, o := range objects {
		switch typed := o.typed.(type) {
		case *appsv1.StatefulSet:
			pods[o.Name] = typed.Spec.Template
		case *appsv1.Deployment:
			pods[o.Name] = typed.Spec.Template
		case *batchv1.Job:
			pods[o.Name] = typed.Spec.Template
		case *corev1.Pod:
			pods[o.Name] = corev1.PodTemplateSpec{ObjectMeta: typed.ObjectMeta, Spec: typed.Spec}
		}
	}
	return pods
}

func container(t *testing.T, objects []object, workload string) corev1.Container {
	t.Helper()
	pod, ok := podTemplates(objects)[workload]
	if !ok || len(pod.Spec.Containers) == 0 {
		t.Fatalf("no object named %s has a pod template", workload)
	}
	return pod.Spec.Containers[0]
}

func find[T runtime.Object](t *testing.T, objects []object, name string) T {
	t.Helper()
	for _, o := range objects {
		if typed, ok := o.typed.(T); ok && o.Name == name {
			return typed
		}
	}
	var zero T
	t.Fatalf("no %T named %s", zero, name)
	return zero
}

func names(objects []object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, o.String())
	}
	slices.Sort(out)
	return out
}

// Sets of values that tests share.
const (
	external = `{server: {replicas: 2}, database: {external: {existingSecret: postgres, urlKey: pooled, directURLKey: direct, readURLKey: standby}, partition: weekly}}`
	remote   = `{server: {enabled: false}, worker: {pool: etl, apiURL: "https://berth.example.com", apiKey: {existingSecret: etl-key}}}`
	secure   = `{server: {tls: {existingSecret: berth-tls}}}`
	existing = `{keys: {existingSecret: mine, adminKey: root, workerKey: work}}`
	most     = `
server:
  replicas: 3
  ensurePools: {gpu: kubernetes, local: process}
  podAnnotations: {restarted: "1"}
  tolerations: [{key: a, operator: Exists}]
  nodeSelector: {disk: ssd}
  priorityClassName: high
  extraArgs: [--log-level=warn]
  keep: {runs: 36h, logs: 7d, audit: "0"}
  rateLimit: 0
  tls: {existingSecret: berth-tls, caKey: ""}
  extraEnv: [{name: HTTPS_PROXY, value: "http://proxy:3128"}]
  service: {type: LoadBalancer, port: 80, annotations: {a: b}}
  serviceAccount: {annotations: {a: b}}
database: {external: {existingSecret: postgres}}
jobs:
  namespace: jobs
  createNamespace: false
worker:
  pool: etl
  replicas: 2
  limit: 50
  namespaces: [team-a, team-b, jobs]
  templateEnv: [REGION]
  clusterID: east
  extraEnv: [{name: REGION, value: eu}]
  podLabels: {team: data}
  legacyFinalizers: [old.example.com/hold]
  drain: {keepJobs: true}
image: {repository: registry.example.com/berth, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000", pullPolicy: Always, pullSecrets: [{name: pull}]}
metrics:
  serviceMonitor: {enabled: true, interval: 30s, scrapeTimeout: 10s, labels: {release: prometheus}}
  prometheusRule: {enabled: true, labels: {release: prometheus}, selector: 'namespace="east", cluster="one"', disabled: [BerthRunsWait]}
  dashboard: {enabled: true, annotations: {grafana_folder: Berth}}
commonLabels: {owner: platform}
hooks: {priorityClassName: high, podLabels: {h: k}, nodeSelector: {disk: ssd}}
`
)

const databaseParts = `{server: {replicas: 2}, database: {external: {host: {value: db}, user: {existingSecret: pg-app},
	password: {existingSecret: pg-app}, ca: {existingSecret: pg-ca}}}}`

// extensions are values at every place of a pod where users add something, the same for all pods.
func extensions() string {
	var text strings.Builder
	for _, pods := range []string{"server", "worker", "hooks"} {
		text.WriteString(pods + `:
  extraEnv: [{name: EXTRA, valueFrom: {secretKeyRef: {name: of-env, key: k}}}]
  extraEnvFrom: [{secretRef: {name: of-env-from}}, {configMapRef: {name: settings}}]
  extraVolumes: [{name: more, secret: {secretName: of-volume}}, {name: all, projected: {sources: [{secret: {name: of-projected}}]}}]
  extraVolumeMounts: [{name: more, mountPath: /more}]
  extraInitContainers: &more
    - name: wait
      image: example.com/wait
      env: [{name: A, valueFrom: {secretKeyRef: {name: of-sidecar, key: k}}}]
      resources: {requests: {cpu: 1m, memory: 1Mi}, limits: {memory: 1Mi}}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: {drop: [ALL]}}
  extraContainers:
    - name: side
      image: example.com/side
      resources: {requests: {cpu: 1m, memory: 1Mi}, limits: {memory: 1Mi}}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, capabilities: {drop: [ALL]}}
  runtimeClassName: gvisor
  schedulerName: volcano
  dnsPolicy: None
  dnsConfig: {nameservers: [10.0.0.10]}
  hostAliases: [{ip: 10.0.0.1, hostnames: [db]}]
  podAnnotations: {note: yes}
  affinity: {nodeAffinity: {}}
`)
	}
	return strings.ReplaceAll(text.String(), "note: yes", "note: 'yes'")
}

// renders are the sets of values for which every invariant must hold.
func renders() map[string]string {
	return map[string]string{
		"default": "", "external database": external, "a worker for a server elsewhere": remote, "existing keys": existing,
		"TLS":             secure,
		"most values set": most, "no volume": `{server: {persistence: {enabled: false}}}`,
		"an existing claim":           `{server: {persistence: {existingClaim: mine}}}`,
		"rights of your own":          `{worker: {rbac: {create: false}, serviceAccount: {create: false, name: mine}}}`,
		"sign-in":                     signIn,
		"the server alone":            `{worker: {enabled: false}}`,
		"secrets in the environment":  "{secretsAsFiles: false, database: {external: {existingSecret: postgres, ca: {existingSecret: ca}}}}",
		"the parts of a database URL": databaseParts, "extensions": extensions(), "exposed": exposed, "declared files": applies,
	}
}
