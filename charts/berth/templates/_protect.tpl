{{/*
Arguments that tell server and worker what no Job may refer to: the Secrets, ServiceAccounts and volumes of this release, and
the release's namespace unless Jobs share it.
*/}}
{{- define "berth.protectArgs" -}}
{{- $names := list }}
{{- if not .Values.jobs.shareNamespace }}
{{- $names = append $names (printf "namespace/%s" (include "berth.namespace" .)) }}
{{- end }}
{{- $secrets := list (include "berth.keysSecretName" .) .Values.database.external.existingSecret .Values.server.tls.existingSecret
      .Values.server.signIn.existingSecret .Values.server.outputArchive.existingSecret .Values.worker.apiKey.existingSecret .Values.worker.ca.existingSecret .Values.worker.clusterConfig.existingSecret }}
{{- range concat .Values.server.extraEnv .Values.worker.extraEnv }}
{{- $secrets = append $secrets (dig "valueFrom" "secretKeyRef" "name" "" .) }}
{{- end }}
{{- /* In a shared namespace, Jobs may pull with the Secrets of jobs.serviceAccount, and not with others of Berth's. */}}
{{- if .Values.jobs.shareNamespace }}
{{- range .Values.image.pullSecrets }}
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
{{- with .Values.server.outputArchive.existingClaim }}
{{- $names = append $names (printf "persistentvolumeclaim/%s" .) }}
{{- end }}
{{- with .Values.server.persistence.existingClaim | default (printf "%s-server-data" (include "berth.fullname" .)) }}
{{- $names = append $names (printf "persistentvolumeclaim/%s" .) }}
{{- end }}
{{- range $names }}
- --protect={{ . }}
{{- end }}
{{- end }}
