{{/*
The authority that says that the certificate of this release's server is good, as JSON: {"secret": …, "key": …}, or {}
where the system's authorities know it, or there is none.
*/}}
{{- define "berth.server.ca" -}}
{{- with .Values.server.tls }}
{{- if and .existingSecret .caKey }}{{ dict "secret" .existingSecret "key" .caKey | toJson }}{{ else }}{}{{ end }}
{{- end }}
{{- end }}

{{/* The same of the server that the worker works for. */}}
{{- define "berth.worker.ca" -}}
{{- with .Values.worker.ca }}
{{- if .existingSecret }}{{ dict "secret" .existingSecret "key" .key | toJson }}
{{- else if or (not $.Values.server.enabled) $.Values.worker.apiURL }}{}
{{- else }}{{ include "berth.server.ca" $ }}{{ end }}
{{- end }}
{{- end }}

{{/* What a container and a pod need to know an authority: (include "berth.worker.ca" . | fromJson). */}}
{{- define "berth.caEnv" -}}
{{- with . }}
- name: BERTH_CA_FILE
  value: /etc/berth/ca/ca.crt
{{- end }}
{{- end }}

{{- define "berth.caMount" -}}
{{- with . }}
- name: ca
  mountPath: /etc/berth/ca
  readOnly: true
{{- end }}
{{- end }}

{{/* Of a Secret only the authority: the certificate's key is nobody's business but the server's. */}}
{{- define "berth.caVolume" -}}
{{- with . }}
- name: ca
  secret:
    secretName: {{ .secret }}
    items:
      - key: {{ .key }}
        path: ca.crt
{{- end }}
{{- end }}
