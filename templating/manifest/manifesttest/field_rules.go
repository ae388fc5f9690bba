package manifesttest

// fieldRules are about single fields: what is read, how much of it, and where volumes come from.
func fieldRules() []Rule {
	c := func(rest string) string { return "containers: [{name: main, image: 'busybox:1.36', " + rest + "}]" }
	volume := func(source string) string { return oneContainer + ", volumes: [{name: v, " + source + "}]" }
	return []Rule{
		{"a label that a node cannot have", "", node("{key: a, operator: In, values: [a/b/c]}"), nodeAt + "/values/0", `"a/b/c" is not a valid name`},
		{"a hook without a command", "", c("lifecycle: {preStop: {exec: {}}}"), "containers/0/lifecycle/preStop/exec/command", "a hook with exec needs a command"},
		{"a hook that sleeps too long", "", c("lifecycle: {preStop: {sleep: {seconds: 31}}}"), "containers/0/lifecycle/preStop/sleep/seconds", "must be between 0 and terminationGracePeriodSeconds (30), not 31"},
		{"a divisor that is none", "", c("env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 5}}}]"), "containers/0/env", "the divisor of cpu must be one of 1m, 1, not 5"},
		{"a Secret that cannot be named", "", c("env: [{name: A, valueFrom: {secretKeyRef: {name: a/b, key: k}}}]"), "containers/0/env", `"a/b" is not a valid name`},
		{"a header without a name", "", c("livenessProbe: {httpGet: {port: 80, httpHeaders: [{value: a}]}}"), "containers/0/livenessProbe/httpGet/httpHeaders/0/name", "a header needs a name"},
		{"a grpc probe without a port", "", c("livenessProbe: {grpc: {service: a}}"), "containers/0/livenessProbe/grpc/port", "must be between 1 and 65535"},
		{"a sysctl twice", "", oneContainer + ", securityContext: {sysctls: [{name: a.b, value: '1'}, {name: a.b, value: '2'}]}", "securityContext/sysctls/1/name", `sysctl "a.b" is set twice`},
		{"an operating system that is none", "", oneContainer + ", os: {name: plan9}", "os/name", `must be linux or windows, not "plan9"`},
		{"a readiness gate without a condition", "", oneContainer + ", readinessGates: [{}]", "readinessGates/0/conditionType", "a readiness gate needs a conditionType"},
		{"a host alias without a name", "", oneContainer + ", hostAliases: [{ip: 10.0.0.1, hostnames: ['']}]", "hostAliases/0/hostnames/0", "a host name must not be empty"},
		{"two items at one path", "", oneContainer + ", volumes: [{name: v, projected: {sources: [{secret: {name: a, items: [{key: k, path: p}]}}, {configMap: {name: a, items: [{key: k, path: p}]}}]}}]", "volumes/0/projected/sources/1/configMap/items/0/path", `two items have the path "p"`},
		{"an iscsi volume without a target", "", oneContainer + ", volumes: [{name: v, iscsi: {iqn: 'iqn.2001-04.com.example:a', lun: 0}}]", "volumes/0/iscsi/targetPortal", "an iscsi volume needs a targetPortal"},
		{"a field that cannot be read", "", c("env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.bogus}}}]"), "containers/0/env", `"spec.bogus" is no field that a container can read`},
		{"all labels in an environment", "", c("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}]"), "containers/0/env", `"metadata.labels" is no field`},
		{"a resource that cannot be read", "", c("env: [{name: A, valueFrom: {resourceFieldRef: {resource: cpu}}}]"), "containers/0/env", "write limits.cpu"},
		{"a key of a Secret that none can have", "", c("env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: a b}}}]"), "containers/0/env", `"a b" is not a valid name`},
		{"a Secret by a name that none can have", "", c("envFrom: [{secretRef: {name: A_B}}]"), "containers/0/envFrom/0/secretRef/name", `"A_B" is not a valid name`},
		{"half a device", "", c("resources: {limits: {nvidia.com/gpu: 0.5}}"), "containers/0/resources/limits/nvidia.com~1gpu", "must be an integer, not 500m"},
		{"a resource of no container", "", c("resources: {limits: {gpu: 1}}"), "containers/0/resources/limits/gpu", `"gpu" is no resource of a container`},
		{"a part of a page", "", c("resources: {limits: {hugepages-2Mi: 3Mi, memory: 1Gi}}"), "containers/0/resources/limits/hugepages-2Mi", "must be a multiple of the page size"},
		{"a claim that the pod does not have", "", c("resources: {claims: [{name: gpu}]}"), "containers/0/resources/claims/0/name", `the pod has no resource claim "gpu"`},
		{"a message from nowhere", "", c("terminationMessagePolicy: Bogus"), "containers/0/terminationMessagePolicy", "must be File or FallbackToLogsOnError"},
		{"a propagation that is none", "", c("volumeMounts: [{name: v, mountPath: /x, mountPropagation: Both}]") + ", volumes: [{name: v}]", "containers/0/volumeMounts/0/mountPropagation", "must be None or HostToContainer or Bidirectional"},
		{"a user beyond all", "", c("securityContext: {runAsUser: 4294967296}"), "containers/0/securityContext/runAsUser", "must be at most 2147483647"},
		{"a profile of AppArmor without its file", "", c("securityContext: {appArmorProfile: {type: Localhost}}"), "containers/0/securityContext/appArmorProfile/localhostProfile", "is required for type Localhost"},
		{"an ephemeral volume without a mode", "", volume("ephemeral: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 1Gi}}}}}"), "volumes/0/ephemeral/volumeClaimTemplate/spec/accessModes", "needs at least one access mode"},
		{"an ephemeral volume without a size", "", volume("ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce]}}}"), "volumes/0/ephemeral/volumeClaimTemplate/spec/resources/requests/storage", "needs a request for storage"},
		{"a csi volume of no driver", "", volume("csi: {readOnly: true}"), "volumes/0/csi/driver", "a csi volume needs a driver"},
		{"a projected source with two kinds", "", volume("projected: {sources: [{secret: {name: a}, configMap: {name: b}}]}"), "volumes/0/projected/sources/0", "a source has configMap and secret; only one is allowed"},
		{"a token that lives too short", "", volume("projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 60}}]}"), "volumes/0/projected/sources/0/serviceAccountToken/expirationSeconds", "must be at least 600, not 60"},
		{"a file of a field that cannot be read", "", volume("downwardAPI: {items: [{path: f, fieldRef: {fieldPath: status.podIP}}]}"), "volumes/0/downwardAPI/items/0/fieldRef/fieldPath", `"status.podIP" is no field`},
		{"a memory medium that is none", "", volume("emptyDir: {medium: memory}"), "volumes/0/emptyDir/medium", "must be Memory, HugePages or HugePages-SIZE"},
		{"a host path that goes up", "", volume("hostPath: {path: /a/../b}"), "volumes/0/hostPath/path", "must not contain .."},
		{"a relative path on a server", "", volume("nfs: {server: s, path: a}"), "volumes/0/nfs/path", "must be an absolute path"},
		{"the same constraint twice", "", oneContainer + ", topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 2, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]", "topologySpreadConstraints/1", `two constraints have topologyKey "zone"`},
		{"domains of a constraint that is soft", "", oneContainer + ", topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, minDomains: 2}]", "topologySpreadConstraints/0/minDomains", "needs whenUnsatisfiable DoNotSchedule"},
		{"a toleration of a value with a space", "", oneContainer + ", tolerations: [{key: a, operator: Equal, value: b c, effect: NoSchedule}]", "tolerations/0/value", `"b c" is not a valid name`},
		{"four name servers", "", "dnsConfig: {nameservers: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4]}, " + oneContainer, "dnsConfig/nameservers", "has 4 nameservers; the limit is 3"},
		{"a name server by name", "", "dnsConfig: {nameservers: [dns.example.com]}, " + oneContainer, "dnsConfig/nameservers/0", "is not an IP address"},
	}
}
