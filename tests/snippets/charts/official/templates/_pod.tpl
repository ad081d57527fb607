{{- /* The environment of the chart's own containers: .root, .section. No extra init container gets any of it. */}}
{{- define "env" -}}
env:
  {{- with .root.Values.env }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
  {{- range .root.Values.secret }}
  - name: {{ .envName }}
    valueFrom: {secretKeyRef: {name: {{ .secretName }}, key: {{ .secretKey | default "value" }}}}
  {{- end }}
  {{- with .root.Values.extraEnv }}
  {{- tpl . $.root | nindent 2 }}
  {{- end }}
  - name: AIRFLOW__CORE__FERNET_KEY
    valueFrom: {secretKeyRef: {name: {{ .root.Release.Name }}-fernet-key, key: fernet-key}}
  {{- with .section.env }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* Up to 1.13 these are put in as they are; from 1.14 on braces in pairs are evaluated. */}}
{{- define "init" -}}
{{- if semverCompare ">=1.14.0" .root.Chart.Version -}}
{{- tpl (toYaml .section.extraInitContainers) .root -}}
{{- else -}}
{{- toYaml .section.extraInitContainers -}}
{{- end -}}
{{- end }}

{{- /* .root, .name, .section */}}
{{- define "container" -}}
name: {{ .name }}
image: apache/airflow:{{ .root.Values.airflowVersion }}
securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
{{ include "env" . }}
volumeMounts:
  - {name: logs, mountPath: /opt/airflow/logs}
  - {name: config, mountPath: /opt/airflow/airflow.cfg, subPath: airflow.cfg, readOnly: true}
  {{- with .root.Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .section.extraVolumeMounts }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* One pod: .root, .name (its own container), .section (of the values), .account, .waits (for the database), .restart */}}
{{- define "pod" -}}
restartPolicy: {{ .restart | default "Always" }}
serviceAccountName: {{ .root.Release.Name }}-{{ .account }}
securityContext: {runAsUser: 50000, fsGroup: 0}
{{- if or .waits .section.extraInitContainers }}
initContainers:
  {{- if .waits }}
  - {{- include "container" (dict "root" .root "name" "wait-for-airflow-migrations" "section" .section) | nindent 4 }}
  {{- end }}
  {{- if .section.extraInitContainers }}
  {{- include "init" . | nindent 2 }}
  {{- end }}
{{- end }}
containers:
  - {{- include "container" . | nindent 4 }}
volumes:
  - {name: logs, emptyDir: {}}
  - {name: config, configMap: {name: {{ .root.Release.Name }}-config}}
  {{- with .root.Values.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .section.extraVolumes }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* The objects around it: .short besides, .kind, .owns (a service account of its own) */}}
{{- define "workload" }}
{{- $kind := .kind | default "Deployment" }}
---
apiVersion: {{ eq $kind "Job" | ternary "batch/v1" "apps/v1" }}
kind: {{ $kind }}
metadata:
  name: {{ .root.Release.Name }}-{{ .short }}
spec:
  {{- if eq $kind "StatefulSet" }}
  serviceName: {{ .root.Release.Name }}-{{ .short }}
  {{- end }}
  {{- if ne $kind "Job" }}
  selector: {matchLabels: {component: {{ .short }}}}
  {{- end }}
  template:
    metadata:
      labels: {component: {{ .short }}}
      annotations:
        checksum/airflow-config: {{ .root.Values.config | toYaml | sha256sum }}
        {{- with merge (dict) .section.podAnnotations .root.Values.airflowPodAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "pod" . | nindent 6 }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .root.Release.Name }}-{{ .account }}
  {{- with .section.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* workers.celery over workers, from 1.19 on: an empty list inherits, any other replaces. As JSON, because a template gives text. */}}
{{- define "celery" -}}
{{- $merged := deepCopy .Values.workers }}
{{- if semverCompare ">=1.19.0" .Chart.Version }}
{{- range $key, $value := .Values.workers.celery }}
{{- if kindIs "map" $value }}
{{- $inner := deepCopy (get $merged $key) }}
{{- range $name, $set := $value }}
{{- if $set }}{{- $_ := set $inner $name $set }}{{- end }}
{{- end }}
{{- $_ := set $merged $key $inner }}
{{- else if $value }}
{{- $_ := set $merged $key $value }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $merged }}
{{- end }}

{{- /* workers.kubernetes.X or else workers.X, from 1.21 on; before, workers.X whatever workers.kubernetes says. */}}
{{- define "kubernetes" -}}
{{- $merged := deepCopy .Values.workers }}
{{- if semverCompare ">=1.21.0" .Chart.Version }}
{{- range $key, $value := .Values.workers.kubernetes }}
{{- $_ := set $merged $key (default (get $merged $key) $value) }}
{{- end }}
{{- end }}
{{- toJson $merged }}
{{- end }}
