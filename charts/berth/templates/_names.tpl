{{/* Names and labels for all templates. */}}

{{- define "berth.name" -}}
{{- include "berth.cut" (list (.Values.nameOverride | default .Chart.Name) 63) }}
{{- end }}

{{/* A name of at most so many characters: (list NAME 44). A longer one ends with a hash, so that cutting it makes no two
names equal. */}}
{{- define "berth.cut" -}}
{{- $name := index . 0 }}
{{- $longest := index . 1 }}
{{- if le (len $name) $longest }}{{ $name }}
{{- else }}{{ printf "%s-%s" ($name | trunc (sub $longest 9 | int) | trimSuffix "-") (sha256sum $name | trunc 8) }}
{{- end }}
{{- end }}

{{/*
The prefix of every name. At most 44 characters: the longest suffix is "-server", and a StatefulSet's name must leave room
for the 11 characters of a revision in a label value of 63.
*/}}
{{- define "berth.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- $name = .Release.Name }}
{{- else }}
{{- $name = printf "%s-%s" .Release.Name $name }}
{{- end }}
{{- include "berth.cut" (list $name 44) }}
{{- end }}

{{/* The name of an object of this release: (list . "server"). */}}
{{- define "berth.named" -}}
{{- printf "%s-%s" (include "berth.fullname" (index . 0)) (index . 1) }}
{{- end }}

{{/* The namespace of the objects of this release. */}}
{{- define "berth.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{/*
The name of an object in any namespace: (list . NAMESPACE "worker"). In another namespace than the release's, it carries
the release's namespace, because releases of several namespaces can serve one.
*/}}
{{- define "berth.nameIn" -}}
{{- $root := index . 0 }}
{{- $fullname := include "berth.fullname" $root }}
{{- $own := include "berth.namespace" $root }}
{{- if ne (index . 1) $own }}
{{- $fullname = include "berth.cut" (list (printf "%s-%s" $own $fullname) 52) }}
{{- end }}
{{- include "berth.cut" (list (printf "%s-%s" $fullname (index . 2)) 63) }}
{{- end }}

{{/* Labels that select the pods of a component: (list . "server"). They must not change, because selectors are immutable. */}}
{{- define "berth.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "berth.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 | quote }}
{{- end }}

{{/* Labels of an object of a component: (list . "server" LABELS). LABELS and commonLabels may set them otherwise, but for
the selecting ones. */}}
{{- define "berth.labels" -}}
{{- $root := index . 0 -}}
{{- $labels := dict
      "app.kubernetes.io/part-of" "berth"
      "app.kubernetes.io/version" $root.Chart.AppVersion
      "app.kubernetes.io/managed-by" $root.Release.Service
      "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- range concat (list $root.Values.commonLabels) (slice . 2) }}
{{- range $key, $value := . }}
{{- $_ := set $labels $key $value }}
{{- end }}
{{- end }}
{{- $_ := set $labels "berth.dev/release" $root.Release.Name }}
{{- range $key, $value := include "berth.selectorLabels" . | fromYaml }}
{{- $_ := set $labels $key $value }}
{{- end }}
{{- toYaml $labels }}
{{- end }}

{{/*
Metadata of an object: (dict "root" . "component" "server" "name" NAME), and optionally "namespace" (default: that of the
release; empty: none), "hook" (list EVENTS WEIGHT [LOGS]), "annotations" and "labels", which replace those of
commonAnnotations and commonLabels of the same name.
*/}}
{{- define "berth.metadata" -}}
name: {{ .name | quote }}
{{- with ternary (get . "namespace") (include "berth.namespace" .root) (hasKey . "namespace") }}
namespace: {{ . | quote }}
{{- end }}
labels:
  {{- include "berth.labels" (list .root .component (get . "labels" | default dict)) | nindent 2 }}
{{- $annotations := dict }}
{{- range list .root.Values.commonAnnotations (get . "annotations" | default dict) (include "berth.hook" (get . "hook") | fromYaml) }}
{{- range $key, $value := . }}
{{- $_ := set $annotations $key $value }}
{{- end }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Annotations of a hook: (list EVENTS WEIGHT [LOGS]). A failed hook is kept for inspection until its next run,
and a test in any case, because `helm test --logs` reads its log when it has ended. */}}
{{- define "berth.hook" -}}
{{- with . }}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: {{ ternary "before-hook-creation" "before-hook-creation,hook-succeeded" (eq (index . 0) "test") }}
{{- if gt (len .) 2 }}
helm.sh/hook-output-log-policy: {{ index . 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "berth.server.serviceAccountName" -}}
{{- with .Values.server.serviceAccount }}
{{- .name | default (ternary (printf "%s-server" (include "berth.fullname" $)) "default" .create) }}
{{- end }}
{{- end }}

{{/* The name of the objects of a worker. At most 55 characters, for the suffix "-metrics". */}}
{{- define "berth.worker.fullname" -}}
{{- include "berth.cut" (list (include "berth.named" (list . .Worker)) 55) }}
{{- end }}

{{- define "berth.worker.serviceAccountName" -}}
{{- with .Values.worker.serviceAccount }}
{{- .name | default (ternary (include "berth.worker.fullname" $) "default" .create) }}
{{- end }}
{{- end }}

{{/* The Secret with the bootstrap keys, and the Secret with the worker's key. */}}
{{- define "berth.keysSecretName" -}}
{{- .Values.keys.existingSecret | default (printf "%s-keys" (include "berth.fullname" .)) }}
{{- end }}

{{- define "berth.apiURL" -}}
{{- .Values.worker.apiURL | default (include "berth.server.url" .) }}
{{- end }}

{{/* Address of the server of this release within the cluster. */}}
{{- define "berth.server.url" -}}
{{ include "berth.server.scheme" . | lower }}://{{ include "berth.fullname" . }}-server.{{ include "berth.namespace" . }}.svc:{{ int .Values.server.service.port }}
{{- end }}

{{- define "berth.server.scheme" -}}
{{ ternary "HTTPS" "HTTP" (not (empty .Values.server.tls.existingSecret)) }}
{{- end }}

{{/* Default namespace of a worker's Jobs, and all namespaces that it serves (JSON {"items": […]}, the default first). */}}
{{- define "berth.jobNamespace" -}}
{{- .Values.worker.jobNamespace | default (include "berth.commonJobNamespace" .) }}
{{- end }}

{{- define "berth.commonJobNamespace" -}}
{{- if .Values.jobs.shareNamespace }}{{ include "berth.namespace" . }}
{{- else if .Values.jobs.namespace }}{{ .Values.jobs.namespace }}
{{- else if .Values.server.enabled }}{{ include "berth.jobNamespaceFor" (include "berth.namespace" .) }}
{{- else }}{{ include "berth.jobNamespaceFor" (printf "%s-%s" (include "berth.namespace" .) (include "berth.fullname" .)) }}
{{- end }}
{{- end }}

{{- define "berth.jobNamespaceFor" -}}
{{- printf "%s-jobs" (include "berth.cut" (list . 58)) }}
{{- end }}

{{/* Not empty if the chart creates the namespace of the Jobs: a worker uses it in this cluster. */}}
{{- define "berth.createsJobNamespace" -}}
{{- if and .Values.jobs.createNamespace (not .Values.jobs.shareNamespace) (has (include "berth.commonJobNamespace" .) (include "berth.servedNamespaces" . | fromJson).items) }}true{{ end }}
{{- end }}

{{/* The namespaces of this cluster that workers serve (JSON {"items": […]}). */}}
{{- define "berth.servedNamespaces" -}}
{{- $names := list }}
{{- range .Values._workers }}
{{- if and (not .Values.worker.clusterConfig.existingSecret) (not .Values.worker.allNamespaces) }}
{{- $names = concat $names (include "berth.namespaces" . | fromJson).items }}
{{- else if not .Values.worker.clusterConfig.existingSecret }}
{{- $names = append $names (include "berth.jobNamespace" .) }}
{{- end }}
{{- end }}
{{- dict "items" (uniq $names) | toJson }}
{{- end }}

{{/* ServiceAccount of Jobs whose template names none. */}}
{{- define "berth.job.serviceAccountName" -}}
{{- with .Values.jobs.serviceAccount }}
{{- .name | default (ternary (include "berth.nameIn" (list $ "" "job")) "" .create) }}
{{- end }}
{{- end }}

{{/* The ServiceAccounts of this release's own pods (JSON {"items": […]}). */}}
{{- define "berth.accounts" -}}
{{- $names := list (include "berth.server.serviceAccountName" .) }}
{{- range .Values._workers }}
{{- $names = append $names (include "berth.worker.serviceAccountName" .) }}
{{- end }}
{{- range list "keys" "drain" }}
{{- $names = append $names (printf "%s-%s" (include "berth.fullname" $) .) }}
{{- end }}
{{- dict "items" (uniq $names) | toJson }}
{{- end }}

{{- define "berth.namespaces" -}}
{{- dict "items" (concat (list (include "berth.jobNamespace" .)) .Values.worker.namespaces | uniq) | toJson }}
{{- end }}

{{/* Not empty if the release has the drain hook. */}}
{{- define "berth.drains" -}}
{{- if and .Values.server.enabled .Values._workers .Values.worker.drain.enabled }}true{{ end }}
{{- end }}

{{/* The ConfigMap in which the workers record whose Jobs they have, for the drain hook. */}}
{{- define "berth.installationsName" -}}
{{- include "berth.fullname" . }}-installations
{{- end }}
