{{/*
Settings that come from Secrets: files of a directory that Berth reads like its environment, or with secretsAsFiles=false
environment variables. A setting is (dict "name" VARIABLE "secret" SECRET "key" KEY), with "optional" if it may be missing,
and with "file" if the variable is the path of a file. Files change with their Secret, and the process restarts then.
*/}}

{{/* Environment variables: (list . SETTINGS). */}}
{{- define "berth.settings.env" -}}
{{- $files := (index . 0).Values.secretsAsFiles }}
{{- with index . 1 }}
- name: BERTH_SETTINGS_DIR
  value: /etc/berth/settings
{{- end }}
{{- range index . 1 }}
{{- if hasKey . "file" }}
- name: {{ .name }}
  value: /etc/berth/settings/{{ .file }}
{{- else if not $files }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret | quote }}
      key: {{ .key | quote }}
      {{- if hasKey . "optional" }}
      optional: true
      {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The mount: SETTINGS. */}}
{{- define "berth.settings.mount" -}}
{{- with . }}
- name: settings
  mountPath: /etc/berth/settings
  readOnly: true
{{- end }}
{{- end }}

{{/* The volume: (list . SETTINGS). It has no key of a Secret that is not needed, such as the private key beside a CA certificate. */}}
{{- define "berth.settings.volume" -}}
{{- $files := (index . 0).Values.secretsAsFiles }}
{{- with index . 1 }}
- name: settings
  projected:
    sources:
      {{- range . }}
      {{- if or $files (hasKey . "file") }}
      - secret:
          name: {{ .secret | quote }}
          items:
            - key: {{ .key | quote }}
              path: {{ get . "file" | default .name }}
          {{- if hasKey . "optional" }}
          optional: true
          {{- end }}
      {{- end }}
      {{- end }}
{{- end }}
{{- end }}

{{/* Not empty if the database is PostgreSQL. */}}
{{- define "berth.postgres" -}}
{{- with .Values.database.external }}
{{- if or .existingSecret .host.value .host.existingSecret }}true{{ end }}
{{- end }}
{{- end }}

{{/* The server's settings as JSON {"items": […]}. */}}
{{- define "berth.server.settings" -}}
{{- $items := list }}
{{- with .Values.database.external }}
{{- if .existingSecret }}
{{- $items = append $items (dict "name" "BERTH_DATABASE_URL" "secret" .existingSecret "key" .urlKey) }}
{{- if .directURLKey }}
{{- $items = append $items (dict "name" "BERTH_DATABASE_DIRECT_URL" "secret" .existingSecret "key" .directURLKey) }}
{{- end }}
{{- if .readURLKey }}
{{- $items = append $items (dict "name" "BERTH_DATABASE_READ_URL" "secret" .existingSecret "key" .readURLKey) }}
{{- end }}
{{- else if include "berth.postgres" $ }}
{{- range $part := list "host" "port" "name" "user" "password" }}
{{- with get $.Values.database.external $part }}
{{- if .existingSecret }}
{{- $items = append $items (dict "name" (printf "BERTH_DATABASE_%s" (upper $part)) "secret" .existingSecret "key" .key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .ca.existingSecret (include "berth.postgres" $) }}
{{- $items = append $items (dict "name" "BERTH_DATABASE_CA_FILE" "secret" .ca.existingSecret "key" .ca.key "file" "database-ca.crt") }}
{{- end }}
{{- end }}
{{- $keys := include "berth.keysSecretName" . }}
{{- $items = append $items (dict "name" "BERTH_BOOTSTRAP_ADMIN_KEY" "secret" $keys "key" .Values.keys.adminKey) }}
{{- $items = append $items (dict "name" "BERTH_BOOTSTRAP_WORKER_KEY" "secret" $keys "key" .Values.keys.workerKey) }}
{{- if or .Values.server.publicURL .Values.server.webhooks.allow }}
{{- /* A Secret of another origin may not have it: run tokens and webhooks are off then, and the server says so. */}}
{{- $items = append $items (dict "name" "BERTH_IDENTITY_KEY" "secret" $keys "key" .Values.keys.identityKey "optional" true) }}
{{- end }}
{{- with .Values.server.signIn }}
{{- if and .issuer .existingSecret }}
{{- $items = append $items (dict "name" "BERTH_OIDC_CLIENT_SECRET" "secret" .existingSecret "key" .clientSecretKey) }}
{{- end }}
{{- end }}
{{- with .Values.server.outputArchive }}
{{- if .existingSecret }}
{{- $items = append $items (dict "name" "AWS_ACCESS_KEY_ID" "secret" .existingSecret "key" .accessKeyIDKey) }}
{{- $items = append $items (dict "name" "AWS_SECRET_ACCESS_KEY" "secret" .existingSecret "key" .secretAccessKeyKey) }}
{{- end }}
{{- end }}
{{- dict "items" $items | toJson }}
{{- end }}

{{/* The parts of the database's URL that are values. */}}
{{- define "berth.server.databaseEnv" -}}
{{- with .Values.database.external }}
{{- if and (include "berth.postgres" $) (not .existingSecret) }}
{{- range $part := list "host" "port" "name" "user" }}
{{- with get $.Values.database.external $part }}
{{- if and .value (not .existingSecret) }}
- name: BERTH_DATABASE_{{ upper $part }}
  value: {{ .value | toString | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .sslMode }}
- name: BERTH_DATABASE_SSLMODE
  value: {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The CA certificate of this release's server as JSON: {"items": [a setting]}, empty if the system's CA certificates apply or
the server does not use TLS.
*/}}
{{- define "berth.server.ca" -}}
{{- $items := list }}
{{- with .Values.server.tls }}
{{- if and .existingSecret .caKey }}
{{- $items = list (dict "name" "BERTH_CA_FILE" "secret" .existingSecret "key" .caKey "file" "ca.crt") }}
{{- end }}
{{- end }}
{{- dict "items" $items | toJson }}
{{- end }}

{{/* The settings of a client of this release's server with the admin key, as JSON {"items": […]}. */}}
{{- define "berth.admin.settings" -}}
{{- $key := dict "name" "BERTH_API_KEY" "secret" (include "berth.keysSecretName" .) "key" .Values.keys.adminKey }}
{{- dict "items" (append (include "berth.server.ca" . | fromJson).items $key) | toJson }}
{{- end }}

{{/* The settings of the worker as JSON {"items": […]}: its key, and the CA certificate of its server. */}}
{{- define "berth.worker.settings" -}}
{{- $items := list }}
{{- with .Values.worker }}
{{- if .ca.existingSecret }}
{{- $items = list (dict "name" "BERTH_CA_FILE" "secret" .ca.existingSecret "key" .ca.key "file" "ca.crt") }}
{{- else if and $.Values.server.enabled (not .apiURL) }}
{{- $items = (include "berth.server.ca" $ | fromJson).items }}
{{- end }}
{{- $secret := .apiKey.existingSecret | default (include "berth.keysSecretName" $) }}
{{- $key := ternary $.Values.keys.workerKey .apiKey.key (empty .apiKey.existingSecret) }}
{{- $items = append $items (dict "name" "BERTH_API_KEY" "secret" $secret "key" $key) }}
{{- end }}
{{- dict "items" $items | toJson }}
{{- end }}

{{/* Environment of a client with the worker's settings: (list . SETTINGS). */}}
{{- define "berth.worker.env" -}}
- name: BERTH_API_URL
  value: {{ include "berth.apiURL" (index . 0) | quote }}
{{- include "berth.settings.env" . }}
{{- end }}

{{/* Mounts and volumes of a client of the server: SETTINGS, and (list . SETTINGS). */}}
{{- define "berth.client.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- include "berth.settings.mount" . }}
{{- end }}

{{- define "berth.client.volumes" -}}
- name: tmp
  emptyDir: {}
{{- include "berth.settings.volume" . }}
{{- end }}
