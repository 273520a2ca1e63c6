{{- /* The mode in effect: "none" for chart versions before .Values.from. */ -}}
{{- define "fails.mode" -}}
{{- $known := list "none" "render" "leak" "unknown-kind" "invalid-object" "undeclared-field" "missing-namespace"
  "cluster-object" "foreign-object" "never-ready" "slow" "pvc-pending" "quota" "job" "hook" "post-hook" "hook-hangs"
  "delete-hook" "stuck-delete" "immutable" "image-pull" "crash" -}}
{{- $mode := toString .Values.mode -}}
{{- if not (has $mode $known) -}}
  {{- fail (printf "mode %q is not known; it is one of %s" $mode (join ", " $known)) -}}
{{- end -}}
{{- semverCompare (printf ">=%s" (toString .Values.from)) .Chart.Version | ternary $mode "none" -}}
{{- end }}

{{- /* Labels of every object. */ -}}
{{- define "fails.labels" -}}
app.kubernetes.io/name: fails
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* A node selector that no node meets, so that pods stay pending on simulated and real nodes alike. */ -}}
{{- define "fails.nowhere" -}}
nodeSelector:
  extensa.dev/no-such-node: "true"
{{- end }}

{{- /*
A Job: .chart is the chart's own root, .name its suffix, .hooks the annotation (empty: a plain Job), .fails whether it
fails within seconds, .hangs whether it never ends. It fails by its deadline, for simulated nodes complete any pod.
*/ -}}
{{- define "fails.job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .chart.Release.Name }}-{{ .name }}
  labels:
    {{- include "fails.labels" .chart | nindent 4 }}
  {{- with .hooks }}
  annotations:
    helm.sh/hook: {{ . }}
    helm.sh/hook-delete-policy: before-hook-creation
  {{- end }}
spec:
  backoffLimit: 0
  {{- if .fails }}
  activeDeadlineSeconds: 1
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "fails.labels" .chart | nindent 8 }}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      {{- if or .fails .hangs }}
      {{- include "fails.nowhere" . | nindent 6 }}
      {{- end }}
      containers:
        - name: job
          image: {{ .chart.Values.image | quote }}
          command: ["sh", "-c", "exit 0"]
{{- end }}
