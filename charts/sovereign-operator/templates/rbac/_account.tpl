{{/*
The account of a process, bound to the ClusterRole and to the Role that have its name. Takes root (.), name, and annotations, as YAML,
if there are any.
*/}}
{{- define "sovereign-operator.account" -}}
{{- $namespace := .root.Release.Namespace -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ $namespace }}
  {{- include "sovereign-operator.accountMetadata" . | nindent 2 }}
---
{{ include "sovereign-operator.roleBinding" (merge (dict "role" "ClusterRole") .) }}
---
{{ include "sovereign-operator.roleBinding" (merge (dict "role" "Role" "namespace" $namespace) .) }}
{{- end }}

{{/* The same for one role. Takes also role, which is its kind, and the namespace of a Role. */}}
{{- define "sovereign-operator.roleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .role }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  {{- include "sovereign-operator.accountMetadata" . | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ .role }}, name: {{ .name }}}
subjects:
  - {kind: ServiceAccount, name: {{ .name }}, namespace: {{ .root.Release.Namespace }}}
{{- end }}

{{- define "sovereign-operator.accountMetadata" -}}
labels: {{- include "sovereign-operator.labels" .root | nindent 2 }}
{{- with .annotations }}
annotations: {{- . | nindent 2 }}
{{- end }}
{{- end }}
