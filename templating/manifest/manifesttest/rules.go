// Package manifesttest holds the rules of Kubernetes that are checked without a server, each with a Job that
// breaks it: one test asks the checks, another a real API server, and both must refuse.
package manifesttest

import (
	"slices"
	"strings"
)

// Rule is a Job that breaks one rule.
type Rule struct {
	Name string
	// Spec and Pod are parts of the Job's spec and of its pod's, in YAML's flow style.
	Spec, Pod string
	// At is the place below the pod's spec, or below the Job's where it begins with a dot; Want is part of
	// the message.
	At, Want string
}

const oneContainer = "containers: [{name: main, image: 'busybox:1.36'}]"

// Job is the Job as YAML.
func (r Rule) Job() string { return Job(r.Spec, r.Pod) }

// Job wraps parts of a Job's spec and of its pod's.
func Job(spec, pod string) string {
	return "apiVersion: batch/v1\nkind: Job\nspec: {" + spec + "template: {spec: {" + pod + "}}}\n"
}

// Pointer is the place in a base job template.
func (r Rule) Pointer() string {
	if rest, ofJob := strings.CutPrefix(r.At, "."); ofJob {
		return "/job_configuration/job_manifest/spec/" + rest
	}
	return "/job_configuration/job_manifest/spec/template/spec/" + r.At
}

const nodeAt = "affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchExpressions/0"

// node is a pod with a node affinity of one expression.
func node(expression string) string {
	return oneContainer + ", affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [" + expression + "]}]}}}"
}

// Rules lists the rules.
func Rules() []Rule {
	c := func(rest string) string { return "containers: [{name: main, image: 'busybox:1.36', " + rest + "}]" }
	init := func(rest string) string {
		return oneContainer + ", initContainers: [{name: first, image: 'busybox:1.36', " + rest + "}]"
	}
	return slices.Concat(fieldRules(), []Rule{
		{"a probe without a handler", "", c("livenessProbe: {periodSeconds: 5}"), "containers/0/livenessProbe", "a probe must have one of exec, grpc, httpGet, tcpSocket"},
		{"a probe with two handlers", "", c("readinessProbe: {exec: {command: [a]}, tcpSocket: {port: 80}}"), "containers/0/readinessProbe", "a probe has exec and tcpSocket; only one is allowed"},
		{"an exec probe without a command", "", c("livenessProbe: {exec: {}}"), "containers/0/livenessProbe/exec/command", "an exec probe needs a command"},
		{"a probe on a port that is none", "", c("livenessProbe: {httpGet: {port: 70000}}"), "containers/0/livenessProbe/httpGet/port", "must be between 1 and 65535, not 70000"},
		{"a probe on a port without a name", "", c("livenessProbe: {tcpSocket: {port: Not_A_Port}}"), "containers/0/livenessProbe/tcpSocket/port", `"Not_A_Port" is not a valid name`},
		{"a scheme that is none", "", c("livenessProbe: {httpGet: {port: 80, scheme: FTP}}"), "containers/0/livenessProbe/httpGet/scheme", "must be HTTP or HTTPS"},
		{"a negative period", "", c("livenessProbe: {tcpSocket: {port: 80}, periodSeconds: -1}"), "containers/0/livenessProbe/periodSeconds", "must be at least 0, not -1"},
		{"two successes of a liveness probe", "", c("livenessProbe: {tcpSocket: {port: 80}, successThreshold: 2}"), "containers/0/livenessProbe/successThreshold", "must be 1 for a livenessProbe"},
		{"a grace of a readiness probe", "", c("readinessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 5}"), "containers/0/readinessProbe/terminationGracePeriodSeconds", "not allowed for a readinessProbe, which never stops its container"},
		{"a probe of an init container", "", init("livenessProbe: {tcpSocket: {port: 80}}"), "initContainers/0/livenessProbe", "an init container cannot have probes unless its restartPolicy is Always"},
		{"a hook of an init container", "", init("lifecycle: {preStop: {sleep: {seconds: 1}}}"), "initContainers/0/lifecycle", "cannot have lifecycle hooks"},
		{"a hook without a handler", "", c("lifecycle: {preStop: {}}"), "containers/0/lifecycle/preStop", "a hook must have one of exec, httpGet, sleep, tcpSocket"},
		{"a restart policy of an init container", "", init("restartPolicy: Sometimes"), "initContainers/0/restartPolicy", "must be Always or Never or OnFailure"},
		{"two containers of one name", "", strings.Replace(init("env: []"), "name: first", "name: main", 1), "containers/0/name", `two containers are named "main"`},
		{"two ports of one name", "", c("ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]"), "containers/0/ports/1/name", `two ports are named "a"`},
		{"a host port beside the host's network", "", "hostNetwork: true, " + c("ports: [{containerPort: 80, hostPort: 81}]"), "containers/0/ports/0/hostPort", "must be the containerPort 80"},
		{"a user that cannot be", "", c("securityContext: {runAsNonRoot: true, runAsUser: 0}"), "containers/0/securityContext/runAsUser", "must not be 0 (root) because runAsNonRoot is true"},
		{"the same of the pod", "", "securityContext: {runAsNonRoot: true, runAsUser: 0}, " + oneContainer, "containers/0/securityContext/runAsUser", `container "main" would never start`},
		{"a negative group", "", "securityContext: {fsGroup: -1}, " + oneContainer, "securityContext/fsGroup", "must be at least 0, not -1"},
		{"privileged without escalation", "", c("securityContext: {privileged: true, allowPrivilegeEscalation: false}"), "containers/0/securityContext/allowPrivilegeEscalation", "cannot be false in a privileged container"},
		{"a seccomp profile without its file", "", c("securityContext: {seccompProfile: {type: Localhost}}"), "containers/0/securityContext/seccompProfile/localhostProfile", "is required for type Localhost"},
		{"two sources of a volume", "", oneContainer + ", volumes: [{name: v, emptyDir: {}, hostPath: {path: /x}}]", "volumes/0", `volume "v" has hostPath and emptyDir; only one source is allowed`},
		{"a secret volume without a secret", "", oneContainer + ", volumes: [{name: v, secret: {}}]", "volumes/0/secret/secretName", "a secret volume needs a secretName"},
		{"a claim without a name", "", oneContainer + ", volumes: [{name: v, persistentVolumeClaim: {claimName: ''}}]", "volumes/0/persistentVolumeClaim/claimName", "needs a claimName"},
		{"a host path of a type that is none", "", oneContainer + ", volumes: [{name: v, hostPath: {path: /x, type: Folder}}]", "volumes/0/hostPath/type", "must be DirectoryOrCreate or"},
		{"an item that leaves its volume", "", oneContainer + ", volumes: [{name: v, configMap: {name: c, items: [{key: k, path: ../x}]}}]", "volumes/0/configMap/items/0/path", `"../x" points outside the volume`},
		{"a mode that is none", "", oneContainer + ", volumes: [{name: v, secret: {secretName: s, defaultMode: 1000}}]", "volumes/0/secret/defaultMode", "must be between 0 and 0777 (511), not 1000"},
		{"a mount of no volume", "", c("volumeMounts: [{name: nowhere, mountPath: /x}]"), "containers/0/volumeMounts/0/name", `unknown volume "nowhere"`},
		{"two mounts at one path", "", c("volumeMounts: [{name: v, mountPath: /x}, {name: v, mountPath: /x}]") + ", volumes: [{name: v}]", "containers/0/volumeMounts/1/mountPath", `two volumes are mounted at "/x"`},
		{"a subPath that leaves", "", c("volumeMounts: [{name: v, mountPath: /x, subPath: a/../../b}]") + ", volumes: [{name: v}]", "containers/0/volumeMounts/0/subPath", "points outside the volume"},
		{"a subPath that is absolute", "", c("volumeMounts: [{name: v, mountPath: /x, subPath: /etc}]") + ", volumes: [{name: v}]", "containers/0/volumeMounts/0/subPath", "points outside the volume"},
		{"subPath and subPathExpr", "", c("volumeMounts: [{name: v, mountPath: /x, subPath: a, subPathExpr: b}]") + ", volumes: [{name: v}]", "containers/0/volumeMounts/0/subPathExpr", "cannot be set together with subPath"},
		{"a valueFrom of nothing", "", c("env: [{name: A, valueFrom: {}}]"), "containers/0/env", "the valueFrom of A must have one of"},
		{"a valueFrom of two", "", c("env: [{name: A, valueFrom: {fieldRef: {fieldPath: a}, secretKeyRef: {name: a, key: b}}}]"), "containers/0/env", "has fieldRef and secretKeyRef; only one is allowed"},
		{"an envFrom of nothing", "", c("envFrom: [{prefix: A_}]"), "containers/0/envFrom/0", "envFrom must have one of configMapRef, secretRef"},
		{"an envFrom of a secret without a name", "", c("envFrom: [{secretRef: {}}]"), "containers/0/envFrom/0/secretRef/name", "a secretRef needs a name"},
		{"a device without a limit", "", c("resources: {requests: {nvidia.com/gpu: 1}}"), "containers/0/resources/requests/nvidia.com~1gpu", "must have a limit equal to its request"},
		{"huge pages that differ", "", c("resources: {requests: {hugepages-2Mi: 2Mi}, limits: {hugepages-2Mi: 4Mi, memory: 1Gi}}"), "containers/0/resources/requests/hugepages-2Mi", "must have a limit equal to its request"},
		{"a request above its limit", "", c("resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}"), "containers/0/resources/requests/memory", "request 2Gi exceeds limit 1Gi"},
		{"an affinity without terms", "", oneContainer + ", affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}",
			"affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms", "needs at least one term"},
		{"In without values", "", node("{key: a, operator: In}"), nodeAt + "/values", "In needs at least one value"},
		{"Exists with values", "", node("{key: a, operator: Exists, values: [b]}"), nodeAt + "/values", "Exists takes no values"},
		{"Gt of words", "", node("{key: a, operator: Gt, values: [many]}"), nodeAt + "/values", "Gt needs exactly one integer"},
		{"an operator that is none", "", node("{key: a, operator: Like, values: [b]}"), nodeAt + "/operator", "must be In or NotIn or Exists"},
		{"a weight of nothing", "", oneContainer + ", affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, preference: {matchExpressions: [{key: a, operator: Exists}]}}]}}",
			"affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/weight", "must be between 1 and 100, not 0"},
		{"a pod affinity without a topology", "", oneContainer + ", affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchLabels: {a: b}}, topologyKey: ''}]}}",
			"affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/topologyKey", "needs a topologyKey"},
		{"a spread without skew", "", oneContainer + ", topologySpreadConstraints: [{maxSkew: 0, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]", "topologySpreadConstraints/0/maxSkew", "must be at least 1, not 0"},
		{"a spread that says nothing", "", oneContainer + ", topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: Never}]", "topologySpreadConstraints/0/whenUnsatisfiable", "must be DoNotSchedule or ScheduleAnyway"},
		{"seconds of a toleration that is for ever", "", oneContainer + ", tolerations: [{key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 5}]", "tolerations/0/tolerationSeconds", "needs the effect NoExecute"},
		{"a name of a runtime class", "", "runtimeClassName: Not_One, " + oneContainer, "runtimeClassName", "is not a valid name"},
		{"no name servers", "", "dnsPolicy: None, " + oneContainer, "dnsConfig/nameservers", "dnsPolicy None needs at least one nameserver"},
		{"an alias of no address", "", oneContainer + ", hostAliases: [{ip: nowhere, hostnames: [a]}]", "hostAliases/0/ip", `"nowhere" is not an IP address`},
		{"host processes shared twice", "", "hostPID: true, shareProcessNamespace: true, " + oneContainer, "shareProcessNamespace", "cannot be true together with hostPID"},
		{"a policy for one index of none", "backoffLimitPerIndex: 1, ", oneContainer, ".backoffLimitPerIndex", "needs completionMode Indexed"},
		{"indexes without a number", "completionMode: Indexed, parallelism: 2, ", oneContainer, ".completions", "completionMode Indexed needs completions"},
		{"failed indexes without retries of an index", "completionMode: Indexed, completions: 2, maxFailedIndexes: 1, ", oneContainer, ".backoffLimitPerIndex", "maxFailedIndexes needs backoffLimitPerIndex"},
		{"more failed indexes than indexes", "completionMode: Indexed, completions: 2, backoffLimitPerIndex: 1, maxFailedIndexes: 3, ", oneContainer, ".maxFailedIndexes", "must be at most 2, not 3"},
		{"more indexes at once than may be", "completionMode: Indexed, completions: 2, parallelism: 100001, ", oneContainer, ".parallelism", "must be at most 100000"},
		{"very many indexes that may all fail", "completionMode: Indexed, completions: 100001, backoffLimitPerIndex: 1, ", oneContainer, ".maxFailedIndexes", "need maxFailedIndexes"},
		{"a success policy without rules", "completionMode: Indexed, completions: 2, successPolicy: {rules: []}, ", oneContainer, ".successPolicy/rules", "needs 1 to 20 rules, not 0"},
		{"a success of nothing", "completionMode: Indexed, completions: 2, successPolicy: {rules: [{}]}, ", oneContainer, ".successPolicy/rules/0", "needs succeededCount or succeededIndexes"},
		{"a success of more than there are", "completionMode: Indexed, completions: 2, successPolicy: {rules: [{succeededCount: 3}]}, ", oneContainer, ".successPolicy/rules/0/succeededCount", "must be at most 2, not 3"},
		{"a success of more than is listed", "completionMode: Indexed, completions: 9, successPolicy: {rules: [{succeededIndexes: '0-1,4', succeededCount: 4}]}, ", oneContainer, ".successPolicy/rules/0/succeededCount", "must be at most 3, not 4"},
		{"a success of an index that is not there", "completionMode: Indexed, completions: 2, successPolicy: {rules: [{succeededIndexes: '0,2'}]}, ", oneContainer, ".successPolicy/rules/0/succeededIndexes", "must be ascending indexes below 2"},
		{"indexes out of order", "completionMode: Indexed, completions: 9, successPolicy: {rules: [{succeededIndexes: '4,1'}]}, ", oneContainer, ".successPolicy/rules/0/succeededIndexes", "must be ascending indexes below 9"},
		{"an index to fail of a Job that retries none", "completionMode: Indexed, completions: 2, podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [3]}}]}, ", oneContainer,
			".podFailurePolicy/rules/0/action", "FailIndex needs backoffLimitPerIndex"},
		{"a policy and OnFailure", "podFailurePolicy: {rules: [{action: FailJob, onPodConditions: [{type: DisruptionTarget}]}]}, ", "restartPolicy: OnFailure, " + oneContainer, ".podFailurePolicy", "needs restartPolicy Never"},
		{"a rule for nothing", "podFailurePolicy: {rules: [{action: FailJob}]}, ", oneContainer, ".podFailurePolicy/rules/0", "a rule must have one of onExitCodes, onPodConditions"},
		{"a rule for success", "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [0, 1]}}]}, ", oneContainer, ".podFailurePolicy/rules/0/onExitCodes/values", "must not contain 0, which is success"},
		{"codes out of order", "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [3, 2]}}]}, ", oneContainer, ".podFailurePolicy/rules/0/onExitCodes/values", "must be in ascending order, without duplicates"},
		{"a rule for a container that is not there", "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [3], containerName: nobody}}]}, ", oneContainer,
			".podFailurePolicy/rules/0/onExitCodes/containerName", `unknown container "nobody"`},
		{"an action that is none", "podFailurePolicy: {rules: [{action: Retry, onPodConditions: [{type: DisruptionTarget}]}]}, ", oneContainer, ".podFailurePolicy/rules/0/action", "must be FailJob or"},
	})
}

// Taken are pods that break no rule, although they come near one.
func Taken() map[string]string {
	return map[string]string{
		"a sidecar with a probe":      oneContainer + ", initContainers: [{name: side, image: 'a:1', restartPolicy: Always, startupProbe: {grpc: {port: 80}}}]",
		"a device with its limit":     "containers: [{name: main, image: 'a:1', resources: {limits: {nvidia.com/gpu: 1}}}]",
		"a volume without a source":   oneContainer + ", volumes: [{name: v}]",
		"root that is not forbidden":  "containers: [{name: main, image: 'a:1', securityContext: {runAsUser: 0}}]",
		"a user of a container's own": "securityContext: {runAsNonRoot: true, runAsUser: 0}, containers: [{name: main, image: 'a:1', securityContext: {runAsUser: 5}}]",
		"a projected volume":          oneContainer + ", volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: token}}]}}]",
		"a sub path with dots":        "containers: [{name: main, image: 'a:1', volumeMounts: [{name: v, mountPath: /x, subPath: a..b/c}]}], volumes: [{name: v, emptyDir: {}}]",
		"a port by name":              "containers: [{name: main, image: 'a:1', ports: [{name: web, containerPort: 80}], livenessProbe: {httpGet: {port: web, path: /}}}]",
		"a toleration of everything":  oneContainer + ", tolerations: [{operator: Exists}]",
		"one key of the labels":       "containers: [{name: main, image: 'a:1', env: [{name: A, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['example.com/team']\"}}}]}]",
		"files of the pod's fields":   oneContainer + ", volumes: [{name: v, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}, {path: cpu, resourceFieldRef: {containerName: main, resource: limits.cpu}}]}}]",
		"a soft and a hard spread":    oneContainer + ", topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]",
		"huge pages in memory":        oneContainer + ", volumes: [{name: v, emptyDir: {medium: HugePages-2Mi}}]",
		"no dns but one's own":        "dnsPolicy: None, dnsConfig: {nameservers: [10.0.0.1]}, " + oneContainer,
	}
}
