{{/*
The CA certificate of this release's server as JSON: {"secret": …, "key": …}, or {} if the system's CA certificates apply
or the server does not use TLS.
*/}}
{{- define "berth.server.ca" -}}
{{- with .Values.server.tls }}
{{- if and .existingSecret .caKey }}{{ dict "secret" .existingSecret "key" .caKey | toJson }}{{ else }}{}{{ end }}
{{- end }}
{{- end }}

{{/* The same for the worker's server. */}}
{{- define "berth.worker.ca" -}}
{{- with .Values.worker.ca }}
{{- if .existingSecret }}{{ dict "secret" .existingSecret "key" .key | toJson }}
{{- else if or (not $.Values.server.enabled) $.Values.worker.apiURL }}{}
{{- else }}{{ include "berth.server.ca" $ }}{{ end }}
{{- end }}
{{- end }}

{{/* Environment, mount and volume for trusting a CA certificate: (include "berth.worker.ca" . | fromJson). */}}
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

{{/* Mounts only the CA certificate of the Secret: only the server may read the private key. */}}
{{- define "berth.caVolume" -}}
{{- with . }}
- name: ca
  secret:
    secretName: {{ .secret | quote }}
    items:
      - key: {{ .key | quote }}
        path: ca.crt
{{- end }}
{{- end }}
