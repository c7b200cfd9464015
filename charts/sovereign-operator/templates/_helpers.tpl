{{/*
The labels of every object. Names of objects do not contain the release's name: there is one operator in a cluster, and admission
messages and roles name its parts.
*/}}
{{- define "sovereign-operator.labels" -}}
app.kubernetes.io/name: sovereign-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* The labels that select the pods of one component. Takes root and the component. */}}
{{- define "sovereign-operator.selectorLabels" -}}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "sovereign-operator.image" -}}
{{ include "sovereign-operator.imageOf" (list . .Values.image) }}
{{- end }}

{{/* The image that a part of the values names: its digest, its tag, or the tag of this version. */}}
{{- define "sovereign-operator.imageOf" -}}
{{- $root := index . 0 }}{{ $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The namespace of the certificate authorities' keys. With --reuse-values, the values of a former version do not name it. */}}
{{- define "sovereign-operator.keysNamespace" -}}{{ .Values.identity.keysNamespace | default "sovereign-keys" }}{{- end }}

{{/* The namespaces that are never in scope: those of the cluster, of the operator, and of the keys. */}}
{{- define "sovereign-operator.systemNamespaces" -}}
{{- concat .Values.systemNamespaces (list .Release.Namespace (include "sovereign-operator.keysNamespace" .)) | uniq | toJson -}}
{{- end }}

{{/*
Whether the signer looks for certificate authorities in the release's namespace, where former versions kept them. While this
is so, it may read and delete Secrets there. The last Secret that it moves is authority-nobody, which each installation has.
*/}}
{{- define "sovereign-operator.moveKeys" -}}
{{- if or .Values.identity.moveKeys (lookup "v1" "Secret" .Release.Namespace "authority-nobody") -}}true{{- end -}}
{{- end }}

{{/* The same as a list in CEL. */}}
{{- define "sovereign-operator.systemNamespacesInCel" -}}
{{- include "sovereign-operator.systemNamespaces" . | replace "\"" "'" -}}
{{- end }}

{{/* Where the operator creates workloads from templates, besides the namespaces in scope, as a list in CEL. */}}
{{- define "sovereign-operator.templateNamespacesInCel" -}}
{{- .Values.controller.templateNamespaces | default list | toJson | replace "\"" "'" -}}
{{- end }}

{{/* The section of RUNBOOK.md that describes what to do about an alert. Takes root and the section. */}}
{{- define "sovereign-operator.runbook" -}}
{{- $root := index . 0 }}{{ $section := index . 1 | lower -}}
{{- with $root.Values.alerts.runbookUrl -}}
runbook_url: {{ . }}#{{ $section }}
{{- else -}}
runbook: "RUNBOOK.md#{{ $section }}"
{{- end -}}
{{- end }}

{{/* Whether the injector is installed: to encrypt, to place, or both. */}}
{{- define "sovereign-operator.runsInjector" -}}
{{- if or .Values.encryption.enabled (eq (include "sovereign-operator.placesBy" .) "Webhook") }}true{{ else }}false{{ end -}}
{{- end }}

{{/* Whether the controller writes a report into each namespace whose pods policies judge. */}}
{{- define "sovereign-operator.writesReports" -}}
{{- if (.Values.reports).enabled }}true{{ else }}false{{ end -}}
{{- end }}

{{/*
Whether the API server serves a kind. Helm knows that if it asks a cluster, or is told (--api-versions); otherwise it knows a
version alone. Takes root, GROUP/VERSION/KIND, and the first version of Kubernetes that serves the kind unless it is told not to.
*/}}
{{- define "sovereign-operator.serves" -}}
{{- $capabilities := (index . 0).Capabilities -}}
{{- if $capabilities.APIVersions.Has (index . 1) }}true
{{- else if $capabilities.APIVersions.Has "v1/Pod" }}false
{{- else }}{{ semverCompare (printf ">=%s-0" (index . 2)) $capabilities.KubeVersion.Version }}
{{- end -}}
{{- end }}

{{/* How new pods with a sidecar get their certificates: Token or Request. With --reuse-values, a former version does not say. */}}
{{- define "sovereign-operator.certificates" -}}{{ .Values.identity.certificates | default "Token" }}{{- end }}
