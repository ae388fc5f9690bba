{{/* Parts shared by all pods of this chart. VALUES are .Values.server, .Values.worker or .Values.hooks. */}}

{{/* The image. global.imageRegistry replaces the registry of the repository. */}}
{{- define "berth.image" -}}
{{- $repository := .Values.image.repository }}
{{- with get .Values.global "imageRegistry" }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $repository "") }}
{{- end }}
{{- with .Values.image }}
{{- if .digest }}{{ $repository }}@{{ .digest }}{{ else }}{{ $repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The image pull Secrets as JSON: {"items": [{"name": …}]}. In `global` they are names or objects. */}}
{{- define "berth.pullSecrets" -}}
{{- $secrets := .Values.image.pullSecrets }}
{{- range get .Values.global "imagePullSecrets" | default list }}
{{- $secrets = append $secrets (ternary (dict "name" .) . (kindIs "string" .)) }}
{{- end }}
{{- dict "items" (uniq $secrets) | toJson }}
{{- end }}

{{/* Metadata of a pod: (list . "server" VALUES). */}}
{{- define "berth.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
{{- $labels := deepCopy $root.Values.commonLabels }}
{{- range $key, $value := $values.podLabels }}
{{- $_ := set $labels $key $value }}
{{- end }}
{{- $annotations := dict }}
{{- if and $root.Values.metrics.scrapeAnnotations (or (eq (index . 1) "server") (hasPrefix "worker" (index . 1))) }}
{{- $annotations = dict "prometheus.io/scrape" "true" "prometheus.io/port" "9090" "prometheus.io/path" "/metrics" }}
{{- end }}
{{- range $key, $value := $values.podAnnotations }}
{{- $_ := set $annotations $key $value }}
{{- end }}
labels:
  {{- include "berth.selectorLabels" . | nindent 2 }}
  {{- with $labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Placement, network, pull Secrets and security context of a pod: (list . "server" VALUES). */}}
{{- define "berth.podSpec" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
enableServiceLinks: false
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with (include "berth.pullSecrets" $root | fromJson).items }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $field := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" "dnsConfig" "hostAliases"
      "nodeSelector" "tolerations" "affinity" }}
{{- with get $values $field }}
{{ dict $field . | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{/* Not empty if a component can have more than one pod: VALUES of server or worker. */}}
{{- define "berth.several" -}}
{{- $most := .replicas }}
{{- if .autoscaling.enabled }}
{{- $most = .autoscaling.maxReplicas }}
{{- else if dig "keda" "enabled" false . }}
{{- $most = .keda.maxReplicas }}
{{- end }}
{{- if gt (int $most) 1 }}true{{ end }}
{{- end }}

{{/* Topology spread constraints of a component: (list . "server" VALUES). */}}
{{- define "berth.spread" -}}
{{- $args := . -}}
{{- $values := index . 2 -}}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else if include "berth.several" $values }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . | quote }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "berth.selectorLabels" (list (index $args 0) (index $args 1)) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Replicas and how they are replaced: (list VALUES). Without replicas, an autoscaler decides. */}}
{{- define "berth.rollout" -}}
{{- if not (or .autoscaling.enabled (dig "keda" "enabled" false .)) }}
replicas: {{ int .replicas }}
{{- end }}
minReadySeconds: {{ .minReadySeconds }}
revisionHistoryLimit: {{ .revisionHistoryLimit }}
{{- end }}

{{/* Image, security context, resources and envFrom of a container: (list . VALUES). The end of its log becomes its
termination message, for `berth status`. */}}
{{- define "berth.container" -}}
{{- $root := index . 0 -}}
{{- $values := index . 1 -}}
image: {{ include "berth.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  {{- toYaml $root.Values.containerSecurityContext | nindent 2 }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
{{- include "berth.section" (list "envFrom" "" $values.extraEnvFrom) }}
{{- end }}

{{/* A list of a pod or container from the chart's text and the user's items: (list KEY TEXT ITEMS). */}}
{{- define "berth.section" -}}
{{- $text := index . 1 | trim }}
{{- $items := index . 2 }}
{{- if or $text $items }}
{{ index . 0 }}:
  {{- with $text }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with $items }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A probe: (list PATH PORT SCHEME PROBE). PROBE may have another handler. */}}
{{- define "berth.probe" -}}
{{- $probe := deepCopy (index . 3) }}
{{- if not (or (hasKey $probe "httpGet") (hasKey $probe "exec") (hasKey $probe "tcpSocket") (hasKey $probe "grpc")) }}
{{- $_ := set $probe "httpGet" (dict "path" (index . 0) "port" (index . 1) "scheme" (index . 2)) }}
{{- end }}
{{- toYaml $probe }}
{{- end }}

{{/*
The spec of a hook's pod: (dict "root" . "component" "drain" "account" ACCOUNT "token" BOOL "runs" RUNS "env" TEXT "settings"
SETTINGS). RUNS has a (list NAME ARGS) for each container. Without "env" and settings it is no client of the server.
"mounts" and "volumes" are the text of more of them.
*/}}
{{- define "berth.hookSpec" -}}
{{- $hooks := .root.Values.hooks -}}
restartPolicy: Never
serviceAccountName: {{ .account | quote }}
automountServiceAccountToken: {{ .token }}
{{- include "berth.podSpec" (list .root .component $hooks) | nindent 0 }}
{{- include "berth.section" (list "initContainers" "" $hooks.extraInitContainers) }}
containers:
  {{- $hook := . }}
  {{- range .runs }}
  - name: {{ index . 0 }}
    {{- include "berth.container" (list $hook.root $hooks) | nindent 4 }}
    args:
      {{- index . 1 | trim | nindent 6 }}
    {{- include "berth.section" (list "env" (get $hook "env") $hooks.extraEnv) | nindent 4 }}
    {{- include "berth.section" (list "volumeMounts" (printf "%s\n%s" (include "berth.client.mounts" $hook.settings) (get $hook "mounts" | trim)) $hooks.extraVolumeMounts) | nindent 4 }}
  {{- end }}
  {{- with $hooks.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- include "berth.section" (list "volumes" (printf "%s\n%s" (include "berth.client.volumes" (list .root .settings)) (get . "volumes" | trim)) $hooks.extraVolumes) }}
{{- end }}
