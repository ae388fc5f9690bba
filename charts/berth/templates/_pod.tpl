{{/* Parts shared by all pods of this chart. */}}

{{- define "berth.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* Metadata of a pod: (list . "server" .Values.server). */}}
{{- define "berth.podMetadata" -}}
{{- $values := index . 2 -}}
{{- $labels := deepCopy (index . 0).Values.commonLabels }}
{{- range $key, $value := $values.podLabels }}
{{- $_ := set $labels $key $value }}
{{- end }}
labels:
  {{- include "berth.selectorLabels" . | nindent 2 }}
  {{- with $labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Placement, ServiceAccount and security context of a pod: (list . "server" .Values.server). */}}
{{- define "berth.podSpec" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Topology spread constraints of a component: (list . "server" .Values.server). */}}
{{- define "berth.spread" -}}
{{- $args := . -}}
{{- $values := index . 2 -}}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
{{- else if gt (int $values.replicas) 1 }}
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

{{/* Image and security context of a container. The end of its log becomes its termination message, for `berth status`. */}}
{{- define "berth.container" -}}
image: {{ include "berth.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
{{- end }}

{{/* An environment variable from a Secret: (list NAME secret key). */}}
{{- define "berth.envFromSecret" -}}
- name: {{ index . 0 | quote }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 | quote }}
      key: {{ index . 2 | quote }}
{{- end }}

{{/* Environment of the API client, with the worker's key. */}}
{{- define "berth.workerEnv" -}}
- name: BERTH_API_URL
  value: {{ include "berth.apiURL" . | quote }}
{{- include "berth.caEnv" (include "berth.worker.ca" . | fromJson) }}
{{- if .Values.worker.apiKey.existingSecret }}
{{ include "berth.envFromSecret" (list "BERTH_API_KEY" .Values.worker.apiKey.existingSecret .Values.worker.apiKey.key) }}
{{- else }}
{{ include "berth.envFromSecret" (list "BERTH_API_KEY" (include "berth.keysSecretName" .) .Values.keys.workerKey) }}
{{- end }}
{{- end }}
