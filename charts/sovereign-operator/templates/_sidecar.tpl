{{/* What the guard of sidecars and its condition both need. */}}

{{/* CEL for a regular expression that an argument of the sidecar matches: a probe. */}}
{{- define "sovereign-operator.probeArgument" -}}
'^--probe=((http|https)://:[0-9]{1,5}/[!"$-~]*(#[!"$-~]+)?|grpc://:[0-9]{1,5}(/[!"$-~]+)?|tcp://:[0-9]{1,5})$'
{{- end }}

{{/*
CEL for whether the resources of a sidecar are none but those that it may have: of any other, a device plugin or a driver could bring
devices, files and variables into its container. Takes root, and the name of a CEL variable.
*/}}
{{- define "sovereign-operator.resourcesOfSidecar" -}}
{{- $root := index . 0 }}{{ $c := index . 1 -}}
{{- $given := $root.Values.sidecar.resources | default dict -}}
{{- $names := list "cpu" "memory" "ephemeral-storage" -}}
{{- range $kind := list "requests" "limits" }}{{ $names = concat $names (keys (get $given $kind | default dict)) }}{{ end -}}
{{- $names = $names | uniq | sortAlpha | toJson | replace "\"" "'" -}}
!{{ $c }}.?resources.claims.hasValue()
{{- range $kind := list "requests" "limits" }}
&& {{ $c }}.?resources.{{ $kind }}.orValue({}).size() <= 8 && {{ $c }}.?resources.{{ $kind }}.orValue({}).all(n, n in {{ $names }})
{{- end }}
{{- end }}

{{/* CEL for whether a volume, `v`, has a token with which a sidecar asks the signer for its certificate. */}}
{{- define "sovereign-operator.hasSignerToken" -}}
{{ include "sovereign-operator.sources" . }}.exists(s, s.?serviceAccountToken.audience.orValue('') == 'sovereignty.dev/signer')
{{- end }}

{{/* The same quickly: CEL for whether a volume surely has none. One with many sources may have one. */}}
{{- define "sovereign-operator.hasNoSignerToken" -}}
(!has(v.projected) || {{ include "sovereign-operator.sources" . }}.size() <= 30 && !{{ include "sovereign-operator.hasSignerToken" . }})
{{- end }}

{{/* CEL for whether a pod that is created has more volumes, or more sources in them, than CEL can search in time. */}}
{{- define "sovereign-operator.manyVolumes" -}}
object.spec.?volumes.orValue([]).size() > {{ include "sovereign-operator.most" . }}
|| object.spec.?volumes.orValue([]).map(v, {{ include "sovereign-operator.sources" . }}.size()).sum() > {{ include "sovereign-operator.most" . }}
{{- end }}

{{/*
CEL for whether a pod has the sidecar of a policy exactly as the injector writes it, and nothing goes past it: the same as that
guard-sidecars.yaml finds no fault, in a form that takes the API server a fifth of the time, as it compares whole objects with
literals. It may say no about a pod without a fault, as when a later Kubernetes adds a field with a default. It never says yes
about one with a fault, and goes through nothing large. Takes root, and CEL for the name of the policy.

The identity of a sidecar has one of two forms, whichever the value identity.certificates now gives to new pods: byToken, with
which the sidecar asks the signer itself, and byRequest, with which its kubelet asks. The second form is accepted as long as
pods may have it: a user may create a copy of such a pod.
*/}}
{{- define "sovereign-operator.sidecarAsWritten" -}}
{{- $root := index . 0 }}{{ $policy := index . 1 -}}
{{- $transit := printf `{'name': dyn('sovereignty-transit'), 'projected': dyn({'defaultMode': dyn(292), 'sources': dyn([
    {'configMap': dyn({'name': dyn('sovereignty-transit.' + %s),
      'items': dyn([{'key': 'listeners-after-handshake.json', 'path': 'listeners.json'}])})}])})}` $policy }}
{{- $run := `{'name': dyn('sovereignty-run'), 'emptyDir': dyn({'medium': 'Memory', 'sizeLimit': '16Mi'})}` }}
{{- $byToken := printf `{'name': dyn('sovereignty-identity'), 'projected': dyn({'defaultMode': dyn(292), 'sources': dyn([
    {'serviceAccountToken': dyn({'audience': dyn('sovereignty.dev/signer'), 'expirationSeconds': dyn(3600), 'path': dyn('token')})},
    {'configMap': dyn({'name': dyn('sovereignty-trust.' + %s), 'items': dyn([{'key': 'trusted.pem', 'path': 'trusted.pem'},
      {'key': 'signer-ca.pem', 'path': 'signer-ca.pem'}, {'key': 'signer.json', 'path': 'signer.json'}])})}])})}` $policy }}
{{- $byRequest := printf `{'name': dyn('sovereignty-identity'), 'projected': dyn({'defaultMode': dyn(292), 'sources': dyn([
    {'podCertificate': dyn({'signerName': dyn('sovereignty.dev/workload-identity'), 'keyType': dyn('ECDSAP256'),
      'credentialBundlePath': dyn('credentials.pem'), 'maxExpirationSeconds': dyn(86400)})},
    {'clusterTrustBundle': dyn({'signerName': dyn('sovereignty.dev/workload-identity'), 'path': dyn('trusted.pem'),
      'labelSelector': dyn({'matchLabels': {'sovereignty.dev/trust-of': %s}})})}])})}` $policy }}
{{- $fine := "c.?securityContext.runAsUser.orValue(0) != 65533 && !c.?securityContext.privileged.orValue(false) && c.?securityContext.procMount.orValue('Default') == 'Default' && !c.?securityContext.capabilities.add.hasValue() && c.?volumeMounts.orValue([]).size() <= 64 && !c.?volumeMounts.orValue([]).exists(m, m.name.startsWith('sovereignty-'))" -}}
object.spec.?initContainers[?0].name.orValue('') == 'sovereignty-sidecar'
&& object.spec.initContainers.size() + object.spec.containers.size() + object.spec.?volumes.orValue([]).size() <= 64
&& [object.spec.initContainers[0]].all(c,
  c.image == '{{ include "sovereign-operator.imageOf" (list $root $root.Values.sidecar.image) }}'
  && c.?restartPolicy.orValue('') == 'Always' && !has(c.restartPolicyRules)
  && c.?terminationMessagePath.orValue('') == '/dev/termination-log' && c.?terminationMessagePolicy.orValue('') == 'File'
  && !has(c.command) && !has(c.workingDir) && !has(c.env) && !has(c.envFrom) && !has(c.ports) && !has(c.lifecycle)
  && !has(c.livenessProbe) && !has(c.readinessProbe) && !has(c.stdin) && !has(c.tty) && !has(c.volumeDevices)
  && c.?args.orValue([]).size() <= 64 && c.?args.orValue([]).all(a, a.matches({{ include "sovereign-operator.probeArgument" . }}))
  && c.?startupProbe.httpGet.orValue({}) == {'path': dyn('/ready'), 'port': dyn(15022), 'scheme': dyn('HTTP')}
  && c.?securityContext.orValue({}) == {
    'allowPrivilegeEscalation': dyn(false), 'capabilities': dyn({'drop': ['ALL']}), 'privileged': dyn(false),
    'readOnlyRootFilesystem': dyn(true), 'runAsGroup': dyn(65533), 'runAsNonRoot': dyn(true), 'runAsUser': dyn(65533),
    'seccompProfile': dyn({'type': 'RuntimeDefault'})}
  && c.?volumeMounts.orValue([]) == [
    {'name': dyn('sovereignty-identity'), 'mountPath': dyn('/run/sovereignty/identity'), 'readOnly': dyn(true)},
    {'name': dyn('sovereignty-transit'), 'mountPath': dyn('/run/sovereignty/transit'), 'readOnly': dyn(true)},
    {'name': dyn('sovereignty-run'), 'mountPath': dyn('/run/sovereignty/run')},
    {'name': dyn('sovereignty-run'), 'mountPath': dyn('/var/run/secrets/kubernetes.io/serviceaccount'), 'readOnly': dyn(true)}]
  && (object.spec.?restartPolicy.orValue('') == 'Never' || c.?resizePolicy.orValue([]) == [
    {'resourceName': 'cpu', 'restartPolicy': 'NotRequired'}, {'resourceName': 'memory', 'restartPolicy': 'RestartContainer'}])
  && {{ include "sovereign-operator.resourcesOfSidecar" (list $root "c") | nindent 2 | trim }}
  && (c.?resources.limits[?'memory'].hasValue() ? !quantity(string(c.resources.limits['memory'])).isLessThan(quantity('128Mi'))
     : {{ if ((($root.Values.sidecar).resources).limits).memory }}false{{ else }}true{{ end }}))
&& [object.spec.?volumes.orValue([]).filter(v, v.name.startsWith('sovereignty-'))].all(own,
  own == [{{ $byToken }}, {{ $transit }}, {{ $run }}] || own == [{{ $byRequest }}, {{ $transit }}, {{ $run }}])
&& object.spec.?volumes.orValue([]).all(v, v.name == 'sovereignty-identity' || {{ include "sovereign-operator.hasNoSignerToken" $root }})
&& !object.spec.?hostNetwork.orValue(false) && !object.spec.?hostPID.orValue(false) && !object.spec.?shareProcessNamespace.orValue(false)
&& object.spec.?securityContext.runAsUser.orValue(0) != 65533 && !object.spec.?securityContext.sysctls.hasValue()
&& object.spec.initContainers.all(c, c.name == 'sovereignty-sidecar' || {{ $fine }})
&& object.spec.containers.all(c, {{ $fine }})
{{- end }}
