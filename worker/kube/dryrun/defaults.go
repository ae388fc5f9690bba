package dryrun

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth/templating"
)

// defaults are the values that the Kubernetes API gives to fields that were not written, by the last step of their place.
// imagePullPolicy is not among them: it depends on the tag, and people look for it.
var defaults = map[string]string{
	"backoffLimit": "6", "completionMode": "NonIndexed", "completions": "1", "manualSelector": "false", "parallelism": "1",
	"podReplacementPolicy": "TerminatingOrFailed", "suspend": "false",

	"dnsPolicy": "ClusterFirst", "enableServiceLinks": "true", "preemptionPolicy": "PreemptLowerPriority", "priority": "0",
	"resources": "map[]", "schedulerName": "default-scheduler", "securityContext": "map[]",
	"terminationGracePeriodSeconds": "30", "terminationMessagePath": "/dev/termination-log",
	"terminationMessagePolicy": "File",

	"apiVersion": "v1", "defaultMode": "420", "divisor": "0", "failureThreshold": "3", "periodSeconds": "10",
	"protocol": "TCP", "scheme": "HTTP", "successThreshold": "1", "timeoutSeconds": "1",

	"serviceAccount": "default", "serviceAccountName": "default",
}

// tokenVolume begins the name of the volume with the token of a ServiceAccount, which every pod gets that does not switch
// it off.
const tokenVolume = "kube-api-access-"

// isDefault is true for a change that every such object meets in every cluster.
func isDefault(c templating.Change) bool {
	if c.Kind != templating.ChangeAdded {
		return false
	}
	steps := strings.Split(c.Pointer, "/")
	if last := steps[len(steps)-1]; defaults[last] != "" && defaults[last] == fmt.Sprint(c.After) {
		return true
	}
	for _, step := range steps {
		switch step {
		case "volumes", "volumeMounts":
			return all(c.After, func(item map[string]any) bool {
				name, _ := item["name"].(string)
				return strings.HasPrefix(name, tokenVolume)
			})
		case "tolerations":
			return all(c.After, func(item map[string]any) bool {
				return item["key"] == "node.kubernetes.io/not-ready" || item["key"] == "node.kubernetes.io/unreachable"
			})
		}
	}
	return false
}

// all is true where each item of a list, or the one item, is as wanted.
func all(v any, wanted func(map[string]any) bool) bool {
	items, ok := v.([]any)
	if !ok {
		items = []any{v}
	}
	for _, item := range items {
		object, ok := item.(map[string]any)
		if !ok || !wanted(object) {
			return false
		}
	}
	return true
}
