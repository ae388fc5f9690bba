{{/*
Adds values that are missing with their defaults (_defaults.tpl, made from values.yaml). They are missing after
`helm upgrade --reuse-values` from an older chart, which takes that chart's defaults for this one's, and where a value is set
to null. A map under "=" is one value. Every template begins with it, and the first adds them for all.
*/}}
{{- define "berth.fill" -}}
{{- if not (hasKey .Values "_filled") }}
{{- include "berth.fillMap" (list .Values (include "berth.defaults" . | fromYaml)) }}
{{- $_ := set .Values "_filled" true }}
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
