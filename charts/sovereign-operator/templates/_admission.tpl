{{/*
What the admission policies share.

A pod comes into scope in one of two ways, and each way has an admission policy of its own. The API server looks at selectors
before it evaluates anything else, so even a faulty policy cannot affect a request that its selectors do not match. The third way
is for objects that were in scope before.

  by-namespace   the namespace carries sovereignty.dev/enforce; its value names the policy
  by-label       the object carries sovereignty.dev/policy, in a namespace without that label
  formerly       the object carries sovereignty.dev/placed-for, which we wrote, in a namespace without that label

For each write in the cluster, of whatever kind, the API server parses the selectors of every policy anew before it looks at the
kind: 2 microseconds for a key, 10 with a list of names. So a policy selects by these labels alone, and its binding leaves out the
namespaces of the system. API servers look at bindings only where the policy matches. The price: while a policy is broken so that no
binding is looked at (a paramKind that does not exist), objects in these namespaces are refused if they carry our labels. A policy that sees every pod leaves these
namespaces out by a condition instead: sovereign-operator.outsideSystem.
*/}}
{{- define "sovereign-operator.scope" -}}
namespaceSelector:
  matchExpressions:
    {{- include "sovereign-operator.enforcing" . | nindent 4 }}
{{- include "sovereign-operator.labelledObjects" . }}
{{- end }}

{{/* The same for webhooks, which have no bindings, and whose selectors are parsed once. Takes root and the way. */}}
{{- define "sovereign-operator.wholeScope" -}}
{{- $root := index . 0 }}{{ $way := index . 1 -}}
namespaceSelector:
  matchExpressions:
    {{- include "sovereign-operator.enforcing" $way | nindent 4 }}
    - {{ include "sovereign-operator.noSystemNamespace" $root }}
{{- include "sovereign-operator.labelledObjects" $way }}
{{- end }}

{{- define "sovereign-operator.enforcing" -}}
- {key: sovereignty.dev/enforce, operator: {{ eq . "by-namespace" | ternary "Exists" "DoesNotExist" }}}
{{- end }}

{{- define "sovereign-operator.labelledObjects" -}}
{{- if ne . "by-namespace" }}
objectSelector:
  matchExpressions:
    - {key: sovereignty.dev/{{ eq . "by-label" | ternary "policy" "placed-for" }}, operator: Exists}
{{- end }}
{{- end }}

{{- define "sovereign-operator.noSystemNamespace" -}}
{key: kubernetes.io/metadata.name, operator: NotIn, values: {{ include "sovereign-operator.systemNamespaces" . }}}
{{- end }}

{{/*
The part of a binding that narrows it. To server-side apply it is one value, so it has all defaults: otherwise Helm would find a
conflict in a binding that somebody deleted and created again. Takes the selectors, as a dict.
*/}}
{{- define "sovereign-operator.matchResources" -}}
matchResources: {{- merge . (dict "matchPolicy" "Equivalent" "namespaceSelector" dict "objectSelector" dict) | toYaml | nindent 2 }}
{{- end }}

{{/* The same, to leave out the namespaces of the system. */}}
{{- define "sovereign-operator.leaveOutSystem" -}}
{{- $selector := dict "matchExpressions" (list (include "sovereign-operator.noSystemNamespace" . | fromYaml)) -}}
{{ include "sovereign-operator.matchResources" (dict "namespaceSelector" $selector) }}
{{- end }}

{{/* CEL for whether a request is for a namespace that is none of the system's. */}}
{{- define "sovereign-operator.outsideSystem" -}}
!(request.namespace in {{ include "sovereign-operator.systemNamespacesInCel" . }})
{{- end }}

{{/*
CEL for the policy of a pod, for conditions, which cannot read the namespace: the label that place-pods.yaml has just written;
empty if there is none. guard-pods.yaml refuses a pod whose label names another policy than its namespace.
*/}}
{{- define "sovereign-operator.placedFor" -}}
object.metadata.?labels[?'sovereignty.dev/placed-for'].orValue('')
{{- end }}

{{/* CEL for the policy that a pod itself names; empty if it names none. */}}
{{- define "sovereign-operator.labelledFor" -}}
object.metadata.?labels[?'sovereignty.dev/policy'].orValue('')
{{- end }}

{{/* What becomes of pods when a place is lost that they rest on, for warnings. */}}
{{- define "sovereign-operator.whatFollows" -}}
Where no policy accepts their nodes any more, running pods stay and count as outside, no new ones start, and certificates are not renewed
{{- end }}

{{/*
The binding that puts an admission policy into effect, for every request that the policy's selectors match. Takes root, the name
that policy and binding share, and what happens to a request that fails a validation: Deny or Warn.
*/}}
{{- define "sovereign-operator.validatingBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels: {{- include "sovereign-operator.labels" (index . 0) | nindent 4 }}
spec:
  policyName: {{ index . 1 }}
  validationActions: [{{ index . 2 }}]
{{- end }}

{{/* The same for an admission policy that changes objects. Takes root and the name that policy and binding share. */}}
{{- define "sovereign-operator.mutatingBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels: {{- include "sovereign-operator.labels" (index . 0) | nindent 4 }}
spec:
  policyName: {{ index . 1 }}
{{- end }}

{{/* The name of the policy, as the namespace or the object has it. */}}
{{- define "sovereign-operator.policyName" -}}
- name: policy
  expression: >-
    {{ eq . "by-namespace" | ternary "namespaceObject.metadata.labels['sovereignty.dev/enforce']" (include "sovereign-operator.labelledFor" .) }}
# The label that nodes carry which this policy accepts.
- name: nodeLabel
  expression: "'policy.sovereignty.node-restriction.kubernetes.io/' + variables.policy"
{{- end }}

{{/* A pod that is created: what to call it, and the node that it names. */}}
{{- define "sovereign-operator.pod" -}}
- name: object
  expression: "'pod ' + request.namespace + '/' + object.metadata.?name.orValue(object.metadata.?generateName.orValue(''))"
- name: node
  expression: "object.spec.?nodeName.orValue('')"
{{- end }}

{{/*
CEL for the pod template of a workload, or of the workload in the spec.template of a SovereignWorkload; an optional value.
Takes the name of the CEL variable.
*/}}
{{- define "sovereign-operator.podTemplate" -}}
{{- $workload := printf "(request.resource.resource == 'sovereignworkloads' ? dyn(%s).spec.?template : optional.of(dyn(%s)))" . . -}}
{{ $workload }}.?spec.jobTemplate.spec.template.or({{ $workload }}.?spec.template)
{{- end }}

{{/*
CEL for whether a pod is the mirror pod of a static one. A static pod runs whatever the guards decide. The kubelet shows it as a
mirror pod, and deletes a mirror pod that differs from its file. So it is admitted as it is: it is visible, and reported.
*/}}
{{- define "sovereign-operator.isMirrorPod" -}}
request.userInfo.username.startsWith('system:node:')
&& request.userInfo.username == 'system:node:' + object.?spec.nodeName.orValue('')
&& 'kubernetes.io/config.mirror' in object.metadata.?annotations.orValue({})
{{- end }}

{{/* CEL for whether a request creates a pod; requests that update or bind one go to the same guards. */}}
{{- define "sovereign-operator.createsPod" -}}
request.operation == 'CREATE' && request.?subResource.orValue('') == '' && request.resource.resource == 'pods'
{{- end }}

{{/*
How a container beside the sidecar could bypass it, in words; empty if it cannot. Runtimes accept names of capabilities in
upper and lower case, and make them upper case by Unicode: to them, NET_ADMIN with a dotless i is NET_ADMIN. No capability has
other letters than those of ASCII. Takes the name of a CEL variable.
*/}}
{{- define "sovereign-operator.pastSidecar" -}}
{{- $bad := `(!a.matches('^[A-Za-z_]+$') || a.upperAscii().replace('CAP_', '') in ['ALL', 'BPF', 'DAC_READ_SEARCH', 'NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'SYS_MODULE'])` -}}
{{ . }}.?securityContext.runAsUser.orValue(0) == 65533 ? 'container ' + {{ . }}.name + ' runs as the user of the sidecar, 65533, so choose another'
: {{ . }}.?securityContext.privileged.orValue(false) ? 'container ' + {{ . }}.name + ' is privileged'
: {{ . }}.?securityContext.procMount.orValue('Default') != 'Default' ? 'container ' + {{ . }}.name + ' has a procMount of its own'
: {{ . }}.?securityContext.capabilities.add.orValue([]).exists(a, {{ $bad }})
  ? 'container ' + {{ . }}.name + ' adds ' + {{ . }}.securityContext.capabilities.add.filter(a, {{ $bad }}).join(', ') + ', with which it could bypass the sidecar'
: {{ . }}.?volumeMounts.orValue([]).exists(m, m.name in ['sovereignty-identity', 'sovereignty-transit', 'sovereignty-run'])
  ? 'container ' + {{ . }}.name + ' mounts a volume of the sidecar' : ''
{{- end }}

{{/* CEL for whether an annotation, `key`, is under our prefixes: those of the operator's record on pods. */}}
{{- define "sovereign-operator.isOurs" -}}
(key.startsWith('audit.sovereignty.dev/') || key.startsWith('verdict.sovereignty.dev/'))
{{- end }}

{{/*
JSON patch operations that place an object, and label it with its policy, so that it can be found later. For an empty policy
there are none: guard-pods.yaml refuses its pods. Takes the path of the nodeSelector.
*/}}
{{- define "sovereign-operator.place" -}}
(variables.policy == '' ? [] :
{{ include "sovereign-operator.setEntry" (list . "variables.nodeLabel" "'accepted'") }}
+ {{ include "sovereign-operator.setEntry" (list "metadata.labels" "'sovereignty.dev/placed-for'" "variables.policy") }})
{{- end }}

{{/* The user name with which requests of one of the operator's service accounts arrive, in CEL. Takes root and the account. */}}
{{- define "sovereign-operator.user" -}}
'system:serviceaccount:{{ (index . 0).Release.Namespace }}:{{ index . 1 }}'
{{- end }}

{{/* A condition: the guard looks only at requests that are made with the controller's token. */}}
{{- define "sovereign-operator.byTheController" -}}
- name: by-the-controller
  expression: "request.userInfo.username == {{ include "sovereign-operator.user" (list . "sovereign-controller") }}"
{{- end }}

{{/* A condition: the guard looks at all requests but those that are made with the controller's token. */}}
{{- define "sovereign-operator.notByTheController" -}}
- name: not-by-the-controller
  expression: "request.userInfo.username != {{ include "sovereign-operator.user" (list . "sovereign-controller") }}"
{{- end }}

{{/*
A condition: the guard looks only at ConfigMaps of one kind. The name identifies such a ConfigMap. The operator finds it by its
label, so it would also read other ConfigMaps with that label, however many and large they are. The condition checks both, and
cannot fail for a ConfigMap that has neither. Takes the name of the condition, the beginning of the ConfigMap's name, and the label.
*/}}
{{- define "sovereign-operator.ownConfigMap" -}}
- name: {{ index . 0 }}
  expression: >-
    [request.operation == 'DELETE' ? oldObject : object].exists(each,
      each.metadata.?name.orValue('').startsWith('{{ index . 1 }}') || each.metadata.?labels[?'{{ index . 2 }}'].hasValue())
{{- end }}

{{/*
A condition: anyone may take finalizers away from a ConfigMap that is being deleted, and change nothing else. After a deletion with
--cascade=foreground, the garbage collector does that.
*/}}
{{- define "sovereign-operator.notFinalizersTakenAway" -}}
- name: not-finalizers-taken-away
  expression: >-
    request.operation != 'UPDATE'
    || !has(oldObject.metadata.deletionTimestamp)
    || object.?data != oldObject.?data
    || object.?binaryData != oldObject.?binaryData
    || object.?immutable != oldObject.?immutable
    || object.metadata.?labels != oldObject.metadata.?labels
    || object.metadata.?annotations != oldObject.metadata.?annotations
    || object.metadata.?ownerReferences != oldObject.metadata.?ownerReferences
    || object.metadata.?finalizers.orValue([]).exists(name, !(name in oldObject.metadata.?finalizers.orValue([])))
{{- end }}

{{/*
What the guards of the controller's token share: what a request changes, and the message to a client that exceeds its rights.
Takes the verb for what the controller does to the objects.
*/}}
{{- define "sovereign-operator.stolen" -}}
# From before there was a limit, or from a time when that guard was deleted.
- name: tooFull
  expression: >-
    [dyn(object), dyn(oldObject)].exists(each, [each.?metadata.labels.orValue({}), each.?metadata.annotations.orValue({})].exists(
      entries, entries.size() > {{ include "sovereign-operator.mostInAll" . }}))
- name: stolen
  expression: >-
    (variables.tooFull ? 'too many labels or annotations' : 'not the operator\'s') + ': the controller may not {{ . }} '
    + request.resource.resource + ' ' + request.?name.orValue('') + (has(request.namespace) ? ' in namespace ' + request.namespace : '')
    + (variables.tooFull ? '; remove those beyond {{ include "sovereign-operator.most" . }}, in one request' : ' in this way; an attacker may have its token')
- name: metadata
  expression: "dyn(object).?metadata.orValue({})"
- name: oldMetadata
  expression: "dyn(oldObject).?metadata.orValue({})"
- name: labels
  expression: "variables.metadata.?labels.orValue({})"
- name: oldLabels
  expression: "variables.oldMetadata.?labels.orValue({})"
# If an owner does not exist, the garbage collector deletes what it owns; finalizers keep an object from being deleted.
- name: sameOwners
  expression: >-
    variables.metadata.?finalizers == variables.oldMetadata.?finalizers
    && variables.metadata.?ownerReferences == variables.oldMetadata.?ownerReferences
{{- end }}

{{/* Whether a policy can have this name. The authorizer fails on any other name. Takes CEL for the name. */}}
{{- define "sovereign-operator.canNamePolicy" -}}
{{ . }}.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')
{{- end }}

{{/*
Whether a policy may do something: enforce, if it exists; host, if it accepts a node; encrypt, if its pods need sidecars; serve, if
sidecars that its pods bring along find what they need.
Takes CEL for its name, and the verb.
*/}}
{{- define "sovereign-operator.policyMay" -}}
{{- $root := index . 0 }}{{ $policy := index . 1 }}{{ $verb := index . 2 -}}
authorizer.serviceAccount('{{ $root.Release.Namespace }}', 'policy-' + {{ $policy }})
.group('sovereignty.dev').resource('sovereigntypolicies').name({{ $policy }}).check('{{ $verb }}').allowed()
{{- end }}

{{/*
Whether the policy in variables.policy may use one object: a node, to host pods; a namespace, to give certificates to its pods.
Takes root, the verb (host or certify), the resource, and CEL for the name of the object.
*/}}
{{- define "sovereign-operator.policyMayUse" -}}
{{- $root := index . 0 }}{{ $verb := index . 1 }}{{ $resource := index . 2 }}{{ $name := index . 3 -}}
authorizer.serviceAccount('{{ $root.Release.Namespace }}', 'policy-' + variables.policy)
.group('sovereignty.dev').resource('{{ $resource }}').name({{ $name }}).check('{{ $verb }}').allowed()
{{- end }}

{{/*
Who may host what is RBAC. The controller keeps, per policy, a ClusterRole that lists the nodes
accepted now, bound to a service account that does not exist; the guards ask the authorizer what that
account may do. Nothing that is not listed is allowed, and the answer does not need the controller.
*/}}
{{- define "sovereign-operator.questions" -}}
# What the policy is allowed. RBAC is not queried for a name that no policy can have.
- name: named
  expression: >-
    {{ include "sovereign-operator.canNamePolicy" "variables.policy" }}
- name: known
  expression: >-
    variables.named && {{ include "sovereign-operator.policyMay" (list . "variables.policy" "enforce") | nindent 4 | trim }}
# An RBAC rule that gives everything to every service account, or one without resourceNames, would make
# each node look accepted. No node can have this name, so a policy that may host on it may host on any.
- name: overgranted
  expression: >-
    variables.named && {{ include "sovereign-operator.policyMayUse" (list . "host" "nodes" "'no node has this name'") | nindent 4 | trim }}
{{- end }}

{{/* Whether the policy accepts any node: a rule of its own in its role, because RBAC cannot be queried for "any name". */}}
{{- define "sovereign-operator.acceptsAnyNode" -}}
- name: acceptsAnyNode
  expression: >-
    variables.named && {{ include "sovereign-operator.policyMay" (list . "variables.policy" "host") | nindent 4 | trim }}
{{- end }}

{{/* The validations about the policy itself: it must exist, and its role must mean something. */}}
{{- define "sovereign-operator.policyValidations" -}}
- expression: "{{ .unless }}variables.known"
  reason: Forbidden
  messageExpression: >-
    'unknown policy: ' + variables.object + ' is held to sovereignty policy "' + variables.policy +
    '", which does not exist; correct the {{ .label }} or create the SovereigntyPolicy'
# The API server makes the text of each messageExpression for each request, whether or not it is needed. This one is rare.
- expression: "{{ .unless }}!variables.overgranted"
  reason: Forbidden
  message: >-
    meaningless roles: RBAC grants the policy in the {{ .label }} every node, so acceptance cannot be checked; a cluster
    admin must find and remove the rule that grants it: kubectl auth can-i --list
    --as=system:serviceaccount:{{ .namespace }}:policy-POLICY, with the name of the policy for POLICY
{{- end }}
