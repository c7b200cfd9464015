{{/* How the guards write CEL that is not about placement: sizes, maps, patches, values. */}}

{{/*
The most entries of a map or list that a guard iterates over. The API server counts the cost of an expression, in a time that
grows with the square of the number of entries: for 30,000 of them it takes longer than a request may. Other users can fill
objects that we write, so each guard first checks sizes, and whether anything changed at all, which takes no time.
*/}}
{{- define "sovereign-operator.most" -}}2000{{- end }}

{{/* The same for objects that the operator writes: it adds entries to those of others, and so does a Binding to a pod. */}}
{{- define "sovereign-operator.mostInAll" -}}5000{{- end }}

{{/*
CEL for whether two maps are the same, but for some entries. Takes CEL for both, and for an entry that does not count, as
`key`. It goes through each map once, and not through one that is too large: that may only stay as it is.
*/}}
{{- define "sovereign-operator.sameBut" -}}
{{- $new := index . 0 }}{{ $old := index . 1 }}{{ $besides := index . 2 -}}
({{ $new }} == {{ $old }} || {{ $new }}.size() <= {{ include "sovereign-operator.mostInAll" . }} && {{ $old }}.size() <= {{ include "sovereign-operator.mostInAll" . }}
&& {{ $new }}.all(key, {{ $besides }} || {{ $new }}[?key] == {{ $old }}[?key])
&& {{ $old }}.all(key, {{ $besides }} || key in {{ $new }}))
{{- end }}

{{/*
CEL for a value as the API server shows it to a guard: with the defaults that its schema has. A list or map of CEL has values
of one type, so that each is made dynamic. JSON's strings are CEL's.
*/}}
{{- define "sovereign-operator.celOf" -}}
{{- $value := index . 0 }}{{ $schema := index . 1 | default dict -}}
{{- $parts := list -}}
{{- if kindIs "map" $value -}}
{{- $fields := $schema.properties | default dict -}}
{{- $whole := dict -}}
{{- range $key, $field := $fields }}{{ if hasKey $field "default" }}{{ $_ := set $whole $key $field.default }}{{ end }}{{ end -}}
{{- range $key, $given := $value }}{{ $_ := set $whole $key $given }}{{ end -}}
{{- range $key, $part := $whole -}}
{{- $parts = append $parts (printf "%s: %s" (toJson $key) (include "sovereign-operator.celOf" (list $part (get $fields $key)))) -}}
{{- end -}}
dyn({ {{- join ", " $parts -}} })
{{- else if kindIs "slice" $value -}}
{{- range $value }}{{ $parts = append $parts (include "sovereign-operator.celOf" (list . $schema.items)) }}{{ end -}}
dyn([{{ join ", " $parts }}])
{{- else -}}
dyn({{ toJson $value }})
{{- end -}}
{{- end }}

{{/*
JSON patch operations that write one entry of a map, which the object may lack. Takes the path of the map, with dots, and
CEL for key and value.
*/}}
{{- define "sovereign-operator.setEntry" -}}
{{- $path := index . 0 }}{{ $key := index . 1 }}{{ $value := index . 2 -}}
(has(object.{{ $path }})
? [JSONPatch{op: 'add', path: '/{{ $path | replace "." "/" }}/' + jsonpatch.escapeKey({{ $key }}), value: {{ $value }}}]
: [JSONPatch{op: 'add', path: '/{{ $path | replace "." "/" }}', value: { {{- $key }}: {{ $value -}} }}])
{{- end }}

{{/* CEL for the sources of a volume, `v`. The API server shows a projected volume without any as one whose sources are null. */}}
{{- define "sovereign-operator.sources" -}}
(v.?projected.sources.orValue(null) == null ? [] : v.projected.sources)
{{- end }}
