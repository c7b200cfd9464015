{{/* Names. The release's name is part of none that stands in an admission message or a role, as there is one operator in a cluster. */}}
{{- define "sovereign-operator.controller" -}}sovereign-controller{{- end }}

{{- define "sovereign-operator.labels" -}}
app.kubernetes.io/name: sovereign-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "sovereign-operator.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The namespaces that are never in scope: what runs the cluster, and we ourselves. */}}
{{- define "sovereign-operator.systemNamespaces" -}}
{{- append .Values.systemNamespaces .Release.Namespace | uniq | toJson -}}
{{- end }}
