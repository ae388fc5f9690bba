{{/* The claim of the volume with the database; empty with PostgreSQL or without persistence. */}}
{{- define "berth.server.claim" -}}
{{- with .Values.server.persistence }}
{{- if and .enabled (not $.Values.database.external.existingSecret) }}
{{- .existingClaim | default (printf "%s-server-data" (include "berth.fullname" $)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "berth.server.databaseEnv" -}}
{{- with .Values.database.external }}
{{- if .existingSecret }}
{{- include "berth.envFromSecret" (list "BERTH_DATABASE_URL" .existingSecret .urlKey) }}
{{- if .directURLKey }}
{{ include "berth.envFromSecret" (list "BERTH_DATABASE_DIRECT_URL" .existingSecret .directURLKey) }}
{{- end }}
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
{{- end }}
