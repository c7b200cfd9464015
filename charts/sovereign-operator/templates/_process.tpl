{{/* How a kubelet sees that a process of ours runs, and whether it can be asked. */}}
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

{{/* How a pod of ours runs, and where it may: without privileges, and as its part of the values says. */}}
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

{{- define "sovereign-operator.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/*
A process of ours: a Deployment whose replicas are spread over nodes, with a budget for disruptions.

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
    matchLabels: &selector
      app.kubernetes.io/instance: {{ $root.Release.Name }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "sovereign-operator.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "8080"
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
          env:
            - name: POD_NAME
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            - name: POD_NAMESPACE
              valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
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
          labelSelector: {matchLabels: *selector}
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
    matchLabels:
      app.kubernetes.io/instance: {{ $root.Release.Name }}
      app.kubernetes.io/component: {{ .component }}
{{- end }}
{{- end }}
