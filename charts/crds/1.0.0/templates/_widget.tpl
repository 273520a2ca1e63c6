{{- /* Labels of every object. */ -}}
{{- define "crds.labels" -}}
app.kubernetes.io/name: crds
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* One hook Job: .name says when it runs, .hooks is the annotation, .chart the chart's own root. */ -}}
{{- define "crds.hook" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .chart.Release.Name }}-{{ .name }}
  labels:
    {{- include "crds.labels" .chart | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hooks }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 1
  template:
    metadata:
      labels:
        {{- include "crds.labels" .chart | nindent 8 }}
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        seccompProfile:
          type: RuntimeDefault
      containers:
        - name: hook
          image: {{ .chart.Values.image | quote }}
          command: ["sh", "-c", {{ printf "echo %s of %s" .name .chart.Release.Name | quote }}]
          resources:
            requests:
              cpu: 5m
              memory: 8Mi
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: ["ALL"]
{{- end }}
