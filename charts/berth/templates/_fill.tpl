{{/*
Adds values that are missing with their defaults (_defaults.tpl, made from values.yaml). They are missing after
`helm upgrade --reuse-values` from an older chart, which takes that chart's defaults for this one's, and where a value is set
to null. A map under "=" is one value. Every template begins with it, and the first adds them for all.
*/}}
{{- define "berth.fill" -}}
{{- if not (hasKey .Values "_filled") }}
{{- include "berth.fillMap" (list .Values (include "berth.defaults" . | fromYaml)) }}
{{- $_ := set .Values "_filled" true }}
{{- include "berth.fillWorkers" . }}
{{- end }}
{{- end }}

{{- define "berth.fillMap" -}}
{{- $values := index . 0 }}
{{- range $key, $fallback := index . 1 }}
{{- $whole := and (kindIs "map" $fallback) (hasKey $fallback "=") }}
{{- if and $whole (not (hasKey $values $key)) }}
{{- $_ := set $values $key (get $fallback "=") }}
{{- else if and (kindIs "map" $fallback) (not $whole) }}
{{- if not (hasKey $values $key) }}
{{- $_ := set $values $key dict }}
{{- end }}
{{- include "berth.fillMap" (list (get $values $key) $fallback) }}
{{- else if not (hasKey $values $key) }}
{{- $_ := set $values $key $fallback }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Puts what templates get as `.` for each worker into .Values._workers: a root whose .Values.worker has the values of this one and
whose .Worker is its component. `worker` comes first, and each of `workers` has its values but for its own. In .Values._drains is
one for each cluster that they have Jobs in, with the namespaces and legacy finalizers of all. .Values._components are the server
and the workers, as (dict "root" "component" "name" "values").
*/}}
{{- define "berth.fillWorkers" -}}
{{- $root := . }}
{{- $_ := set .Values "_workers" list }}
{{- $_ := set .Values "_drains" list }}
{{- if .Values.worker.enabled }}
{{- include "berth.addWorker" (list . "_workers" "worker" .Values.worker) }}
{{- end }}
{{- range $name, $own := .Values.workers }}
{{- $worker := mustMergeOverwrite (deepCopy $root.Values.worker) (dict "enabled" true "pool" $name) (deepCopy ($own | default dict)) }}
{{- if $worker.enabled }}
{{- include "berth.addWorker" (list $root "_workers" (printf "worker-%s" $name) $worker) }}
{{- end }}
{{- end }}
{{- $clusters := list }}
{{- range $first := .Values._workers }}
{{- $cluster := include "berth.clusterOf" $first }}
{{- if not (has $cluster $clusters) }}
{{- $clusters = append $clusters $cluster }}
{{- $worker := deepCopy $first.Values.worker }}
{{- range $other := $root.Values._workers }}
{{- if eq (include "berth.clusterOf" $other) $cluster }}
{{- $_ := set $worker "namespaces" (concat $worker.namespaces (include "berth.namespaces" $other | fromJson).items | uniq) }}
{{- $_ := set $worker "legacyFinalizers" (concat $worker.legacyFinalizers $other.Values.worker.legacyFinalizers | uniq) }}
{{- $_ := set $worker "allNamespaces" (or $worker.allNamespaces $other.Values.worker.allNamespaces) }}
{{- end }}
{{- end }}
{{- include "berth.addWorker" (list $root "_drains" $first.Worker $worker) }}
{{- end }}
{{- end }}
{{- range concat .Values._workers .Values._drains }}
{{- $_ := set .Values "_workers" $root.Values._workers }}
{{- $_ := set .Values "_drains" $root.Values._drains }}
{{- end }}
{{- $components := list }}
{{- if .Values.server.enabled }}
{{- $components = append $components (dict "root" . "component" "server" "name" (include "berth.named" (list . "server")) "values" .Values.server) }}
{{- end }}
{{- range .Values._workers }}
{{- $components = append $components (dict "root" . "component" .Worker "name" (include "berth.worker.fullname" .) "values" .Values.worker) }}
{{- end }}
{{- $_ := set .Values "_components" $components }}
{{- end }}

{{/* The cluster that a worker has its Jobs in. */}}
{{- define "berth.clusterOf" -}}
{{- with .Values.worker.clusterConfig }}{{ .existingSecret }}/{{ if .existingSecret }}{{ .key }}{{ end }}{{ end }}
{{- end }}

{{/* Adds a worker to a list in the values: (list ROOT LIST COMPONENT VALUES). */}}
{{- define "berth.addWorker" -}}
{{- $root := index . 0 }}
{{- $values := dict }}
{{- range $key, $value := $root.Values }}
{{- $_ := set $values $key $value }}
{{- end }}
{{- $_ := set $values "worker" (index . 3) }}
{{- $copy := dict }}
{{- range $key, $value := $root }}
{{- $_ := set $copy $key $value }}
{{- end }}
{{- $_ := set $copy "Values" $values }}
{{- $_ := set $copy "Worker" (index . 2) }}
{{- $_ := set $root.Values (index . 1) (append (get $root.Values (index . 1)) $copy) }}
{{- end }}
