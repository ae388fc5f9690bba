package reference

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// harmless are the fields of a pod that refer to nothing outside it, by type; * stands for all of a type.
var harmless = map[string][]string{
	"Container": {"args", "command", "image", "imagePullPolicy", "name", "restartPolicy", "stdin", "stdinOnce",
		"terminationMessagePath", "terminationMessagePolicy", "tty", "workingDir"},
	"ContainerPort":                   {"containerPort", "hostIP", "name", "protocol"}, // hostIP does nothing without hostPort
	"ContainerResizePolicy":           {"*"},
	"ContainerRestartRule":            {"action"},
	"ContainerRestartRuleOnExitCodes": {"*"},
	"ClusterTrustBundleProjection":    {"*"}, // public certificates
	"DownwardAPIVolumeFile":           {"mode", "path", "user"},
	"DownwardAPIVolumeSource":         {"defaultMode", "defaultUser"},
	"EmptyDirVolumeSource":            {"*"},
	"EnvFromSource":                   {"prefix"},
	"EnvVar":                          {"name", "value"},
	"EphemeralContainer":              {"*"}, // no Job has them: they are added to running pods
	"EphemeralContainerCommon":        {"*"},
	"EvictionResponder":               {"*"},
	"ExecAction":                      {"*"},
	"FileKeySelector":                 {"*"}, // a file that an init container wrote into an emptyDir
	"GRPCAction":                      {"*"},
	"HTTPGetAction":                   {"path", "port", "protocol", "scheme"},
	"HTTPHeader":                      {"*"},
	"LabelSelector":                   {"matchLabels"},
	"LabelSelectorRequirement":        {"*"},
	"Lifecycle":                       {"stopSignal"},
	"PodDNSConfig":                    {"*"},
	"PodDNSConfigOption":              {"*"},
	"PodOS":                           {"*"},
	"PodReadinessGate":                {"*"},
	"PodSchedulingGate":               {"*"},
	"PodSchedulingGroup":              {"*"},
	"PodSpec": {"activeDeadlineSeconds", "dnsPolicy", "enableServiceLinks", "hostname", "hostnameOverride",
		"overhead", "preemptionPolicy", "restartPolicy", "setHostnameAsFQDN", "subdomain",
		"terminationGracePeriodSeconds"},
	"Probe":                    {"*"},
	"ProjectedVolumeSource":    {"defaultMode", "defaultUser"},
	"ResourceClaim":            {"*"}, // of the pod, where they are references
	"ResourceRequirements":     {"limits", "requests"},
	"SleepAction":              {"*"},
	"TCPSocketAction":          {"port"},
	"TopologySpreadConstraint": {"*"},
	"Volume":                   {"name"},
	"VolumeMount": {"bindMountOptions", "mountPath", "name", "readOnly", "recursiveReadOnly", "subPath",
		"subPathExpr"}, // what its volume refers to is a reference of the mount
}

// TestEveryFieldOfAPodIsAReferenceOrHarmless fails when a new release of Kubernetes brings a field that
// is not judged.
func TestEveryFieldOfAPodIsAReferenceOrHarmless(t *testing.T) {
	pod := func(v any) any { return v }
	walkFields(reflect.TypeFor[corev1.PodSpec](), pod, "PodSpec", "", nil, func(of, field string, tree any) {
		known := harmless[of]
		job := map[string]any{"spec": map[string]any{"template": map[string]any{"spec": tree}}}
		if len(Find(job)) == 0 && !slices.Contains(known, field) && !slices.Contains(known, "*") {
			t.Errorf("%s.%s is not found as a reference and not known as harmless", of, field)
		}
	})
}

// walkFields calls visit for each scalar below a type, with a tree that holds it.
func walkFields(
	ty reflect.Type, build func(any) any, of, field string, seen []reflect.Type, visit func(of, field string, tree any),
) {
	switch ty.Kind() {
	case reflect.Pointer:
		walkFields(ty.Elem(), build, of, field, seen, visit)
	case reflect.Slice:
		inList := func(v any) any { return build([]any{v}) }
		walkFields(ty.Elem(), inList, of, field, seen, visit)
	case reflect.Map:
		inMap := func(v any) any { return build(map[string]any{"key": v}) }
		walkFields(ty.Elem(), inMap, of, field, seen, visit)
	case reflect.Struct:
		if slices.Contains(seen, ty) || ty.Name() == "Time" {
			return
		}
		if ty.Name() == "Quantity" || ty.Name() == "IntOrString" {
			visit(of, field, build("1"))
			return
		}
		for f := range fieldsOf(ty) {
			key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			below, name := build, ty.Name()
			if key != "" && !strings.Contains(options, "inline") {
				below = func(v any) any { return build(map[string]any{key: v}) }
			}
			walkFields(f.Type, below, name, key, append(seen, ty), visit)
		}
	default:
		visit(of, field, build("value"))
	}
}

func fieldsOf(ty reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range ty.NumField() {
			if !yield(ty.Field(i)) {
				return
			}
		}
	}
}
