{{/*
Arguments that tell server and worker what no Job may refer to: the Secrets, ServiceAccounts and volumes of this release, and
the release's namespace unless Jobs share it.
*/}}
{{- define "berth.protectArgs" -}}
{{- $names := list }}
{{- if not .Values.jobs.shareNamespace }}
{{- $names = append $names (printf "namespace/%s" (include "berth.namespace" .)) }}
{{- end }}
{{- $secrets := list .Values.server.tls.existingSecret .Values.tracing.existingSecret }}
{{- $settings := (include "berth.server.settings" . | fromJson).items }}
{{- $components := list .Values.server .Values.hooks }}
{{- range .Values._workers }}
{{- $secrets = append $secrets .Values.worker.clusterConfig.existingSecret }}
{{- $settings = concat $settings (include "berth.worker.settings" . | fromJson).items }}
{{- $components = append $components .Values.worker }}
{{- end }}
{{- range $settings }}
{{- $secrets = append $secrets .secret }}
{{- end }}
{{- $claims := list }}
{{- range $component := $components }}
{{- range $field := list "extraEnv" "extraEnvFrom" "extraVolumes" "extraInitContainers" "extraContainers" }}
{{- $secrets = concat $secrets (include "berth.secretsOf" (get $component $field) | fromJson).items }}
{{- end }}
{{- range $component.extraVolumes }}
{{- $claims = append $claims (dig "persistentVolumeClaim" "claimName" "" .) }}
{{- end }}
{{- end }}
{{- /* In a shared namespace, Jobs may pull with the Secrets of jobs.serviceAccount, and not with others of Berth's. */}}
{{- if .Values.jobs.shareNamespace }}
{{- range (include "berth.pullSecrets" . | fromJson).items }}
{{- if not (has . $.Values.jobs.serviceAccount.imagePullSecrets) }}
{{- $secrets = append $secrets .name }}
{{- end }}
{{- end }}
{{- end }}
{{- range $secrets | compact | uniq }}
{{- $names = append $names (printf "secret/%s" .) }}
{{- end }}
{{- range (include "berth.accounts" . | fromJson).items }}
{{- /* Another namespace's account `default` has no permissions of Berth's. */}}
{{- if or (ne . "default") $.Values.jobs.shareNamespace }}
{{- $names = append $names (printf "serviceaccount/%s" .) }}
{{- end }}
{{- end }}
{{- $own := .Values.server.persistence.existingClaim | default (include "berth.named" (list . "server-data")) }}
{{- range concat $claims (list .Values.server.outputArchive.existingClaim $own) | compact | uniq }}
{{- $names = append $names (printf "persistentvolumeclaim/%s" .) }}
{{- end }}
{{- range $names }}
- --protect={{ . }}
{{- end }}
{{- end }}

{{/* The Secrets that an object of Kubernetes refers to, at any depth, as JSON {"items": […]}. */}}
{{- define "berth.secretsOf" -}}
{{- $names := list }}
{{- if kindIs "slice" . }}
{{- range . }}
{{- $names = concat $names (include "berth.secretsOf" . | fromJson).items }}
{{- end }}
{{- else if kindIs "map" . }}
{{- range $key, $value := . }}
{{- if and (eq $key "secretName") (kindIs "string" $value) }}
{{- $names = append $names $value }}
{{- else if and (has $key (list "secretKeyRef" "secretRef" "secret")) (kindIs "map" $value) (hasKey $value "name") }}
{{- $names = append $names $value.name }}
{{- end }}
{{- $names = concat $names (include "berth.secretsOf" $value | fromJson).items }}
{{- end }}
{{- end }}
{{- /* concat makes null of nothing. */}}
{{- dict "items" ($names | default list) | toJson }}
{{- end }}
