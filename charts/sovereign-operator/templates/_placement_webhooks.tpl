{{/*
The older way to place pods: where the API server serves no MutatingAdmissionPolicy, the injector writes what place-pods.yaml,
place-daemonsets.yaml and stamp-requester.yaml write elsewhere. When it does not answer, objects stay as they are, and guard-pods.yaml
and guard-placement.yaml refuse them: nothing new starts in scope, and nothing else is affected.

Once Kubernetes 1.35 is no longer supported, delete this file, admission/guard-placement.yaml, and where they are named.
*/}}

{{/* Policies, the API server's own, or Webhook. Every API server from 1.36 on serves MutatingAdmissionPolicy, unless it is told not to. */}}
{{- define "sovereign-operator.placesBy" -}}
{{- if (.Values.placement).by }}{{ .Values.placement.by }}
{{- else if eq (include "sovereign-operator.serves" (list . "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" "1.36")) "true" }}Policies
{{- else }}Webhook
{{- end -}}
{{- end }}

{{/* Webhooks that place. API servers call the webhooks of a configuration in order: those that encrypt read what these wrote. */}}
{{- define "sovereign-operator.placementWebhooks" -}}
{{- range $way := tuple "by-namespace" "by-label" "formerly" }}
- name: {{ $way }}.placement.sovereignty.dev
  {{- include "sovereign-operator.wholeScope" (list $ $way) | nindent 2 }}
  rules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods], scope: Namespaced}
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [daemonsets], scope: Namespaced}
  matchConditions:
    - name: no-mirror-pod
      expression: >-
        request.resource.resource != 'pods' || !({{ include "sovereign-operator.isMirrorPod" $ | nindent 8 | trim }})
  {{- include "sovereign-operator.webhookCall" (list $ (printf "/place/%s" $way)) | nindent 2 }}
{{- end }}
- name: requester.placement.sovereignty.dev
  rules:
    - {apiGroups: [sovereignty.dev], apiVersions: [v1alpha1], operations: [CREATE, UPDATE], resources: [sovereignworkloads], scope: Namespaced}
    - {apiGroups: [sovereignty.dev], apiVersions: [v1alpha1], operations: [CREATE, UPDATE], resources: [derogations], scope: Cluster}
  {{- include "sovereign-operator.webhookCall" (list . "/stamp") | nindent 2 }}
{{- end }}
