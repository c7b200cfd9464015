{{/*
The list of guards: what templates/admission installs, and what the controller watches over. Both come from this one table, so
that nothing is installed which the controller does not know.
*/}}

{{/*
Which files of templates/admission are installed with these values. Each file defines a named template, sovereign-operator.FILE.
A file that is not here is not installed.
*/}}
{{- define "sovereign-operator.admissionFiles" -}}
{{- $identity := .Values.identity.enabled }}{{ $encryption := .Values.encryption.enabled }}
{{- $byWebhook := eq (include "sovereign-operator.placesBy" .) "Webhook" }}
{{- $seed := or .Values.catalogue.enabled .Values.presets.enabled -}}
# Where pods run: what places them, and what refuses those that could run elsewhere.
place-pods: {{ not $byWebhook }}
place-daemonsets: {{ not $byWebhook }}
guard-placement: {{ $byWebhook }}
guard-pods: true
guard-bindings: true
# What the operator writes on pods and nodes, and the labels by which it finds them.
guard-every-pod: true
guard-nodes: true
# Who may put a namespace or a workload in scope.
guard-namespaces: true
guard-workloads: true
stamp-requester: {{ not $byWebhook }}
# Who may make a policy accept a service without a qualification.
guard-derogations: true
# Certificates.
guard-certificates: {{ $identity }}
guard-requests: {{ $identity }}
# What the injector answers.
injector-webhooks: {{ eq (include "sovereign-operator.runsInjector" .) "true" }}
# Encryption.
guard-sidecars: {{ $encryption }}
guard-exec: {{ $encryption }}
guard-transit: {{ $encryption }}
guard-trust: {{ $encryption }}
guard-tokens: {{ $encryption }}
# Reports.
guard-reports: {{ eq (include "sovereign-operator.writesReports" .) "true" }}
# That nobody stands in for the operator's own processes, and what a stolen token of theirs cannot do.
guard-own-pods: true
guard-controller-marks: true
guard-controller-roles: true
guard-controller-workloads: true
guard-signer: {{ $identity }}
guard-agent: {{ $encryption }}
guard-seed: {{ $seed }}
# What only warns.
warn-namespaces: true
warn-workloads: true
warn-pods: true
warn-facts: true
{{- end }}

{{/* All files that the table selects, as one manifest, in the order of their names. */}}
{{- define "sovereign-operator.admission" -}}
{{- range $file, $installed := include "sovereign-operator.admissionFiles" . | fromYaml }}
{{- if $installed }}
---
{{ include (printf "sovereign-operator.%s" $file) $ }}
{{- end }}
{{- end }}
{{- end }}

{{/*
The same as a JSON list: admission policies, their bindings, and our webhooks. The controller compares what is in the cluster with
this list, and reports a guard that is missing or was changed so that it guards less.
*/}}
{{- define "sovereign-operator.guards" -}}
{{- $guards := list -}}
{{- range $document := splitList "\n---\n" (include "sovereign-operator.admission" .) -}}
{{- with fromYaml $document -}}
{{- $spec := .spec | default (dict "webhooks" .webhooks "trust" (include "sovereign-operator.trust" $)) -}}
{{- $guards = append $guards (dict "kind" .kind "metadata" (dict "name" .metadata.name) "spec" $spec) -}}
{{- end -}}
{{- end -}}
{{- $guards | toJson -}}
{{- end }}

{{/* A short name for this list, by which the controller of this version finds it. */}}
{{- define "sovereign-operator.guardsDigest" -}}
{{ include "sovereign-operator.guards" . | sha256sum | trunc 16 }}
{{- end }}

{{/*
Who configures which certificate authority the API server trusts for our webhooks: Published, a Job of the chart; Given, these
values; Others, cert-manager.
*/}}
{{- define "sovereign-operator.trust" -}}
{{- if (.Values.injector.tls).caBundle -}}Given
{{- else if (.Values.injector.tls).secretName -}}Others
{{- else -}}Published
{{- end -}}
{{- end }}
