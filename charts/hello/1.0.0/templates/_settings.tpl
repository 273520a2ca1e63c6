{{- /* Labels of every object. */ -}}
{{- define "hello.labels" -}}
app.kubernetes.io/name: hello
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* The Service's name: the release's, made a DNS label where it is none ("1.x" becomes "hello-1-x"). */ -}}
{{- define "hello.service" -}}
{{- $plain := replace "." "-" .Release.Name -}}
{{- regexMatch "^[a-z]" $plain | ternary $plain (printf "hello-%s" $plain) -}}
{{- end }}

{{- /*
Flatten .values into the map .out: dotted path to text, in the spelling of settings ("a.b", "list[0]", "a\.b").
*/ -}}
{{- define "hello.flatten" -}}
{{- $out := .out -}}
{{- $at := .at -}}
{{- if kindIs "map" .values -}}
  {{- range $key, $value := .values -}}
    {{- $step := replace "." "\\." $key -}}
    {{- $path := empty $at | ternary $step (printf "%s.%s" $at $step) -}}
    {{- include "hello.flatten" (dict "values" $value "at" $path "out" $out) -}}
  {{- end -}}
{{- else if kindIs "slice" .values -}}
  {{- range $index, $value := .values -}}
    {{- include "hello.flatten" (dict "values" $value "at" (printf "%s[%d]" $at $index) "out" $out) -}}
  {{- end -}}
{{- else if not (kindIs "invalid" .values) -}}
  {{- $_ := set $out $at (kindIs "string" .values | ternary .values (toJson .values)) -}}
{{- end -}}
{{- end }}

{{- /* A path in one spelling, so that "a[0].b\.c" and "a.0.b.c" are the same. */ -}}
{{- define "hello.normal" -}}
{{- . | replace "\\" "" | replace "[" "." | replace "]" "" -}}
{{- end }}

{{- /*
The settings in effect as JSON, {"open": {path: text}, "secret": {path: text}}. Secret is what lies below "secret",
what the platform names in global.extensa.protectedKeys, and what lies below that. "global" itself is Helm's.
*/ -}}
{{- define "hello.settings" -}}
{{- $all := dict -}}
{{- include "hello.flatten" (dict "values" (omit .Values "global") "at" "" "out" $all) -}}
{{- $hidden := list "secret" -}}
{{- range dig "extensa" "protectedKeys" list (.Values.global | default dict) -}}
  {{- $hidden = append $hidden (include "hello.normal" (toString .)) -}}
{{- end -}}
{{- $open := dict -}}
{{- $secret := dict -}}
{{- range $path, $text := $all -}}
  {{- $normal := include "hello.normal" $path -}}
  {{- $is := dict "hidden" false -}}
  {{- range $hidden -}}
    {{- if or (eq . $normal) (hasPrefix (printf "%s." .) $normal) -}}
      {{- $_ := set $is "hidden" true -}}
    {{- end -}}
  {{- end -}}
  {{- $_ := set ($is.hidden | ternary $secret $open) $path $text -}}
{{- end -}}
{{- dict "open" $open "secret" $secret | toJson -}}
{{- end }}

{{- /*
A map of settings as it stands in a ConfigMap or Secret: those whose path is a legal key by that key, all others
together as JSON under "other-settings.json".
*/ -}}
{{- define "hello.data" -}}
{{- $data := dict -}}
{{- $others := dict -}}
{{- range $path, $text := . -}}
  {{- $legal := regexMatch "^[-_a-zA-Z0-9][-._a-zA-Z0-9]{0,252}$" $path -}}
  {{- $_ := set ((and $legal (ne $path "other-settings.json")) | ternary $data $others) $path $text -}}
{{- end -}}
{{- if $others -}}
  {{- $_ := set $data "other-settings.json" (toJson $others) -}}
{{- end -}}
{{- toJson $data -}}
{{- end }}
