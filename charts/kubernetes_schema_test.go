package charts

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/berth-dev/berth/templating/manifest/jobtype"
)

// objectValues are the objects of Kubernetes that values can be. values.schema.json has a definition `k8s.NAME` of each.
var objectValues = []reflect.Type{
	reflect.TypeFor[corev1.Affinity](),
	reflect.TypeFor[corev1.Container](),
	reflect.TypeFor[corev1.PodSecurityContext](),
	reflect.TypeFor[corev1.PodSpec](),
	reflect.TypeFor[appsv1.DeploymentStrategy](),
	reflect.TypeFor[appsv1.StatefulSetUpdateStrategy](),
	reflect.TypeFor[autoscalingv2.HorizontalPodAutoscalerSpec](),
	reflect.TypeFor[corev1.ServiceSpec](),
	reflect.TypeFor[networkingv1.IngressSpec](),
	reflect.TypeFor[networkingv1.NetworkPolicySpec](),
}

// kubernetesDefinitions are the definitions of the objects of Kubernetes that the schema refers to, a line each.
func kubernetesDefinitions(t *testing.T, handwritten string) string {
	t.Helper()
	types := jobtype.Of(objectValues...)
	needed := map[string]bool{}
	var need func(name string)
	need = func(name string) {
		described, ok := types[name]
		if !ok || needed[name] {
			return
		}
		needed[name] = true
		for _, f := range described.Fields {
			need(f.Type)
		}
	}
	for _, ref := range strings.Split(handwritten, `"#/definitions/k8s.`)[1:] {
		name, _, _ := strings.Cut(ref, `"`)
		if _, ok := types[name]; !ok {
			t.Fatalf("values.schema.json refers to k8s.%s: add it to objectValues", name)
		}
		need(name)
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		definition, err := json.Marshal(definitionOf(types[name]))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, `    "k8s.`+name+`": `+string(definition))
	}
	return strings.Join(lines, ",\n")
}

// definitionOf is strict about names and types. Kubernetes takes null for any field as a field that is not there.
func definitionOf(of jobtype.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range of.Fields {
		properties[f.Name] = fieldSchema(f)
		if f.Required {
			required = append(required, f.Name)
		}
	}
	definition := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		definition["required"] = required
	}
	return definition
}

func fieldSchema(f jobtype.Field) any {
	value := map[string]any{}
	switch f.Type {
	case jobtype.String:
		value["type"] = "string"
		if len(f.Enum) > 0 {
			value = map[string]any{"enum": f.Enum}
		}
	case jobtype.Time, jobtype.Bytes:
		value["type"] = "string"
	case jobtype.Integer, jobtype.Number, jobtype.Boolean:
		value["type"] = f.Type
	case jobtype.Quantity:
		value["type"] = []string{"string", "number"}
	case jobtype.IntOrString:
		value["type"] = []string{"integer", "string"}
	case jobtype.Any:
	default:
		value["$ref"] = "#/definitions/k8s." + f.Type
	}
	switch {
	case f.List:
		return map[string]any{"type": []string{"array", "null"}, "items": value}
	case f.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": value}
	case f.Required:
		return value
	}
	if one, ok := value["type"].(string); ok {
		value["type"] = []string{one, "null"}
		return value
	}
	return map[string]any{"anyOf": []any{value, map[string]any{"type": "null"}}}
}

// TestTheSchemaHasTheDefinitionsOfKubernetes: they are the last lines of values.schema.json.
func TestTheSchemaHasTheDefinitionsOfKubernetes(t *testing.T) {
	const path, first, end = "berth/values.schema.json", ",\n    \"k8s.", "\n  }\n}\n"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	handwritten, _, _ := strings.Cut(strings.TrimSuffix(string(data), end), first)
	want := handwritten + ",\n" + kubernetesDefinitions(t, handwritten) + end
	if string(data) == want {
		return
	}
	if !*update {
		t.Fatalf("%s lacks definitions of Kubernetes: run go test ./charts -update", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestValuesThatKubernetesWouldRefuseAreRefused(t *testing.T) {
	for values, want := range map[string]string{
		`{server: {tolerations: [{key: a, operater: Exists}]}}`:                                                            "operater",
		`{worker: {tolerations: [{key: a, operator: Exist}]}}`:                                                             "operator",
		`{hooks: {affinity: {nodeAfinity: {}}}}`:                                                                           "nodeAfinity",
		`{server: {affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {}}]}}}}`: "topologyKey",
		`{podSecurityContext: {runAsUser: "root"}}`:                                                                        "runAsUser",
		`{containerSecurityContext: {capabilities: {drop: ALL}}}`:                                                          "drop",
		`{server: {extraEnv: [{name: A, valueFrom: {secretRef: {name: b}}}]}}`:                                             "secretRef",
		`{worker: {topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone}]}}`:                                         "whenUnsatisfiable",
		`{server: {resources: {limit: {memory: 1Gi}}}}`:                                                                    "limit",
	} {
		if _, err := renderFiles(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want one with %q", values, err, want)
		}
	}
}
