{{/* Arguments for cluster and namespaces, shared by worker and drain. */}}
{{- define "berth.worker.kubernetesArgs" -}}
- --namespace={{ include "berth.jobNamespace" . }}
{{- if .Values.worker.allNamespaces }}
- --watch-namespace=*
{{- else }}
{{- range (include "berth.namespaces" . | fromJson).items }}
- --watch-namespace={{ . }}
{{- end }}
{{- end }}
{{- with .Values.worker.clusterConfig }}
{{- if .existingSecret }}
- --cluster-config={{ .existingSecret }}/{{ .key }}
{{- end }}
{{- end }}
{{- range .Values.worker.legacyFinalizers }}
- --legacy-finalizer={{ . }}
{{- end }}
{{- with .Values.worker.clusterID }}
- --cluster-id={{ . }}
{{- end }}
{{- end }}
