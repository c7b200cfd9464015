{{/* How the kubelet checks that a process of the operator runs, and that it is ready. */}}
{{- define "sovereign-operator.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 20
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{/* How a pod of the operator runs (without privileges), and where (by its part of the values). Takes root and that part. */}}
{{- define "sovereign-operator.podSettings" -}}
{{- $root := index . 0 }}{{ $values := index . 1 -}}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The labels and annotations of a pod whose metrics Prometheus scrapes. Takes root and the component. */}}
{{- define "sovereign-operator.podMetadata" -}}
labels:
  {{- include "sovereign-operator.labels" (index . 0) | nindent 2 }}
  app.kubernetes.io/component: {{ index . 1 }}
annotations:
  prometheus.io/scrape: "true"
  prometheus.io/port: "8080"
{{- end }}

{{/* Environment variables with what a pod cannot know before it runs. Takes their names. */}}
{{- define "sovereign-operator.podFields" -}}
{{- $fields := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "NODE_NAME" "spec.nodeName" -}}
{{- range $index, $name := . }}
{{- if $index }}{{ "\n" }}{{ end -}}
- name: {{ $name }}
  valueFrom: {fieldRef: {fieldPath: {{ get $fields $name }}}}
{{- end }}
{{- end }}

{{- define "sovereign-operator.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/*
A process of the operator: a Deployment whose replicas are spread over nodes, with a budget for disruptions.

Takes root (.), component (its module, and its key in the values), args, ports by name, and a secret with its certificate.
*/}}
{{- define "sovereign-operator.process" -}}
{{- $root := .root }}{{ $values := index .root.Values .component }}{{ $name := printf "sovereign-%s" .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "sovereign-operator.labels" $root | nindent 4 }}
spec:
  replicas: {{ $values.replicas }}
  selector:
    matchLabels: {{- include "sovereign-operator.selectorLabels" (list $root .component) | nindent 6 }}
  template:
    metadata: {{- include "sovereign-operator.podMetadata" (list $root .component) | nindent 6 }}
    spec:
      serviceAccountName: {{ $name }}
      {{- include "sovereign-operator.podSettings" (list $root $values) | trim | nindent 6 }}
      containers:
        - name: {{ .component }}
          image: {{ include "sovereign-operator.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: [python3, -m, sovereign_operator.{{ .component }}]
          args:
            - --system-namespaces={{ include "sovereign-operator.systemNamespaces" $root | fromJsonArray | join "," }}
            {{- with $values.leaseDurationSeconds }}
            - --lease-seconds={{ . }}
            {{- end }}
            - --log-level={{ $values.logLevel }}
            {{- range .args }}
            - {{ . | quote }}
            {{- end }}
          env: {{- include "sovereign-operator.podFields" (list "POD_NAME" "POD_NAMESPACE") | nindent 12 }}
          ports:
            - {name: http, containerPort: 8080}
            {{- range $port, $number := .ports }}
            - {name: {{ $port }}, containerPort: {{ $number }}}
            {{- end }}
          {{- include "sovereign-operator.probes" . | nindent 10 }}
          resources: {{- toYaml $values.resources | nindent 12 }}
          {{- include "sovereign-operator.containerSecurity" . | nindent 10 }}
          {{- if .secret }}
          volumeMounts:
            - {name: tls, mountPath: /etc/sovereign/tls, readOnly: true}
      volumes:
        - name: tls
          secret:
            secretName: {{ .secret }}
            items:
              - {key: tls.crt, path: tls.crt}
              - {key: tls.key, path: tls.key}
          {{- end }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "sovereign-operator.selectorLabels" (list $root .component) | nindent 14 }}
{{- if gt (int $values.replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "sovereign-operator.labels" $root | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "sovereign-operator.selectorLabels" (list $root .component) | nindent 6 }}
{{- end }}
{{- end }}

{{/*
The spec of a Job of the chart, whose pod runs wherever the controller may. Takes root (.), component (its module has underscores
for hyphens), settings (YAML for the Job itself), args, env (names of podFields), and resources.

The name of each Job contains a digest of this text: any change of it, even of a comment, makes an upgrade run a new Job.
*/}}
{{- define "sovereign-operator.jobSpec" -}}
{{- $root := .root -}}
{{ .settings }}
template:
  metadata:
    labels:
      {{- include "sovereign-operator.labels" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  spec:
    serviceAccountName: sovereign-{{ .component }}
    restartPolicy: Never
    # It runs wherever the controller may.
    {{- include "sovereign-operator.podSettings" (list $root $root.Values.controller) | trim | nindent 4 }}
    containers:
      - name: {{ .component }}
        image: {{ include "sovereign-operator.image" $root }}
        imagePullPolicy: {{ $root.Values.image.pullPolicy }}
        command: [python3, -m, sovereign_operator.{{ .component | replace "-" "_" }}]
        args:
          {{- range .args }}
          - {{ . }}
          {{- end }}
        env:
          {{- include "sovereign-operator.podFields" .env | nindent 10 }}
        terminationMessagePolicy: FallbackToLogsOnError
        resources: {{- toYaml .resources | nindent 10 }}
        {{- include "sovereign-operator.containerSecurity" $root | nindent 8 }}
{{- end }}
