{{/* The claim of the volume with the database; empty with PostgreSQL or without persistence. */}}
{{- define "berth.server.claim" -}}
{{- with .Values.server.persistence }}
{{- if and .enabled (not (include "berth.postgres" $)) }}
{{- .existingClaim | default (printf "%s-server-data" (include "berth.fullname" $)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "berth.server.volumeMounts" -}}
- name: data
  mountPath: /var/lib/berth
- name: tmp
  mountPath: /tmp
{{- if .Values.server.outputArchive.existingClaim }}
- name: output
  mountPath: /var/lib/berth-output
{{- end }}
{{- if .Values.server.tls.existingSecret }}
- name: tls
  mountPath: /etc/berth/tls
  readOnly: true
{{- end }}
{{- if .Values.server.signIn.issuer }}
- name: access
  mountPath: /etc/berth/access
  readOnly: true
{{- end }}
{{- end }}

{{/* Volumes of the server: (list . SETTINGS). */}}
{{- define "berth.server.volumes" -}}
{{- $root := index . 0 -}}
- name: tmp
  emptyDir: {}
- name: data
  {{- with include "berth.server.claim" $root }}
  persistentVolumeClaim:
    claimName: {{ . | quote }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- with $root.Values.server }}
{{- if .signIn.issuer }}
- name: access
  configMap:
    name: {{ include "berth.named" (list $root "access") }}
{{- end }}
{{- with .outputArchive.existingClaim }}
- name: output
  persistentVolumeClaim:
    claimName: {{ . | quote }}
{{- end }}
{{- with .tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ . | quote }}
{{- end }}
{{- end }}
{{- include "berth.settings.volume" . }}
{{- end }}

{{- define "berth.server.tracingEnv" -}}
{{- with .Values.tracing }}
{{- if .endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .protocol | quote }}
{{- end }}
{{- range $name, $value := .env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Not empty if the server applies files by itself. */}}
{{- define "berth.applies" -}}
{{- if and .Values.server.enabled (or .Values.apply.file .Values.apply.configMaps) }}true{{ end }}
{{- end }}

{{/* The ConfigMaps that it applies, a directory each. */}}
{{- define "berth.apply.configMaps" -}}
{{- $names := .Values.apply.configMaps }}
{{- if .Values.apply.file }}
{{- $names = prepend $names (include "berth.named" (list . "apply")) }}
{{- end }}
{{- dict "items" ($names | default list) | toJson }}
{{- end }}

{{- define "berth.apply.mounts" -}}
{{- if include "berth.applies" . }}
{{- range $i, $name := (include "berth.apply.configMaps" . | fromJson).items }}
- name: apply-{{ $i }}
  mountPath: /etc/berth/apply/{{ $name }}
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{- define "berth.apply.volumes" -}}
{{- if include "berth.applies" . }}
{{- range $i, $name := (include "berth.apply.configMaps" . | fromJson).items }}
- name: apply-{{ $i }}
  configMap:
    name: {{ $name | quote }}
    # One that is missing is refused like a broken one; the server starts.
    optional: true
{{- end }}
{{- end }}
{{- end }}
