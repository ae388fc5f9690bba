package manifesttest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Mistake is a Job with one field that is written wrongly.
type Mistake struct {
	// Name is the place of the field and what was done to it.
	Name string
	// Job is the whole Job, in the form of decoded JSON.
	Job map[string]any
}

// Mistakes makes one mistake after the other in a Job that is right, in the form of decoded JSON: a field that is missing,
// misspelt, of another type, out of range or twice there.
func Mistakes(job map[string]any) []Mistake {
	var made []Mistake
	walk(job, nil, func(path []string, v any) {
		if len(path) == 0 {
			return
		}
		at := strings.Join(path, ".")
		for name, change := range changes(v) {
			made = append(made, Mistake{Name: at + ": " + name, Job: changed(job, path, change)})
		}
	})
	slices.SortFunc(made, func(a, b Mistake) int { return strings.Compare(a.Name, b.Name) })
	return made
}

func walk(v any, path []string, visit func([]string, any)) {
	visit(path, v)
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walk(v[key], append(slices.Clone(path), key), visit)
		}
	case []any:
		for i, item := range v {
			walk(item, append(slices.Clone(path), strconv.Itoa(i)), visit)
		}
	}
}

// change says what to put in the place of a value, and by which key; no key removes it.
type change func(key string, v any) (newKey string, value any)

func changes(v any) map[string]change {
	to := func(value any) change { return func(key string, _ any) (string, any) { return key, value } }
	made := map[string]change{
		"removed":  func(string, any) (string, any) { return "", nil },
		"misspelt": func(key string, v any) (string, any) { return key + "x", v },
	}
	switch v := v.(type) {
	case string:
		made["empty"] = to("")
		made["with spaces and capitals"] = to("Not Valid!")
		made["with a slash"] = to("a/b/c")
		made["much too long"] = to(strings.Repeat("a", 300))
		made["a number"] = to(int64(5))
		made["a list"] = to([]any{v})
		made["an object"] = to(map[string]any{"value": v})
	case int64:
		made["negative"] = to(-v - 1)
		made["zero"] = to(int64(0))
		made["huge"] = to(int64(1) << 40)
		made["text"] = to(strconv.FormatInt(v, 10))
		made["a fraction"] = to(0.5)
		made["a boolean"] = to(true)
	case bool:
		made["text"] = to(strconv.FormatBool(v))
		made["a number"] = to(int64(1))
	case []any:
		made["empty"] = to([]any{})
		made["an object"] = to(map[string]any{})
		made["text"] = to("text")
		made["null inside"] = to(append(slices.Clone(v), nil))
		if len(v) > 0 {
			made["its first item twice"] = to(append(slices.Clone(v), v[0]))
		}
	case map[string]any:
		made["empty"] = to(map[string]any{})
		made["a list"] = to([]any{v})
		made["text"] = to("text")
		more := maps.Clone(v)
		more["surprise"] = "x"
		made["an unknown key"] = to(more)
	}
	return made
}

// changed copies as much of a tree as it changes.
func changed(v any, path []string, change change) map[string]any {
	object, _ := replaced(v, path, change).(map[string]any)
	return object
}

func replaced(v any, path []string, change change) any {
	step := path[0]
	switch v := v.(type) {
	case map[string]any:
		object := maps.Clone(v)
		if len(path) > 1 {
			object[step] = replaced(v[step], path[1:], change)
			return object
		}
		delete(object, step)
		if key, value := change(step, v[step]); key != "" {
			object[key] = value
		}
		return object
	case []any:
		list := slices.Clone(v)
		i, err := strconv.Atoi(step)
		if err != nil {
			panic(fmt.Sprintf("%q is no index", step))
		}
		if len(path) > 1 {
			list[i] = replaced(v[i], path[1:], change)
			return list
		}
		key, value := change("", v[i])
		if _, isRemoval := value, value == nil && key == ""; isRemoval {
			return slices.Delete(list, i, i+1)
		}
		list[i] = value
		return list
	}
	panic("the path leads nowhere")
}

// RichJobs are Jobs that are right and have together a field of almost every kind.
func RichJobs() []string { return []string{richJob, otherJob} }

const otherJob = `
apiVersion: batch/v1
kind: Job
spec:
  suspend: false
  ttlSecondsAfterFinished: 60
  template:
    spec:
      restartPolicy: Never
      hostname: job
      subdomain: jobs
      schedulerName: default-scheduler
      runtimeClassName: gvisor
      preemptionPolicy: PreemptLowerPriority
      setHostnameAsFQDN: false
      shareProcessNamespace: true
      hostNetwork: false
      overhead: {cpu: 10m}
      os: {name: linux}
      readinessGates: [{conditionType: example.com/ready}]
      tolerations: [{key: a, operator: Exists, effect: NoSchedule}]
      securityContext:
        supplementalGroups: [1000]
        fsGroupChangePolicy: OnRootMismatch
        sysctls: [{name: net.core.somaxconn, value: "1024"}]
        seLinuxOptions: {level: "s0:c1,c2"}
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - {weight: 5, preference: {matchExpressions: [{key: cpus, operator: Gt, values: ["4"]}]}}
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - topologyKey: kubernetes.io/hostname
            namespaces: [jobs]
            labelSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}
      resourceClaims: [{name: gpu, resourceClaimName: gpu}]
      volumes:
      - {name: nfs, nfs: {server: nfs.example.com, path: /data, readOnly: true}}
      - {name: csi, csi: {driver: secrets.example.com, readOnly: true, volumeAttributes: {a: b}}}
      - name: own
        ephemeral:
          volumeClaimTemplate:
            spec: {accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 1Gi}}}
      - {name: memory, emptyDir: {medium: Memory}}
      - name: both
        projected:
          defaultMode: 420
          sources:
          - {secret: {name: etl, items: [{key: a, path: a}], optional: true}}
          - {configMap: {name: etl, items: [{key: b, path: b}]}}
          - {downwardAPI: {items: [{path: cpu, resourceFieldRef: {containerName: job, resource: limits.cpu, divisor: 1m}}]}}
      - {name: image, image: {reference: "example.com/data:1", pullPolicy: IfNotPresent}}
      - {name: cache, iscsi: {targetPortal: "10.0.0.1:3260", iqn: "iqn.2001-04.com.example:storage", lun: 0}}
      initContainers:
      - name: proxy
        image: "busybox:1.36"
        restartPolicy: Always
        readinessProbe: {tcpSocket: {port: 80}, successThreshold: 2}
        livenessProbe: {grpc: {port: 90, service: a}}
      containers:
      - name: job
        image: "busybox:1.36"
        command: ["true"]
        stdin: false
        tty: false
        env:
        - {name: MAP, valueFrom: {configMapKeyRef: {name: etl, key: a}}}
        - {name: MEMORY, valueFrom: {resourceFieldRef: {containerName: job, resource: limits.memory, divisor: 1Mi}}}
        - {name: LABEL, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: "metadata.labels['app']"}}}
        envFrom: [{secretRef: {name: etl}}]
        resources:
          limits: {cpu: "2", memory: 1Gi, ephemeral-storage: 1Gi, example.com/gpu: 1}
          requests: {example.com/gpu: 1}
          claims: [{name: gpu, request: card}]
        volumeMounts:
        - {name: nfs, mountPath: /nfs, mountPropagation: HostToContainer, readOnly: true}
        - {name: memory, mountPath: /memory, subPathExpr: "$(MAP)"}
        lifecycle: {postStart: {httpGet: {path: /, port: 80, host: a, httpHeaders: [{name: X-A, value: b}]}}, preStop: {sleep: {seconds: 5}}}
        securityContext: {privileged: false, runAsUser: 1000, runAsGroup: 1000, procMount: Default, capabilities: {add: [NET_ADMIN]}}
      - {name: second, image: "busybox:1.36"}
`

const richJob = `
apiVersion: batch/v1
kind: Job
metadata:
  labels: {team: data, example.com/tier: batch}
  annotations: {example.com/note: hello}
spec:
  activeDeadlineSeconds: 3600
  completions: 2
  parallelism: 2
  completionMode: Indexed
  template:
    metadata:
      labels: {app: etl}
      annotations: {example.com/note: hello}
    spec:
      restartPolicy: Never
      serviceAccountName: etl
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 30
      priorityClassName: system-node-critical
      dnsPolicy: ClusterFirst
      dnsConfig: {nameservers: [10.0.0.10], searches: [example.com], options: [{name: ndots, value: "2"}]}
      hostAliases: [{ip: 10.0.0.1, hostnames: [db.example.com]}]
      nodeSelector: {example.com/pool: batch}
      imagePullSecrets: [{name: registry}]
      tolerations:
      - {key: example.com/batch, operator: Equal, value: "true", effect: NoExecute, tolerationSeconds: 60}
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {matchLabels: {app: etl}}}
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms: [{matchExpressions: [{key: example.com/pool, operator: In, values: [batch]}]}]
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - {weight: 10, podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {app: etl}}}}
      securityContext: {runAsUser: 1000, fsGroup: 1000, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      volumes:
      - {name: scratch, emptyDir: {sizeLimit: 1Gi}}
      - {name: config, configMap: {name: etl, items: [{key: a, path: a.txt, mode: 420}], defaultMode: 420}}
      - {name: secret, secret: {secretName: etl, optional: true}}
      - {name: data, persistentVolumeClaim: {claimName: data, readOnly: true}}
      - {name: pod, downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}
      - {name: all, projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 3600, audience: x}}]}}
      - {name: host, hostPath: {path: /var/log, type: Directory}}
      initContainers:
      - {name: wait, image: "busybox:1.36", command: [sh, -c, "true"]}
      containers:
      - name: job
        image: "busybox:1.36"
        imagePullPolicy: IfNotPresent
        command: [sh, -c]
        args: [echo hello]
        workingDir: /work
        env:
        - {name: PLAIN, value: x}
        - {name: SECRET, valueFrom: {secretKeyRef: {name: etl, key: password, optional: false}}}
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
        envFrom:
        - {prefix: A_, configMapRef: {name: etl, optional: true}}
        ports: [{name: http, containerPort: 8080, protocol: TCP}]
        resources: {requests: {cpu: 500m, memory: 128Mi}, limits: {cpu: "1", memory: 256Mi}}
        volumeMounts: [{name: scratch, mountPath: /scratch, readOnly: false, subPath: a}]
        livenessProbe: {httpGet: {path: /, port: 8080, scheme: HTTP}, periodSeconds: 5, failureThreshold: 3}
        startupProbe: {exec: {command: ["true"]}, initialDelaySeconds: 1, timeoutSeconds: 2}
        lifecycle: {preStop: {exec: {command: ["true"]}}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}
        terminationMessagePath: /dev/termination-log
        terminationMessagePolicy: File
`
